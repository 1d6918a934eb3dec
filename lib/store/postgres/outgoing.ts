/**
 * Sent messages: each change is one statement, with its line in the ledger and the notification of other instances.
 * Messages that are enqueued together share one.
 */
import { OUTGOING_STATES } from '../../message-states';
import { NEW_LEDGER_COLUMNS } from '../rows/ledger';
import { lookups } from '../rows/lookups';
import {
  outgoingWithoutPayload,
  NEW_OUTGOING_COLUMNS,
  newOutgoingValues,
  OUTGOING_COLUMN_NAMES,
  outgoingChange,
  outgoingCounts,
  outgoingOf,
  parseOutgoing,
  queuedOutgoing,
} from '../rows/outgoing';
import type { Row, SqlValue } from '../rows/parse';
import { payloadOf } from '../rows/payload';
import { duplicateIdError } from '../rules/errors';
import { furthestAttempt, furthestTracking } from '../rules/due-times';
import type { OutgoingStore } from '../roles/outgoing-store';
import { SENT_TO_OTHER } from '../rules/sandbox-instances';
import type {
  KnownChange,
  LedgerEntry,
  LedgerNote,
  NewOutgoing,
  OutcomeCondition,
  Outgoing,
  OutgoingChange,
  OutgoingCounts,
  OutgoingFilter,
  OutgoingState,
  OutgoingTransition,
  Page,
  ReplacedOutgoing,
  SendingProgress,
} from '../store';
import { ledgerLine, lineValues } from './ledger';
import { MAILBOX } from './mailboxes';
import type { Notify } from './notifications';
import { orderOf } from './order';
import { bytesJoined, bytesOf, payloadParts, placeholders } from './payloads';
import { jsonOf, type Queries, type Value } from './queries';

const columnsOf = (table: string): string => OUTGOING_COLUMN_NAMES.map((column) => `${table}.${column}`).join(', ');
const SELECT = `SELECT ${columnsOf('o')} FROM outgoing AS o`;
const WITH_KEY = 'JOIN mailbox AS m ON m.id = o.mailbox';
const WITH_PAYLOAD = `SELECT ${columnsOf('o')}, m.key AS mailbox_key, p.bytes FROM outgoing AS o ${WITH_KEY}
  ${bytesJoined('outgoing', 'o')}`;
type Also = Omit<LedgerEntry, 'sequence' | 'mailbox'>;
const LINE = ledgerLine('changed', `mailbox, 'out', id, message_id`);

/** The types of `newOutgoingValues` after the mailbox: in a SELECT they are not taken from the table. */
const TYPES =
  'text text text text text smallint text smallint text text bigint float8 text text text text text ' +
  'float8 float8 float8 text text text text text text text';

/** A message to enqueue, its line in the ledger, and one about another message. */
export interface Enqueued {
  message: NewOutgoing;
  note: LedgerNote;
  also?: Also | undefined;
}

/** What `enqueue` returns for a message. */
type Added = Awaited<ReturnType<OutgoingStore['enqueue']>>;

/**
 * Adds messages in the order of the calls, as many with one statement as do not depend on each other: a repeat of an id
 * or a key must find the message that has it. One that is refused does not keep the others from being added.
 */
export async function enqueueAll(
  queries: Queries,
  items: readonly Enqueued[],
  notify: Notify,
): Promise<Array<PromiseSettledResult<Added>>> {
  const added = await Promise.all(runsWithoutRepeats(items).map((run) => enqueueRun(queries, run, notify)));
  return added.flat();
}

/** Cuts the messages before each one that has the id or the key of an earlier one. */
function runsWithoutRepeats(items: readonly Enqueued[]): Enqueued[][] {
  const runs: Enqueued[][] = [];
  let seen = new Set<string>();
  for (const item of items) {
    const { id, onceKey, mailbox } = item.message;
    const own = [`id ${id}`, ...(onceKey === null ? [] : [`key ${mailbox} ${onceKey}`])];
    if (runs.length === 0 || own.some((each) => seen.has(each))) {
      runs.push([]);
      seen = new Set();
    }
    own.forEach((each) => seen.add(each));
    runs.at(-1)?.push(item);
  }
  return runs;
}

const [, ...GIVEN_COLUMNS] = NEW_OUTGOING_COLUMNS.split(/,\s*/);

