/** Received messages: added once, changed by transitions, listed for delivery. */
import type { IncomingState } from '../../message-states';
import type { Incoming, IncomingChange, IncomingSummary, NewIncoming } from '../types/incoming';
import type { LedgerNote } from '../types/ledger';
import type { Page } from '../types/pages';

export interface IncomingStore {
  /** Adds a received message, and returns its sequence. Returns undefined, and changes nothing, if it is there already. */
  addIncoming(message: NewIncoming, note: LedgerNote): Promise<number | undefined>;
  /**
   * Changes a message that is in one of the states `from`; `notes` go into the ledger in the same commit, in order.
   * Returns the message as it is now, or undefined if it is not there or in another state.
   */
  changeIncoming(
    mailbox: string,
    messageId: string,
    from: readonly IncomingState[],
    change: IncomingChange,
    ...notes: LedgerNote[]
  ): Promise<IncomingSummary | undefined>;
  /**
   * Ends the leases of messages that were delivered by an instance that is gone, so that they are due at once; returns
   * their message ids. The lease of a living instance holds, even if it is paused. Ends none if the store has one
   * owner.
   */
  endLostDeliveries(mailbox: string, now: number): Promise<string[]>;

  getIncoming(mailbox: string, messageId: string): Promise<Incoming | undefined>;
  /** Returns the oldest message (by `sequence`) with this `requestKey`, without its payload (null). */
  firstIncomingRequest(mailbox: string, requestKey: string): Promise<Incoming | undefined>;
  /** Returns those of the ids that the store has, with their states. */
  knownIncoming(mailbox: string, messageIds: readonly string[]): Promise<Map<string, IncomingState>>;
  /** Lists messages in these states as summaries, oldest first (by `sequence`); a page's `after` is a message id. */
  incomingSummaries(mailbox: string, states: readonly IncomingState[], page: Page): Promise<IncomingSummary[]>;
  /** Lists like `incomingSummaries`, as rows without payloads (null). */
  listIncoming(mailbox: string, states: readonly IncomingState[], page: Page): Promise<Incoming[]>;
  /**
   * Lists messages whose download is not acknowledged to MESH (`acknowledgedAt` is null), in any state, oldest
   * first (by `sequence`), without payloads (null); a page's `after` is a message id.
   */
  unacknowledgedIncoming(mailbox: string, page: Page): Promise<Incoming[]>;
}
