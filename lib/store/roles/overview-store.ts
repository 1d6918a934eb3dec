/** What the operator view asks of a mailbox: newest first, a page at a time, and never a count over everything. */
import type { IncomingState, OutgoingState, UnfinishedState } from '../../message-states';
import type { Incoming } from '../types/incoming';
import type { Outgoing } from '../types/outgoing';
import type { RecentPage } from '../types/pages';

/**
 * How many messages may need a person, each counted up to a limit: a count at the limit means "at least so many".
 * Received messages are counted by state; `overdue` are sent messages that were not collected or not acknowledged in
 * time, and not ended otherwise.
 */
export type Attention = Record<UnfinishedState | 'overdue', number>;

/** What went through a mailbox in a span of time. */
export interface Activity {
  /** Accepted by MESH. */
  sent: { messages: number; bytes: number };
  /** Safe in the store. */
  received: { messages: number; bytes: number };
  /**
   * From accepted to collected (milliseconds), of the messages whose collection was noticed in this span: as MESH's own
   * times say, or until it was noticed where MESH does not say.
   */
  collected: { messages: number; totalMs: number; longestMs: number };
}

export interface OverviewStore {
  /** Lists sent messages in these states, newest first by the store's sequence, without payloads (null). */
  recentOutgoing(mailbox: string, states: readonly OutgoingState[], page: RecentPage): Promise<Outgoing[]>;
  /** Lists received messages in these states, newest first (by `sequence`), without payloads (null). */
  recentIncoming(mailbox: string, states: readonly IncomingState[], page: RecentPage): Promise<Incoming[]>;
  /**
   * Lists overdue messages, newest first, without payloads (null): accepted and not collected in time, or an outcome is
   * `overdue`. A message that has ended without being collected is not overdue.
   */
  overdueOutgoing(mailbox: string, page: RecentPage): Promise<Outgoing[]>;
  /** Counts what may need a person, each up to `limit`. */
  attention(mailbox: string, limit: number): Promise<Attention>;
  /** Returns the size of the payloads that are kept for parked messages (bytes). */
  parkedBytes(mailbox: string): Promise<number>;
  /**
   * Sums the ledger of a span (`to` excluded). Takes as long as the span has lines: ask for an hour, not for a month.
   */
  activity(mailbox: string, between: { from: number; to: number }): Promise<Activity>;
}