/**
 * Adds the messages of the first list, their bytes out of one value, and the lines of the second list for those that
 * were added. The statement is the same for any number of messages, and so prepared once. The lock of each mailbox is
 * held: no message with one of the keys can come after `first`. LATERAL with a limit: each key and each row is looked up
 * by its index, whatever the planner expects of the tables.
 */
const ENQUEUE = `WITH given AS MATERIALIZED (
    SELECT m.id AS mailbox_id, g.* FROM json_to_recordset(?::json) AS g (n integer, mailbox text,
        ${GIVEN_COLUMNS.map((column, index) => `${column} ${TYPES.split(' ')[index]}`).join(', ')},
        bytes_from integer, bytes_length integer)
      JOIN mailbox AS m ON m.key = g.mailbox),
  first AS MATERIALIZED (
    SELECT given.n, found.seq FROM given CROSS JOIN LATERAL (
      SELECT seq FROM outgoing
        WHERE once_key = given.once_key AND mailbox = given.mailbox_id AND once_key IS NOT NULL LIMIT 1) AS found),
  changed AS (
    INSERT INTO outgoing (${NEW_OUTGOING_COLUMNS})
      SELECT mailbox_id, ${GIVEN_COLUMNS.join(', ')} FROM given WHERE n NOT IN (SELECT n FROM first) ORDER BY n
      ON CONFLICT DO NOTHING RETURNING seq, id),
  stored AS (
    INSERT INTO outgoing_payload (seq, bytes)
      SELECT changed.seq, substring(?::bytea FROM bytes_from FOR bytes_length)
        FROM changed JOIN given USING (id) WHERE bytes_from IS NOT NULL ORDER BY n),
  line AS (
    INSERT INTO ledger (${NEW_LEDGER_COLUMNS})
      SELECT time, mailbox_id, direction, reference, message_id, event, detail
        FROM json_to_recordset(?::json) AS l (line_number integer, n integer, time float8, direction text, reference text,
          message_id text, event text, detail text) JOIN given USING (n) JOIN changed USING (id)
        ORDER BY line_number)
  SELECT given.n, changed.seq IS NOT NULL AS is_new, ${columnsOf('o')}, p.bytes,
      CASE WHEN changed.seq IS NOT NULL THEN pg_notify(?, ? || ' out ' || given.id || ' ' || given.mailbox)::text END
        AS notified
    FROM given LEFT JOIN changed USING (id) LEFT JOIN first USING (n)
      LEFT JOIN LATERAL (SELECT * FROM outgoing WHERE seq = first.seq LIMIT 1) AS o ON true
      ${bytesJoined('outgoing', 'first')}`;

/** Adds messages of which none has the id or the key of another. */
async function enqueueRun(
  queries: Queries,
  items: readonly Enqueued[],
  notify: Notify,
): Promise<Array<PromiseSettledResult<Added>>> {
  const pieces: Uint8Array[] = [];
  let from = 1;
  const given = items.map(({ message }, n) => {
    const [, ...values] = newOutgoingValues(0, message);
    const row: Record<string, Value | undefined> = { n, mailbox: message.mailbox };
    for (const [index, column] of GIVEN_COLUMNS.entries()) row[column] = values[index];
    const bytes = bytesOf(message.payload);
    if (bytes === null) return row;
    pieces.push(bytes);
    row['bytes_from'] = from;
    row['bytes_length'] = bytes.length;
    from += bytes.length;
    return row;
  });
  const lines: Array<Record<string, Value>> = [];
  const add = (n: number, line: Omit<Also, keyof LedgerNote>, note: LedgerNote): void => {
    const { direction, reference, messageId } = line;
    lines.push({ line_number: lines.length, n, direction, reference, message_id: messageId, ...lineOf(note) });
  };
  for (const [n, { message, note, also }] of items.entries()) {
    add(n, { direction: 'out', reference: message.id, messageId: null }, note);
    if (also) add(n, also, also);
  }
  const rows = await queries.rows(
    ENQUEUE,
    jsonOf(given),
    Buffer.concat(pieces),
    jsonOf(lines),
    notify.channel,
    notify.from,
  );
  const found = new Map(rows.map((row) => [Number(row['n']), row]));
  return items.map(({ message }, n): PromiseSettledResult<Added> => {
    const row = found.get(n);
    if (row?.['is_new'] === true) return { status: 'fulfilled', value: { message: asAdded(message), isNew: true } };
    if (!row || row['id'] === null) return { status: 'rejected', reason: duplicateIdError() };
    return { status: 'fulfilled', value: { message: withPayload(row, message.mailbox), isNew: false } };
  });
}

