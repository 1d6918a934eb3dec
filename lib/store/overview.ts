/** What a person who looks at a mailbox asks of its store: newest first, a page at a time, and never a count over everything. */
import type { Incoming, IncomingState, Outgoing, OutgoingState } from './store';

/** Pages of a list, newest first. */
export interface RecentPage {
  /** Rows at the most. */
  limit: number;
  /** The last `id` (or message id) of the page before. */
  before?: string;
}

/** How many there are, each counted up to a limit: whoever sees the limit knows that there are at least so many. */
export interface Attention {
  /** Sent; not collected or not answered in time, and not ended otherwise. */
  overdue: number;
  /** Received, by state. */
  spooled: number;
  acknowledged: number;
  delivered: number;
  parked: number;
}

/** What went through a mailbox in a span of time. */
export interface Activity {
  /** Accepted by MESH. */
  sent: { messages: number; bytes: number };
  /** Safe in the store. */
  received: { messages: number; bytes: number };
  /** From accepted to acknowledged (milliseconds), of those that were acknowledged in this span. */
  collected: { messages: number; totalMs: number; longestMs: number };
}

/** A part of the store. */
export interface Overview {
  /** What was sent, in these states, newest first by id. Payloads are left out (null). */
  recentOutgoing(mailbox: string, states: readonly OutgoingState[], page: RecentPage): Promise<Outgoing[]>;
  /** What was received, in these states, newest `receivedAt` first. Payloads are left out (null). */
  recentIncoming(mailbox: string, states: readonly IncomingState[], page: RecentPage): Promise<Incoming[]>;
  /**
   * What was sent and is overdue, newest first: accepted and not collected in time, or an answer `overdue`; not any more once it
   * is undelivered, rejected or closed. Payloads are left out (null).
   */
  overdueOutgoing(mailbox: string, page: RecentPage): Promise<Outgoing[]>;
  /** What may need somebody, each counted up to `limit`. */
  attention(mailbox: string, limit: number): Promise<Attention>;
  /** What the ledger says of a span (`to` excluded). As long as the span has lines: ask for an hour, not for a month. */
  activity(mailbox: string, between: { from: number; to: number }): Promise<Activity>;
}
