/**
 * Received messages: each change is one statement, with its line in the ledger and the notification of other instances.
 */
import {
  INCOMING_COLUMN_NAMES,
  INCOMING_COLUMNS,
  incomingChange,
  incomingOf,
  NEW_INCOMING_COLUMNS,
  newIncomingValues,
  parseIncoming,
  parseIncomingState,
  parseSummary,
  SUMMARY_COLUMNS,
  summaryOf,
} from '../rows/incoming';
import type { Row } from '../rows/parse';
import { payloadOf } from '../rows/payload';
import { RECEIVED_FROM_OTHER } from '../rules/sandbox-instances';
import type { Incoming, IncomingChange, IncomingSummary, IncomingState, LedgerNote, NewIncoming, Page } from '../store';
import { ledgerLine, lineValues } from './ledger';
import { MAILBOX } from './mailboxes';
import type { Notify } from './notifications';
import { orderOf } from './order';
import { bytesJoined, bytesOf, payloadParts, placeholders } from './payloads';
import type { Queries } from './queries';

const COLUMNS = INCOMING_COLUMN_NAMES.map((column) => `i.${column}`).join(', ');
const WITH_PAYLOAD = `SELECT ${COLUMNS}, p.bytes FROM incoming AS i ${bytesJoined('incoming', 'i')}`;
const linesOf = (count: number): string => ledgerLine('changed', `mailbox, 'in', message_id, message_id`, count);
const LINE = linesOf(1);

export async function addIncoming(
  queries: Queries,
  message: NewIncoming,
  note: LedgerNote,
): Promise<number | undefined> {
  const values = newIncomingValues(message);
  const bytes = bytesOf(message.payload);
  const rows = await queries.rows(
    `WITH changed AS (
        INSERT INTO incoming (mailbox, ${NEW_INCOMING_COLUMNS}) SELECT ${MAILBOX}, ${placeholders(TYPES)}
          ON CONFLICT (mailbox, message_id) DO NOTHING RETURNING seq, mailbox, message_id),
      stored AS (INSERT INTO incoming_payload (seq, bytes)
        SELECT seq, ?::bytea FROM changed WHERE ?::bytea IS NOT NULL),
      line AS (${LINE})
    SELECT seq FROM changed`,
    message.mailbox,
    ...values,
    bytes,
    bytes,
    ...lineValues(note),
  );
  return rows[0] && Number(rows[0]['seq']);
}

/** The types of `newIncomingValues`: in a SELECT they are not taken from the table. */
const TYPES = 'text text text text text bigint text float8 text text text text text text text';

export async function getIncoming(queries: Queries, mailbox: string, messageId: string): Promise<Incoming | undefined> {
  const [row] = await queries.rows(
    `${WITH_PAYLOAD} WHERE i.mailbox = ${MAILBOX} AND i.message_id = ?`,
    mailbox,
    messageId,
  );
  return row && withPayload(row, mailbox);
}

export async function firstIncomingRequest(
  queries: Queries,
  mailbox: string,
  requestKey: string,
): Promise<Incoming | undefined> {
  const [row] = await queries.rows(
    `SELECT ${INCOMING_COLUMNS} FROM incoming
      WHERE mailbox = ${MAILBOX} AND request_key = ? ORDER BY ${orderOf()} LIMIT 1`,
    mailbox,
    requestKey,
  );
  return row && incomingOf(parseIncoming(row), mailbox, null);
}

export async function knownIncoming(
  queries: Queries,
  mailbox: string,
  messageIds: readonly string[],
): Promise<Map<string, IncomingState>> {
  const rows = await queries.rows(
    `SELECT message_id, state FROM incoming WHERE mailbox = ${MAILBOX} AND message_id = ANY(?::text[])`,
    mailbox,
    messageIds,
  );
  return new Map(rows.map((row) => [String(row['message_id']), parseIncomingState(row)]));
}

/** Where a page begins: behind the sequence of the last row of the page before. */
const AFTER = `${orderOf()} > coalesce((SELECT seq FROM incoming WHERE mailbox = ${MAILBOX} AND message_id = ?), 0)`;

function afterValues(mailbox: string, { after = '' }: Page): string[] {
  return [mailbox, after];
}

export async function listIncoming(
  queries: Queries,
  mailbox: string,
  states: readonly IncomingState[],
  page: Page,
): Promise<Incoming[]> {
  const rows = await inStates(queries, INCOMING_COLUMNS, mailbox, states, page);
  return rows.map((row) => incomingOf(parseIncoming(row), mailbox, null));
}

export async function incomingSummaries(
  queries: Queries,
  mailbox: string,
  states: readonly IncomingState[],
  page: Page,
): Promise<IncomingSummary[]> {
  const rows = await inStates(queries, SUMMARY_COLUMNS, mailbox, states, page);
  return rows.map((row) => summaryOf(parseSummary(row)));
}