/** Returns the columns of a line that its note gives. */
function lineOf({ time, event, detail }: LedgerNote): Record<'time' | 'event' | 'detail', Value> {
  return { time, event, detail: JSON.stringify(detail ?? {}) };
}

/** Changes a message and adds the one that takes its place, in one statement: nothing can come in between. */
export async function replaceOutgoing(
  queries: Queries,
  { id, from, outcomes: { infrastructure, business, repliesRevision } = {}, change, note: changed }: ReplacedOutgoing,
  message: NewOutgoing,
  note: LedgerNote,
  notify: Notify,
): Promise<{ message: Outgoing; isNew: boolean; replaced?: Outgoing } | undefined> {
  const first = firstOfKey(message);
  const added = addedParts(message, note, notify);
  const { assignments, values } = outgoingChange(change);
  const rows = await queries.rows(
    `WITH ${first.sql}, replaced AS (
        UPDATE outgoing SET ${['id = id', ...assignments].join(', ')}
          WHERE id = ? AND state = ANY(?::text[])
            AND (?::text[] IS NULL OR infrastructure = ANY(?::text[])) AND (?::text[] IS NULL OR business = ANY(?::text[]))
            AND (?::integer IS NULL OR replies_revision = ?::integer)
            AND NOT EXISTS (SELECT 1 FROM first) AND NOT EXISTS (SELECT 1 FROM outgoing WHERE id = ?) RETURNING *),
      replaced_line AS (${ledgerLine('replaced', `mailbox, 'out', id, message_id`)}),
      ${added.sql('EXISTS (SELECT 1 FROM replaced)')}
      ${added.select} UNION ALL ${FIRST}
      UNION ALL SELECT 'replaced', ${columnsOf('o')}, p.bytes, pg_notify(?, ? || ' out ' || o.id || ' ' || ?)::text
        FROM replaced AS o ${bytesJoined('outgoing', 'o')}`,
    ...first.values,
    ...values,
    id,
    from,
    ...[infrastructure, business, repliesRevision].flatMap((each) => [each ?? null, each ?? null]),
    message.id,
    ...lineValues(changed),
    ...added.values,
    ...added.selectValues,
    notify.channel,
    notify.from,
    message.mailbox,
  );
  const row = (kind: string): Row | undefined => rows.find((each) => each['kind'] === kind);
  const [before, one, other] = [row('first'), row('added'), row('replaced')];
  if (before) return { message: withPayload(before, message.mailbox), isNew: false };
  if (!one || !other) return undefined;
  return { message: asAdded(message), isNew: true, replaced: withPayload(other, message.mailbox) };
}

/** A part of a statement, and its values. */
interface Part {
  sql: string;
  values: Value[];
}

/** The part `first`: the message that has the key already. The lock of the mailbox is held: none can come after it. */
function firstOfKey({ onceKey, mailbox }: NewOutgoing): Part {
  return {
    sql: `first AS (SELECT seq FROM outgoing WHERE once_key = ? AND mailbox = ${MAILBOX} AND once_key IS NOT NULL)`,
    values: [onceKey, mailbox],
  };
}

const FIRST = `SELECT 'first', ${columnsOf('o')}, p.bytes, NULL FROM first JOIN outgoing AS o ON o.seq = first.seq
  ${bytesJoined('outgoing', 'o')}`;

