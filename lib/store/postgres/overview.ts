/** The overview of a mailbox (lib/store/roles/overview-store.ts). Nothing here writes. */
import { UNFINISHED } from '../../message-states';
import { INCOMING_COLUMNS, incomingOf, parseIncoming } from '../rows/incoming';
import { OUTGOING_COLUMNS, outgoingOf, parseOutgoing } from '../rows/outgoing';
import { activityOf, activitySums, attentionOf } from '../rows/overview';
import { IS_OVERDUE } from '../rules/overdue';
import { PARKED_PAYLOAD } from '../rules/retention';
import type { Activity, Attention, Incoming, IncomingState, Outgoing, OutgoingState, RecentPage } from '../store';
import { MAILBOX } from './mailboxes';
import { orderOf } from './order';
import type { Queries } from './queries';

/** The rows before a page's last message, by its id (a parameter in any case); none if it is gone. */
const beforeRow = (before: string | undefined): string =>
  before === undefined ? '?::text IS NOT NULL' : `${orderOf()} < coalesce((SELECT seq FROM outgoing WHERE id = ?), 0)`;

/** Each state is an index range that is read backwards: as many rows as the page has, however many the store has. */
export async function recentOutgoing(
  queries: Queries,
  mailbox: string,
  states: readonly OutgoingState[],
  { limit, before }: RecentPage,
): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `SELECT o.* FROM unnest(?::text[]) AS s (state) CROSS JOIN LATERAL (
        SELECT ${OUTGOING_COLUMNS} FROM outgoing
          WHERE mailbox = ${MAILBOX} AND state = s.state AND ${beforeRow(before)}
          ORDER BY ${orderOf()} DESC LIMIT ?
      ) AS o ORDER BY o.seq DESC LIMIT ?`,
    [...new Set(states)],
    mailbox,
    before ?? '',
    limit,
    limit,
  );
  return rows.map((row) => outgoingOf(parseOutgoing(row), mailbox, null));
}

export async function recentIncoming(
  queries: Queries,
  mailbox: string,
  states: readonly IncomingState[],
  { limit, before }: RecentPage,
): Promise<Incoming[]> {
  const start =
    before === undefined
      ? '?::bigint'
      : `coalesce((SELECT seq FROM incoming WHERE mailbox = ${MAILBOX} AND message_id = ?), 0)`;
  const rows = await queries.rows(
    `SELECT i.* FROM unnest(?::text[]) AS s (state) CROSS JOIN LATERAL (
        SELECT ${INCOMING_COLUMNS} FROM incoming
          WHERE mailbox = ${MAILBOX} AND state = s.state AND ${orderOf()} < ${start}
          ORDER BY ${orderOf()} DESC LIMIT ?
      ) AS i ORDER BY i.seq DESC LIMIT ?`,
    [...new Set(states)],
    mailbox,
    ...(before === undefined ? [Number.MAX_SAFE_INTEGER] : [mailbox, before]),
    limit,
    limit,
  );
  return rows.map((row) => incomingOf(parseIncoming(row), mailbox, null));
}

export async function overdueOutgoing(
  queries: Queries,
  mailbox: string,
  { limit, before }: RecentPage,
): Promise<Outgoing[]> {
  const rows = await queries.rows(
    `SELECT ${OUTGOING_COLUMNS} FROM outgoing
      WHERE mailbox = ${MAILBOX} AND ${IS_OVERDUE} AND ${beforeRow(before)}
      ORDER BY ${orderOf()} DESC LIMIT ?`,
    mailbox,
    before ?? '',
    limit,
  );
  return rows.map((row) => outgoingOf(parseOutgoing(row), mailbox, null));
}

export async function attention(queries: Queries, mailbox: string, limit: number): Promise<Attention> {
  const received = UNFINISHED.map(
    (state) => `(SELECT count(*) FROM (SELECT 1 FROM incoming WHERE mailbox = ${MAILBOX} AND state = '${state}'
        LIMIT ?) AS each_${state}) AS ${state}`,
  );
  const [row] = await queries.rows(
    `SELECT (SELECT count(*) FROM (SELECT 1 FROM outgoing WHERE mailbox = ${MAILBOX} AND ${IS_OVERDUE} LIMIT ?) AS late)
        AS overdue, ${received.join(', ')}`,
    ...Array.from({ length: 1 + received.length }, () => [mailbox, limit]).flat(),
  );
  return attentionOf((what) => Number(row?.[what] ?? 0));
}

export async function parkedBytes(queries: Queries, mailbox: string): Promise<number> {
  const [row] = await queries.rows(
    `SELECT coalesce(sum(size), 0)::float8 AS bytes FROM incoming WHERE mailbox = ${MAILBOX} AND ${PARKED_PAYLOAD}`,
    mailbox,
  );
  return Number(row?.['bytes']);
}

/** LATERAL with a limit: each line looks its message up by the index, however many lines the planner expects. */
export async function activity(
  queries: Queries,
  mailbox: string,
  { from, to }: { from: number; to: number },
): Promise<Activity> {
  const [row] = await queries.rows(
    `SELECT ${activitySums((name) => `(l.detail::json ->> '${name}')::float8`)}
      FROM ledger AS l LEFT JOIN LATERAL (
        SELECT size, accepted_at FROM outgoing WHERE id = l.reference LIMIT 1
      ) AS o ON true
      WHERE l.mailbox = ${MAILBOX} AND l.time >= ? AND l.time < ?`,
    mailbox,
    from,
    to,
  );
  return activityOf(row);
}
