/** Sent messages: each change is one statement, with its line in the ledger and the notification of other instances. */
import { OUTGOING_STATES } from '../../message-states';
import { lookups } from '../rows/lookups';
import {
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
import { SENT_TO_OTHER } from '../rules/sandbox-instances';
import type {
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
const LINE = ledgerLine('changed', `mailbox, 'out', id, message_id`);

export async function enqueue(
  queries: Queries,
  message: NewOutgoing,
  note: LedgerNote,
  notify: Notify,
): Promise<{ message: Outgoing; isNew: boolean }> {
  const [, ...values] = newOutgoingValues(0, message);
  const bytes = bytesOf(message.payload);
  // The lock of the mailbox is held: nothing comes between the search for the key and the insert.
  const rows = await queries.rows(
    `WITH first AS (SELECT seq FROM outgoing WHERE once_key = ? AND mailbox = ${MAILBOX} AND once_key IS NOT NULL),
      changed AS (
        INSERT INTO outgoing (${NEW_OUTGOING_COLUMNS}) SELECT ${MAILBOX}, ${placeholders(TYPES)}
          WHERE NOT EXISTS (SELECT 1 FROM first) ON CONFLICT DO NOTHING RETURNING *),
      stored AS (INSERT INTO outgoing_payload (seq, bytes)
        SELECT seq, ?::bytea FROM changed WHERE ?::bytea IS NOT NULL),
      line AS (${LINE})
    SELECT ${columnsOf('o')}, true AS is_new, NULL::bytea AS bytes,
        pg_notify(?, ? || ' out ' || o.id || ' ' || ?)::text AS notified FROM changed AS o
    UNION ALL SELECT ${columnsOf('o')}, false, p.bytes, NULL FROM first JOIN outgoing AS o ON o.seq = first.seq
      LEFT JOIN outgoing_payload AS p ON p.seq = o.seq`,
    message.onceKey,
    message.mailbox,
    message.mailbox,
    ...values,
    bytes,
    bytes,
    ...lineValues(note),
    notify.channel,
    notify.from,
    message.mailbox,
  );
  const [row] = rows;
  if (!row) throw duplicateIdError();
  if (row['is_new'] !== true) return { message: withPayload(row, message.mailbox), isNew: false };
  // The bytes need not come back over the network.
  const payload =
    message.payload.kind === 'inline'
      ? { ...message.payload, bytes: new Uint8Array(message.payload.bytes) }
      : message.payload;
  return { message: outgoingOf(parseOutgoing(row), message.mailbox, payload), isNew: true };
}

/** The types of `newOutgoingValues` after the mailbox: in a SELECT they are not taken from the table. */
const TYPES =
  'text text text text smallint text smallint text text bigint float8 text text text text text ' +
  'float8 float8 float8 text text text';

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
    `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.acknowledgement_reference = ? ORDER BY o.id DESC LIMIT ?`,
    mailbox,
    acknowledgementReference,
    limit,
  );
  return rows.map((row) => outgoingOf(parseOutgoing(row), mailbox, null));
}

/**
 * Lists by the index of a value in the filter; without one by states, each of which is an index range in order of id.
 */
export async function listOutgoing(queries: Queries, filter: OutgoingFilter, page: Page): Promise<Outgoing[]> {
  const after = page.after ?? '';
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
          ${SELECT} WHERE o.mailbox = m.id AND o.state = s.state AND o.id > ? ORDER BY o.id LIMIT ?
        ) AS o ${filter.mailbox === undefined ? '' : 'WHERE m.key = ?'} ORDER BY o.id LIMIT ?`,
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
      WHERE ${wheres.join(' AND ')} AND o.id > ? AND o.${index.column} IS NOT NULL ORDER BY o.id LIMIT ?`,
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
    `${WITH_PAYLOAD} WHERE o.mailbox = ${MAILBOX} AND o.state = 'queued' AND o.blocked = 0 AND o.next_attempt_at <= ?
      ORDER BY o.id LIMIT ?`,
    mailbox,
    now,
    limit,
  );
  return rows.map((row) => withPayload(row, mailbox));
}

export async function idsToSend(queries: Queries, mailbox: string, now: number, limit: number): Promise<string[]> {
  const rows = await queries.rows(
    `SELECT id FROM outgoing
      WHERE mailbox = ${MAILBOX} AND state = 'queued' AND blocked = 0 AND next_attempt_at <= ? ORDER BY id LIMIT ?`,
    mailbox,
    now,
    limit,
  );
  return rows.map((row) => String(row['id']));
}

export async function nextSendTime(queries: Queries, mailbox: string): Promise<number | undefined> {
  const [row] = await queries.rows(
    `SELECT next_attempt_at FROM outgoing
      WHERE mailbox = ${MAILBOX} AND state = 'queued' AND blocked = 0 ORDER BY next_attempt_at LIMIT 1`,
    mailbox,
  );
  return row && Number(row['next_attempt_at']);
}

export async function dueTracking(queries: Queries, mailbox: string, now: number, limit: number): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.next_track_at IS NOT NULL AND o.next_track_at <= ?
      ORDER BY o.next_track_at, o.id LIMIT ?`,
    mailbox,
    now,
    limit,
  );
  return rows.map((row) => withoutPayload(row, mailbox));
}

export async function dueOverdue(queries: Queries, mailbox: string, now: number, limit: number): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `${SELECT} WHERE o.mailbox = ${MAILBOX} AND o.overdue_at IS NOT NULL AND o.overdue_at <= ?
      ORDER BY o.overdue_at, o.id LIMIT ?`,
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
): Promise<boolean[]> {
  const rows = await Promise.all(
    transitions.map(({ id, from, attempt, change, note }) =>
      changeOutgoing(queries, id, from, change, { note, attempt, bare: true, notify }),
    ),
  );
  return rows.map((row) => row !== undefined);
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