/** The parts that add a message under a condition, and the SELECT that returns it; each with its values. */
function addedParts(
  message: NewOutgoing,
  note: LedgerNote,
  notify: Notify,
): { sql: (condition: string) => string; values: Value[]; select: string; selectValues: Value[] } {
  const [, ...values] = newOutgoingValues(0, message);
  const bytes = bytesOf(message.payload);
  return {
    sql: (condition) => `changed AS (
        INSERT INTO outgoing (${NEW_OUTGOING_COLUMNS}) SELECT ${MAILBOX}, ${placeholders(TYPES)}
          WHERE ${condition} ON CONFLICT DO NOTHING RETURNING *),
      stored AS (INSERT INTO outgoing_payload (seq, bytes)
        SELECT seq, ?::bytea FROM changed WHERE ?::bytea IS NOT NULL),
      line AS (${LINE})`,
    values: [message.mailbox, ...values, bytes, bytes, ...lineValues(note)],
    select: `SELECT 'added' AS kind, ${columnsOf('o')}, NULL::bytea AS bytes,
        pg_notify(?, ? || ' out ' || o.id || ' ' || ?)::text AS notified FROM changed AS o`,
    selectValues: [notify.channel, notify.from, message.mailbox],
  };
}

/** Returns a message as it was added, with bytes of its own: it need not come back over the network. */
function asAdded(message: NewOutgoing): Outgoing {
  const { payload } = message;
  if (payload.kind !== 'inline') return queuedOutgoing(message);
  return queuedOutgoing({ ...message, payload: { ...payload, bytes: new Uint8Array(payload.bytes) } });
}

export async function getOutgoing(queries: Queries, id: string): Promise<Outgoing | undefined> {
  const [row] = await queries.rows(`${WITH_PAYLOAD} WHERE o.id = ?`, id);
  return row && withPayload(row);
}

