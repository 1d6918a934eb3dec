/** Sent messages: each change is one statement, with its line in the ledger and the notification of other instances. */
import { OUTGOING_STATES } from '../../message-states';
import { NEW_LEDGER_COLUMNS } from '../rows/ledger';
import { lookups } from '../rows/lookups';
import {
  forgottenOutgoing,
  NEW_OUTGOING_COLUMNS,
  newOutgoingValues,
  OUTGOING_COLUMN_NAMES,
  outgoingChange,
  outgoingCounts,
  outgoingOf,
  parseOutgoing,
} from '../rows/outgoing';
import type { Row } from '../rows/parse';
import { payloadOf } from '../rows/payload';
import { duplicateIdError } from '../rules/errors';
import { furthestAttempt, furthestTracking } from '../rules/due-times';
import { SENT_TO_OTHER } from '../rules/sandbox-instances';
import type {
  ForgottenChange,
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
import { bytesOf, payloadParts, placeholders } from './payloads';
import type { Queries, Value } from './queries';

const columnsOf = (table: string): string => OUTGOING_COLUMN_NAMES.map((column) => `${table}.${column}`).join(', ');
const SELECT = `SELECT ${columnsOf('o')} FROM outgoing AS o`;
const WITH_KEY = 'JOIN mailbox AS m ON m.id = o.mailbox';
const WITH_PAYLOAD = `SELECT ${columnsOf('o')}, m.key AS mailbox_key, p.bytes FROM outgoing AS o ${WITH_KEY}
  LEFT JOIN outgoing_payload AS p ON p.seq = o.seq`;
type Also = Omit<LedgerEntry, 'sequence' | 'mailbox'>;
const LINE = ledgerLine('changed', `mailbox, 'out', id, message_id`);

export async function enqueue(
  queries: Queries,
  message: NewOutgoing,
  note: LedgerNote,
  notify: Notify,
  also?: Also,
): Promise<{ message: Outgoing; isNew: boolean }> {
  const first = firstOfKey(message);
  const added = addedParts(message, note, notify);
  const line = also && lineOfAnother(also);
  const rows = await queries.rows(
    `WITH ${first.sql}, ${added.sql('NOT EXISTS (SELECT 1 FROM first)')} ${line ? `, ${line.sql}` : ''}
      ${added.select} UNION ALL ${FIRST}`,
    ...first.values,
    ...added.values,
    ...(line?.values ?? []),
    ...added.selectValues,
  );
  const [row] = rows;
  if (!row) throw duplicateIdError();
  return row['kind'] === 'added'
    ? addedMessage(row, message)
    : { message: withPayload(row, message.mailbox), isNew: false };
}

/** Changes a message and adds the one that takes its place, in one statement: nothing can come in between. */
export async function replaceOutgoing(
  queries: Queries,
  { id, from, outcomes: { infrastructure, business } = {}, change, note: changed }: ReplacedOutgoing,
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
            AND NOT EXISTS (SELECT 1 FROM first) AND NOT EXISTS (SELECT 1 FROM outgoing WHERE id = ?) RETURNING *),
      replaced_line AS (${ledgerLine('replaced', `mailbox, 'out', id, message_id`)}),
      ${added.sql('EXISTS (SELECT 1 FROM replaced)')}
      ${added.select} UNION ALL ${FIRST}
      UNION ALL SELECT 'replaced', ${columnsOf('o')}, p.bytes, pg_notify(?, ? || ' out ' || o.id || ' ' || ?)::text
        FROM replaced AS o LEFT JOIN outgoing_payload AS p ON p.seq = o.seq`,
    ...first.values,
    ...values,
    id,
    from,
    ...[infrastructure, business].flatMap((each) => [each ?? null, each ?? null]),
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
  return { ...addedMessage(one, message), replaced: withPayload(other, message.mailbox) };
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
  LEFT JOIN outgoing_payload AS p ON p.seq = o.seq`;

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

/** The part that writes a line about another message if one was added. */
function lineOfAnother({ time, direction, reference, messageId, event, detail }: Also): Part {
  return {
    sql: `another AS (INSERT INTO ledger (${NEW_LEDGER_COLUMNS})
        SELECT ?::float8, mailbox, ?::text, ?::text, ?::text, ?::text, ?::text FROM changed)`,
    values: [time, direction, reference, messageId, event, JSON.stringify(detail)],
  };
}

/** Returns the message that was added. Its bytes need not come back over the network. */
function addedMessage(row: Row, { payload, mailbox }: NewOutgoing): { message: Outgoing; isNew: true } {
  const kept = payload.kind === 'inline' ? { ...payload, bytes: new Uint8Array(payload.bytes) } : payload;
  return { message: outgoingOf(parseOutgoing(row), mailbox, kept), isNew: true };
}

/** The types of `newOutgoingValues` after the mailbox: in a SELECT they are not taken from the table. */
const TYPES =
  'text text text text text smallint text smallint text text bigint float8 text text text text text ' +
  'float8 float8 float8 text text text text';

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
    `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.acknowledgement_reference = ? ORDER BY o.seq DESC LIMIT ?`,
    mailbox,
    acknowledgementReference,
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
  const start = after === '' ? '?::text IS NOT NULL' : `o.seq > ${SEQ_OF_LAST}`;
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
          ${SELECT} WHERE o.mailbox = m.id AND o.state = s.state AND ${start} ORDER BY o.seq LIMIT ?
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
      WHERE ${wheres.join(' AND ')} AND ${start} AND o.${index.column} IS NOT NULL ORDER BY o.seq LIMIT ?`,
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
      ORDER BY o.seq LIMIT ?`,
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
      ORDER BY seq LIMIT ?`,
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
  attempt?: number | undefined;
  /** Returns the message without its payload. */
  bare?: boolean;
  notify: Notify;
}

/** Changes a message in one statement: nothing can come between reading the state and changing it. */
export async function changeOutgoing(
  queries: Queries,
  id: string,
  from: readonly OutgoingState[],
  change: OutgoingChange,
  { note, outcomes: { infrastructure, business } = {}, attempt, bare = false, notify }: ChangeOptions,
): Promise<Outgoing | undefined> {
  if ([from, infrastructure, business].some((each) => each?.length === 0)) return undefined;
  const { assignments, values } = outgoingChange(change);
  const payload = payloadParts('outgoing', change.payload);
  const conditions =
    (infrastructure ? ' AND infrastructure = ANY(?::text[])' : '') +
    (business ? ' AND business = ANY(?::text[])' : '') +
    (attempt === undefined ? '' : ' AND attempts = ?');
  const readsBytes = change.payload === undefined && !bare;
  // Progress within a state is not notified.
  const notified = change.state === undefined ? [] : [notify.channel, notify.from];
  const rows = await queries.rows(
    `WITH changed AS (
        UPDATE outgoing SET ${['id = id', ...assignments].join(', ')}
          WHERE id = ? AND state = ANY(?::text[])${conditions} RETURNING *)
        ${payload.sql} ${note ? `, line AS (${LINE})` : ''}
      SELECT ${columnsOf('o')}, m.key AS mailbox_key, ${readsBytes ? 'p.bytes' : 'NULL::bytea AS bytes'}
        ${notified.length > 0 ? `, pg_notify(?, ? || ' out ' || o.id || ' ' || m.key)::text AS notified` : ''}
        FROM changed AS o ${WITH_KEY} ${readsBytes ? 'LEFT JOIN outgoing_payload AS p ON p.seq = o.seq' : ''}`,
    ...values,
    id,
    from,
    ...(infrastructure ? [infrastructure] : []),
    ...(business ? [business] : []),
    ...(attempt === undefined ? [] : [attempt]),
    ...payload.values,
    ...(note ? lineValues(note) : []),
    ...notified,
  );
  const [row] = rows;
  if (!row) return undefined;
  if (bare) return withoutPayload(row);
  if (change.payload === undefined) return withPayload(row);
  return outgoingOf(parseOutgoing(row), String(row['mailbox_key']), change.payload);
}

/** Returns for each change whether it was made. The statements go out one behind the other, within one transaction. */
export async function changeBatch(
  queries: Queries,
  transitions: readonly OutgoingTransition[],
  notify: Notify,
  progress?: SendingProgress & { mailbox: string },
): Promise<boolean[]> {
  const recorded = progress && recordProgress(queries, progress);
  const rows = await Promise.all(
    transitions.map(({ id, from, attempt, change, note }) =>
      changeOutgoing(queries, id, from, change, { note, attempt, bare: true, notify }),
    ),
  );
  await recorded;
  return rows.map((row) => row !== undefined);
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
export async function addForgotten(
  queries: Queries,
  message: Omit<NewOutgoing, 'payload'>,
  change: ForgottenChange,
  note: LedgerNote,
  notify: Notify,
): Promise<Outgoing | undefined> {
  const { columns, values } = forgottenOutgoing(0, message, change);
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
