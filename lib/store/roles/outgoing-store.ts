/** Sent messages: enqueued, changed by transitions, found again. */
import type { OutgoingState } from '../../message-states';
import type { LedgerEntry, LedgerNote } from '../types/ledger';
import type {
  KnownChange,
  NewOutgoing,
  OutcomeCondition,
  Outgoing,
  OutgoingChange,
  OutgoingCounts,
  OutgoingFilter,
  OutgoingTransition,
  ReplacedOutgoing,
} from '../types/outgoing';
import type { Page } from '../types/pages';
import type { SendingProgress } from '../types/sending';

export interface OutgoingStore {
  /**
   * Adds a message to be sent. If the mailbox already has one with the same `onceKey`, nothing is added and that one is
   * returned with `isNew` false: the caller then discards what it has spooled. `also` is a line about another message
   * of the same mailbox, written in the same commit if the message is added.
   */
  enqueue(
    message: NewOutgoing,
    note: LedgerNote,
    also?: Omit<LedgerEntry, 'sequence' | 'mailbox'>,
  ): Promise<{ message: Outgoing; isNew: boolean }>;
  /**
   * Changes a message and adds the one that takes its place, in one commit: both or neither. Returns undefined, and
   * does neither, if the old one is not in the state that `replaced` requires. A `onceKey` that the mailbox has already
   * comes first, as with `enqueue`: then neither is done, and `replaced` is undefined.
   */
  replaceOutgoing(
    replaced: ReplacedOutgoing,
    message: NewOutgoing,
    note: LedgerNote,
  ): Promise<{ message: Outgoing; isNew: boolean; replaced?: Outgoing } | undefined>;
  /**
   * Changes a message that is in one of the states `from` and whose outcomes meet `outcomes`; `note` goes into the
   * ledger in the same commit. Returns the message as it is now, or undefined if it is not there, in another state or
   * has other outcomes.
   */
  changeOutgoing(
    id: string,
    from: readonly OutgoingState[],
    change: OutgoingChange,
    note?: LedgerNote,
    outcomes?: OutcomeCondition,
  ): Promise<Outgoing | undefined>;
  /**
   * Makes several changes in one commit, all of them or, if it throws, none; at most one for each message. Returns for
   * each whether it was made: false if the message was in another state. `progress` is recorded in the same commit.
   */
  changeBatch(
    transitions: readonly OutgoingTransition[],
    progress?: SendingProgress & { mailbox: string },
  ): Promise<boolean[]>;
  /** Returns the progress that `changeBatch` recorded last: 0 of both at first. */
  sendingProgress(mailbox: string): Promise<SendingProgress>;
  /**
   * Adds a message that was sent and is known from elsewhere, because the store has lost it or another client sent it:
   * without a payload and in the state of `change`, in one commit with its line. Returns undefined, and adds nothing, if
   * the store has it.
   */
  addWithoutPayload(
    message: Omit<NewOutgoing, 'payload'>,
    change: KnownChange,
    note: LedgerNote,
  ): Promise<Outgoing | undefined>;

  getOutgoing(id: string): Promise<Outgoing | undefined>;
  /** Lists in order of the store's sequence, without payloads (null): a list may be long. */
  listOutgoing(filter: OutgoingFilter, page: Page): Promise<Outgoing[]>;
  /** Lists the messages sent under this `acknowledgementReference`, newest first, without payloads (null). */
  findByAcknowledgementReference(mailbox: string, acknowledgementReference: string, limit: number): Promise<Outgoing[]>;
  /**
   * Lists the messages that were enqueued with one of these `replyKeys`, newest first, each once, without payloads
   * (null).
   */
  findByReplyKeys(mailbox: string, keys: readonly string[], limit: number): Promise<Outgoing[]>;
  countOutgoing(mailbox: string): Promise<OutgoingCounts>;

  /**
   * Returns what may be sent now, in the order in which it was enqueued (the store's sequence, whatever the clocks of
   * instances said): queued, `nextAttemptAt` reached (or implausibly far ahead:
   * rules/due-times.ts), and with strict order nothing earlier of its lane pending.
   */
  nextToSend(mailbox: string, now: number, limit: number): Promise<Outgoing[]>;
  /** Returns the ids of `nextToSend`, for a caller that has the rows. */
  idsToSend(mailbox: string, now: number, limit: number): Promise<string[]>;
  /**
   * Returns the earliest `nextAttemptAt` of the queued messages, so that a worker knows when to wake; undefined if none
   * is queued, and 0 if one is implausibly far ahead. Messages that strict order holds back do not count: they wait for
   * another message, not for a time.
   */
  nextSendTime(mailbox: string, now: number): Promise<number | undefined>;
  /**
   * Lists what is due to be tracked, in any state, oldest `nextTrackAt` first, without payloads (null); what is
   * implausibly far ahead comes last.
   */
  dueTracking(mailbox: string, now: number, limit: number): Promise<Outgoing[]>;
  /**
   * Lists messages whose `collectBy`, `infrastructureBy`, `businessBy` or `repliesBy` has passed and has not been
   * reported, oldest limit first, without payloads (null). `collectBy` counts until the message is collected,
   * `repliesBy` always, the others while their outcome is `awaited`; none counts once the message has ended without
   * being collected.
   */
  dueOverdue(mailbox: string, now: number, limit: number): Promise<Outgoing[]>;
}