export async function findByAcknowledgementReference(
  queries: Queries,
  mailbox: string,
  acknowledgementReference: string,
  limit: number,
): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.acknowledgement_reference = ?
      ORDER BY ${orderOf('o.')} DESC LIMIT ?`,
    mailbox,
    acknowledgementReference,
    limit,
  );
  return rows.map((row) => outgoingOf(parseOutgoing(row), mailbox, null));
}

export async function findByReplyKeys(
  queries: Queries,
  mailbox: string,
  keys: readonly string[],
  limit: number,
): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `${SELECT} WHERE o.seq = ANY(ARRAY(SELECT seq FROM outgoing_reply_key WHERE key = ANY(?::text[])))
        AND o.mailbox = ${MAILBOX} ORDER BY o.seq DESC LIMIT ?`,
    keys,
    mailbox,
    limit,
  );
  return rows.map((row) => outgoingOf(parseOutgoing(row), mailbox, null));
}

/** The sequence of a page's last message, by its id; behind every message if it is gone. */
const SEQ_OF_LAST = 'coalesce((SELECT seq FROM outgoing WHERE id = ?), 9223372036854775807)';

/**
 * Lists by the index of a value in the filter; without one by states, each of which is an index range in order of its sequence.
 */
export async function listOutgoing(queries: Queries, filter: OutgoingFilter, page: Page): Promise<Outgoing[]> {
  const after = page.after ?? '';
  const start = after === '' ? '?::text IS NOT NULL' : `${orderOf('o.')} > ${SEQ_OF_LAST}`;
  const [index, ...conditions] = lookups(filter);
  const wheres: string[] = [];
  const values: Value[] = [];
  const where = (condition: string, value: Value): void => {
    wheres.push(condition);
    values.push(value);
  };
  if (!index) {
    const states = [...new Set(filter.states ?? OUTGOING_STATES)];
    const rows = await queries.rows(
      `SELECT o.*, m.key AS mailbox_key FROM mailbox AS m CROSS JOIN unnest(?::text[]) AS s (state) CROSS JOIN LATERAL (
          ${SELECT} WHERE o.mailbox = m.id AND o.state = s.state AND ${start}
            ORDER BY ${orderOf('o.')} LIMIT ?
        ) AS o ${filter.mailbox === undefined ? '' : 'WHERE m.key = ?'} ORDER BY o.seq LIMIT ?`,
      states,
      after,
      page.limit,
      ...(filter.mailbox === undefined ? [] : [filter.mailbox]),
      page.limit,
    );
    return rows.map((row) => withoutPayload(row));
  }
  for (const { column, value } of [index, ...conditions]) where(`o.${column} = ?`, value);
  if (filter.mailbox !== undefined) where('m.key = ?', filter.mailbox);
  if (filter.states) where('o.state = ANY(?::text[])', filter.states);
  const rows = await queries.rows(
    `SELECT ${columnsOf('o')}, m.key AS mailbox_key FROM outgoing AS o ${WITH_KEY}
      WHERE ${wheres.join(' AND ')} AND ${start} AND o.${index.column} IS NOT NULL
      ORDER BY ${orderOf('o.')} LIMIT ?`,
    ...values,
    after,
    page.limit,
  );
  return rows.map((row) => withoutPayload(row));
}

export async function countOutgoing(queries: Queries, mailbox: string): Promise<OutgoingCounts> {
  return outgoingCounts(
    await queries.rows(`SELECT state, messages, bytes FROM outgoing_count WHERE mailbox = ${MAILBOX}`, mailbox),
  );
}

export async function nextToSend(queries: Queries, mailbox: string, now: number, limit: number): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `${WITH_PAYLOAD} WHERE o.mailbox = ${MAILBOX} AND o.state = 'queued' AND o.blocked = 0
        AND (o.next_attempt_at <= ? OR o.next_attempt_at > ?)
      ORDER BY ${orderOf('o.')} LIMIT ?`,
    mailbox,
    now,
    furthestAttempt(now),
    limit,
  );
  return rows.map((row) => withPayload(row, mailbox));
}

export async function idsToSend(queries: Queries, mailbox: string, now: number, limit: number): Promise<string[]> {
  const rows = await queries.rows(
    `SELECT id FROM outgoing
      WHERE mailbox = ${MAILBOX} AND state = 'queued' AND blocked = 0 AND (next_attempt_at <= ? OR next_attempt_at > ?)
      ORDER BY ${orderOf()} LIMIT ?`,
    mailbox,
    now,
    furthestAttempt(now),
    limit,
  );
  return rows.map((row) => String(row['id']));
}

export async function nextSendTime(queries: Queries, mailbox: string, now: number): Promise<number | undefined> {
  const [row] = await queries.rows(
    `SELECT min(next_attempt_at) AS first, max(next_attempt_at) AS last FROM outgoing
      WHERE mailbox = ${MAILBOX} AND state = 'queued' AND blocked = 0`,
    mailbox,
  );
  if (typeof row?.['first'] !== 'number') return undefined;
  return Number(row['last']) > furthestAttempt(now) ? 0 : row['first'];
}

export async function dueTracking(queries: Queries, mailbox: string, now: number, limit: number): Promise<Outgoing[]> {
  const rows: Row[] = [];
  const addDue = async (condition: string, time: number): Promise<void> => {
    if (rows.length === limit) return;
    const sql = `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.next_track_at IS NOT NULL AND ${condition} ?
        ORDER BY o.next_track_at, o.seq LIMIT ?`;
    rows.push(...(await queries.rows(sql, mailbox, time, limit - rows.length)));
  };
  await addDue('o.next_track_at <=', now);
  await addDue(`o.state = 'unknown' AND o.next_track_at >`, furthestTracking('unknown', now));
  await addDue(`o.state <> 'unknown' AND o.next_track_at >`, furthestTracking('accepted', now));
  return rows.map((row) => withoutPayload(row, mailbox));
}

export async function dueOverdue(queries: Queries, mailbox: string, now: number, limit: number): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.overdue_at IS NOT NULL AND o.overdue_at <= ?
      ORDER BY o.overdue_at, o.seq LIMIT ?`,
    mailbox,
    now,
    limit,
  );
  return rows.map((row) => withoutPayload(row, mailbox));
}

/** Conditions of a change, and what goes with it. */
interface ChangeOptions {
  note: LedgerNote | undefined;
  outcomes?: OutcomeCondition | undefined;
  notify: Notify;
}

