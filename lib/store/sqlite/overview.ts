/** The overview of a mailbox (lib/store/roles/overview-store.ts). Nothing here writes. */
import { INCOMING_COLUMNS, incomingOf, parseIncoming } from '../rows/incoming';
import { OUTGOING_COLUMNS, outgoingOf, parseOutgoing } from '../rows/outgoing';
import { activityOf, activitySums, attentionOf } from '../rows/overview';
import type { Row } from '../rows/parse';
import { IS_OVERDUE } from '../rules/overdue';
import { PARKED_PAYLOAD } from '../rules/retention';
import type { Activity, Attention, Incoming, IncomingState, Outgoing, OutgoingState, RecentPage } from '../store';
import type { Mailboxes } from './mailboxes';
import type { Statements } from './statements';

const OUTGOING_SEQ = 'SELECT seq FROM outgoing WHERE id = ?';
const INCOMING_SEQ = 'SELECT seq FROM incoming WHERE mailbox = ? AND message_id = ?';

export class OverviewTables {
  readonly #statements: Statements;
  readonly #mailboxes: Mailboxes;

  constructor(statements: Statements, mailboxes: Mailboxes) {
    this.#statements = statements;
    this.#mailboxes = mailboxes;
  }

  /** Each state is an index range that is read backwards: as many rows as the page has, however many the store has. */
  recentOutgoing(key: string, states: readonly OutgoingState[], { limit, before }: RecentPage): Outgoing[] {
    const mailbox = this.#mailboxes.find(key);
    if (mailbox === undefined) return [];
    const start = this.#seqOf(before, OUTGOING_SEQ);
    // Blocked rows are apart in the index, so that the sender reads past none of them.
    return [...new Set(states)]
      .flatMap((state) => [0, 1].map((blocked) => [state, blocked] as const))
      .flatMap(([state, blocked]) =>
        this.#statements.all(
          `SELECT ${OUTGOING_COLUMNS} FROM outgoing INDEXED BY outgoing_state
            WHERE mailbox = ? AND state = ? AND blocked = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
          mailbox,
          state,
          blocked,
          start,
          limit,
        ),
      )
      .sort((one, other) => Number(other['seq']) - Number(one['seq']))
      .slice(0, limit)
      .map((row) => this.#outgoing(row, key));
  }

  recentIncoming(key: string, states: readonly IncomingState[], { limit, before }: RecentPage): Incoming[] {
    const mailbox = this.#mailboxes.find(key);
    if (mailbox === undefined) return [];
    const start = this.#seqOf(before, INCOMING_SEQ, mailbox);
    return [...new Set(states)]
      .flatMap((state) =>
        this.#statements.all(
          `SELECT ${INCOMING_COLUMNS} FROM incoming INDEXED BY incoming_state
            WHERE mailbox = ? AND state = ? AND seq < ? ORDER BY seq DESC LIMIT ?`,
          mailbox,
          state,
          start,
          limit,
        ),
      )
      .sort((one, other) => Number(other['seq']) - Number(one['seq']))
      .slice(0, limit)
      .map((row) => incomingOf(parseIncoming(row), key, null));
  }

  overdueOutgoing(key: string, { limit, before }: RecentPage): Outgoing[] {
    const mailbox = this.#mailboxes.find(key);
    if (mailbox === undefined) return [];
    const start = this.#seqOf(before, OUTGOING_SEQ);
    return this.#statements
      .all(
        `SELECT ${OUTGOING_COLUMNS} FROM outgoing INDEXED BY outgoing_is_overdue
          WHERE mailbox = ? AND ${IS_OVERDUE} AND seq < ? ORDER BY seq DESC LIMIT ?`,
        mailbox,
        start,
        limit,
      )
      .map((row) => this.#outgoing(row, key));
  }

  attention(key: string, limit: number): Attention {
    const mailbox = this.#mailboxes.find(key);
    if (mailbox === undefined) return attentionOf(() => 0);
    return attentionOf((what) =>
      what === 'overdue'
        ? this.#count(`outgoing INDEXED BY outgoing_is_overdue WHERE mailbox = ? AND ${IS_OVERDUE}`, mailbox, limit)
        : this.#count('incoming INDEXED BY incoming_state WHERE mailbox = ? AND state = ?', mailbox, what, limit),
    );
  }

  parkedBytes(key: string): number {
    const mailbox = this.#mailboxes.find(key);
    if (mailbox === undefined) return 0;
    const row = this.#statements.get(
      `SELECT sum(size) AS bytes FROM incoming INDEXED BY incoming_parked WHERE mailbox = ? AND ${PARKED_PAYLOAD}`,
      mailbox,
    );
    return Number(row?.['bytes'] ?? 0);
  }

  activity(key: string, { from, to }: { from: number; to: number }): Activity {
    const mailbox = this.#mailboxes.find(key);
    if (mailbox === undefined) return activityOf(undefined);
    const row = this.#statements.get(
      `SELECT ${activitySums((name) => `json_extract(l.detail, '$.${name}')`)}
        FROM ledger AS l INDEXED BY ledger_time LEFT JOIN outgoing AS o ON o.id = l.reference
        WHERE l.mailbox = ? AND l.time >= ? AND l.time < ?`,
      mailbox,
      from,
      to,
    );
    return activityOf(row);
  }

  /** Counts rows up to a limit, which is the last of the values. */
  #count(rows: string, ...values: Array<string | number>): number {
    const row = this.#statements.get(`SELECT count(*) AS found FROM (SELECT 1 FROM ${rows} LIMIT ?)`, ...values);
    return Number(row?.['found'] ?? 0);
  }

  /** Where a page begins: before the sequence of the last row of the page before; at the end if that row is gone. */
  #seqOf(before: string | undefined, sql: string, ...values: number[]): number {
    if (before === undefined) return Number.MAX_SAFE_INTEGER;
    return Number(this.#statements.get(sql, ...values, before)?.['seq'] ?? 0);
  }

  #outgoing(row: Row, key: string): Outgoing {
    return outgoingOf(parseOutgoing(row), key, null);
  }
}