function inStates(
  queries: Queries,
  columns: string,
  mailbox: string,
  states: readonly IncomingState[],
  page: Page,
): Promise<Row[]> {
  return queries.rows(
    `SELECT i.* FROM unnest(?::text[]) AS s (state) CROSS JOIN LATERAL (
        SELECT ${columns} FROM incoming
          WHERE mailbox = ${MAILBOX} AND state = s.state AND ${AFTER}
          ORDER BY ${orderOf()} LIMIT ?
      ) AS i ORDER BY i.seq LIMIT ?`,
    [...new Set(states)],
    mailbox,
    ...afterValues(mailbox, page),
    page.limit,
    page.limit,
  );
}

export async function unacknowledgedIncoming(queries: Queries, mailbox: string, page: Page): Promise<Incoming[]> {
  const rows = await queries.rows(
    `SELECT ${INCOMING_COLUMNS} FROM incoming
      WHERE mailbox = ${MAILBOX} AND acknowledged_at IS NULL AND ${AFTER}
      ORDER BY ${orderOf()} LIMIT ?`,
    mailbox,
    ...afterValues(mailbox, page),
    page.limit,
  );
  return rows.map((row) => incomingOf(parseIncoming(row), mailbox, null));
}

export async function changeIncoming(
  queries: Queries,
  mailbox: string,
  messageId: string,
  from: readonly IncomingState[],
  change: IncomingChange,
  notes: readonly LedgerNote[],
  notify: Notify,
): Promise<IncomingSummary | undefined> {
  if (from.length === 0) return undefined;
  const { assignments, values } = incomingChange(change);
  const payload = payloadParts('incoming', change.payload);
  // Only `done` is notified: the instance that has delivered the message must know.
  const notified = change.state === 'done' ? [notify.channel, `${notify.from} in ${messageId} ${mailbox}`] : [];
  if (change.state === 'delivered') {
    assignments.push('delivered_by = ?');
    values.push(notify.from);
  }
  const rows = await queries.rows(
    `WITH changed AS (
        UPDATE incoming SET ${['message_id = message_id', ...assignments].join(', ')}
          WHERE mailbox = ${MAILBOX} AND message_id = ? AND state = ANY(?::text[]) RETURNING *)
        ${payload.sql} ${notes.length > 0 ? `, line AS (${linesOf(notes.length)})` : ''}
      SELECT ${SUMMARY_COLUMNS} ${notified.length > 0 ? ', pg_notify(?, ?)::text AS notified' : ''}
        FROM changed AS i`,
    ...values,
    mailbox,
    messageId,
    from,
    ...payload.values,
    ...notes.flatMap(lineValues),
    ...notified,
  );
  const [row] = rows;
  return row && summaryOf(parseSummary(row));
}

/**
 * Returns the instances with running deliveries, this one excepted; '' for messages that were copied from another
 * store.
 */
export async function deliverers(queries: Queries, mailbox: string, own: string, now: number): Promise<string[]> {
  const rows = await queries.rows(
    `SELECT DISTINCT coalesce(delivered_by, '') AS deliverer FROM incoming
      WHERE mailbox = ${MAILBOX} AND state = 'delivered' AND lease_until > ? AND delivered_by IS DISTINCT FROM ?`,
    mailbox,
    now,
    own,
  );
  return rows.map((row) => String(row['deliverer']));
}

/** Ends the leases of messages that these instances have delivered; returns the message ids. */
export async function endDeliveriesOf(
  queries: Queries,
  mailbox: string,
  instances: readonly string[],
  now: number,
): Promise<string[]> {
  const rows = await queries.rows(
    `UPDATE incoming SET lease_until = ?
      WHERE mailbox = ${MAILBOX} AND state = 'delivered' AND lease_until > ?
        AND coalesce(delivered_by, '') = ANY(?::text[])
      RETURNING message_id`,
    now,
    mailbox,
    now,
    instances,
  );
  return rows.map((row) => String(row['message_id']));
}

/** Ends messages that came from another instance of the sandbox; returns how many. */
export async function closeReceivedFromOther(
  queries: Queries,
  mailbox: string,
  instance: string,
  note: LedgerNote,
): Promise<number> {
  const rows = await queries.rows(
    `WITH changed AS (
        UPDATE incoming SET state = 'done', settled_at = ?, lease_until = NULL
          WHERE mailbox = ${MAILBOX} AND ${RECEIVED_FROM_OTHER}
          RETURNING mailbox, message_id), line AS (${LINE})
      SELECT count(*) AS closed FROM changed`,
    note.time,
    mailbox,
    instance,
    ...lineValues(note),
  );
  return Number(rows[0]?.['closed']);
}

function withPayload(row: Row, mailbox: string): Incoming {
  const parsed = parseIncoming(row);
  return incomingOf(
    parsed,
    mailbox,
    payloadOf('incoming', parsed, () => row['bytes']),
  );
}