/** Changes a message in one statement: nothing can come between reading the state and changing it. */
export async function changeOutgoing(
  queries: Queries,
  id: string,
  from: readonly OutgoingState[],
  change: OutgoingChange,
  { note, outcomes: { infrastructure, business, repliesRevision } = {}, notify }: ChangeOptions,
): Promise<Outgoing | undefined> {
  if ([from, infrastructure, business].some((each) => each?.length === 0)) return undefined;
  const { assignments, values } = outgoingChange(change);
  const payload = payloadParts('outgoing', change.payload);
  const conditions =
    (infrastructure ? ' AND infrastructure = ANY(?::text[])' : '') +
    (business ? ' AND business = ANY(?::text[])' : '') +
    (repliesRevision === undefined ? '' : ' AND replies_revision = ?');
  const readsBytes = change.payload === undefined;
  // Progress within a state is not notified.
  const notified = change.state === undefined ? [] : [notify.channel, notify.from];
  const rows = await queries.rows(
    `WITH changed AS (
        UPDATE outgoing SET ${['id = id', ...assignments].join(', ')}
          WHERE id = ? AND state = ANY(?::text[])${conditions} RETURNING *)
        ${payload.sql} ${note ? `, line AS (${LINE})` : ''}
      SELECT ${columnsOf('o')}, m.key AS mailbox_key, ${readsBytes ? 'p.bytes' : 'NULL::bytea AS bytes'}
        ${notified.length > 0 ? `, pg_notify(?, ? || ' out ' || o.id || ' ' || m.key)::text AS notified` : ''}
        FROM changed AS o ${WITH_KEY} ${readsBytes ? bytesJoined('outgoing', 'o') : ''}`,
    ...values,
    id,
    from,
    ...(infrastructure ? [infrastructure] : []),
    ...(business ? [business] : []),
    ...(repliesRevision === undefined ? [] : [repliesRevision]),
    ...payload.values,
    ...(note ? lineValues(note) : []),
    ...notified,
  );
  const [row] = rows;
  if (!row) return undefined;
  if (change.payload === undefined) return withPayload(row);
  return outgoingOf(parseOutgoing(row), String(row['mailbox_key']), change.payload);
}

/**
 * Returns for each change whether it was made. Neighbours that set the same columns share a statement; the statements go
 * out one behind the other, within one transaction.
 */
export async function changeBatch(
  queries: Queries,
  transitions: readonly OutgoingTransition[],
  notify: Notify,
  progress?: SendingProgress & { mailbox: string },
): Promise<boolean[]> {
  const [changed] = await Promise.all([
    Promise.all(runsOfSameColumns(transitions).map((run) => changeRun(queries, run, notify))),
    progress && recordProgress(queries, progress),
  ]);
  return changed.flat();
}

/** Changes that set the same columns, and their values. */
interface ChangeRun {
  columns: string[];
  changes: Array<{ transition: OutgoingTransition; values: SqlValue[] }>;
}

function runsOfSameColumns(transitions: readonly OutgoingTransition[]): ChangeRun[] {
  const runs: ChangeRun[] = [];
  for (const transition of transitions) {
    const { assignments, values } = outgoingChange(transition.change);
    const columns = assignments.map((assignment) => assignment.replace(' = ?', ''));
    const run = runs.at(-1);
    if (run?.columns.join() === columns.join()) run.changes.push({ transition, values });
    else runs.push({ columns, changes: [{ transition, values }] });
  }
  return runs;
}

/** Columns that a change may set and that are no text: JSON does not tell their types. */
const CHANGE_TYPES: Record<string, string> = {
  chunks_sent: 'integer',
  attempts: 'integer',
  next_attempt_at: 'float8',
  first_attempt_at: 'float8',
  accepted_at: 'float8',
  settled_at: 'float8',
  next_track_at: 'float8',
  tracked: 'integer',
  collect_by: 'float8',
  infrastructure_by: 'float8',
  business_by: 'float8',
  replies_revision: 'integer',
  replies_by: 'float8',
};

/** Makes the changes, at most one for each message. Each message is looked up by its index, as in `ENQUEUE`. */
async function changeRun(queries: Queries, { columns, changes }: ChangeRun, notify: Notify): Promise<boolean[]> {
  const given = [
    'n integer, id text, states text[], attempt integer, time float8, event text, detail text',
    ...columns.map((column) => `new_${column} ${CHANGE_TYPES[column] ?? 'text'}`),
  ];
  // Progress within a state is not notified.
  const notified = columns.includes('state') ? [notify.channel, notify.from] : [];
  const rows = await queries.rows(
    `WITH given AS MATERIALIZED (
        SELECT g.*, found.seq FROM json_to_recordset(?::json) AS g (${given.join(', ')})
          CROSS JOIN LATERAL (SELECT seq FROM outgoing WHERE id = g.id LIMIT 1) AS found),
      changed AS (
        UPDATE outgoing AS o SET ${['id = o.id', ...columns.map((column) => `${column} = given.new_${column}`)].join(', ')}
          FROM given WHERE o.seq = ANY(ARRAY(SELECT seq FROM given)) AND o.seq = given.seq
            AND o.state = ANY(given.states) AND (given.attempt IS NULL OR o.attempts = given.attempt)
          RETURNING given.n, o.mailbox, o.id, o.message_id),
      line AS (
        INSERT INTO ledger (${NEW_LEDGER_COLUMNS})
          SELECT given.time, mailbox, 'out', changed.id, message_id, event, detail
            FROM changed JOIN given USING (n) ORDER BY n)
      SELECT n ${notified.length > 0 ? `, pg_notify(?, ? || ' out ' || changed.id || ' ' || m.key)::text AS notified` : ''}
        FROM changed JOIN mailbox AS m ON m.id = changed.mailbox`,
    jsonOf(
      changes.map(({ transition: { id, from, attempt = null, note }, values }, n) => ({
        n,
        id,
        states: from,
        attempt,
        ...lineOf(note),
        ...Object.fromEntries(columns.map((column, index) => [`new_${column}`, values[index] ?? null])),
      })),
    ),
    ...notified,
  );
  const made = new Set(rows.map((row) => Number(row['n'])));
  return changes.map((_, n) => made.has(n));
}

async function recordProgress(
  queries: Queries,
  { mailbox, commits, begun }: SendingProgress & { mailbox: string },
): Promise<void> {
  await queries.rows(
    `INSERT INTO sending (mailbox, commits, begun) VALUES (${MAILBOX}, ?, ?)
      ON CONFLICT (mailbox) DO UPDATE SET commits = excluded.commits, begun = excluded.begun`,
    mailbox,
    commits,
    begun,
  );
}

export async function sendingProgress(queries: Queries, mailbox: string): Promise<SendingProgress> {
  const [row] = await queries.rows(`SELECT commits, begun FROM sending WHERE mailbox = ${MAILBOX}`, mailbox);
  return { commits: Number(row?.['commits'] ?? 0), begun: Number(row?.['begun'] ?? 0) };
}

/** Adds a message without a payload and in the state of `change`; undefined if the store has it. */
export async function addWithoutPayload(
  queries: Queries,
  message: Omit<NewOutgoing, 'payload'>,
  change: KnownChange,
  note: LedgerNote,
  notify: Notify,
): Promise<Outgoing | undefined> {
  const { columns, values } = outgoingWithoutPayload(0, message, change);
  const [row] = await queries.rows(
    `WITH changed AS (
        INSERT INTO outgoing (${columns}) VALUES (${[MAILBOX, ...values.slice(1).map(() => '?')].join(', ')})
          ON CONFLICT DO NOTHING RETURNING *),
      line AS (${LINE})
    SELECT ${columnsOf('o')}, pg_notify(?, ? || ' out ' || o.id || ' ' || ?)::text AS notified FROM changed AS o`,
    message.mailbox,
    ...values.slice(1),
    ...lineValues(note),
    notify.channel,
    notify.from,
    message.mailbox,
  );
  return row && withoutPayload(row, message.mailbox);
}

/** Closes messages that ended with another instance of the sandbox; returns how many. */
export async function closeSentToOther(
  queries: Queries,
  mailbox: string,
  instance: string,
  note: LedgerNote,
): Promise<number> {
  const rows = await queries.rows(
    `WITH changed AS (
        UPDATE outgoing SET state = 'closed', settled_at = ?, next_track_at = NULL
          WHERE mailbox = ${MAILBOX} AND ${SENT_TO_OTHER}
          RETURNING mailbox, id, message_id), line AS (${LINE})
      SELECT count(*) AS closed FROM changed`,
    note.time,
    mailbox,
    instance,
    ...lineValues(note),
  );
  return Number(rows[0]?.['closed']);
}

function withPayload(row: Row, mailbox = String(row['mailbox_key'])): Outgoing {
  const parsed = parseOutgoing(row);
  return outgoingOf(
    parsed,
    mailbox,
    payloadOf('outgoing', parsed, () => row['bytes']),
  );
}

/** Without the payload. */
function withoutPayload(row: Row, mailbox = String(row['mailbox_key'])): Outgoing {
  return outgoingOf(parseOutgoing(row), mailbox, null);
}
