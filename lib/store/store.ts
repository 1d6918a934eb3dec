/**
 * The durable state behind one small interface. What a method has resolved for is committed: a kill right after it loses
 * nothing. Every change of a message is one transition, checked against the state that it was in, and one line in the
 * ledger, in the same commit.
 *
 * Times are milliseconds since 1970, UTC. A `mailbox` is the key of one mailbox in one environment (see mailboxKey).
 */
import type { Activity, Attention, RecentPage } from './overview';

/** What is sent: DESIGN.md, "Words". `parked` waits for a person; `closed` ended without MESH, e.g. dropped by a person. */
export type OutgoingState =
  'queued' | 'sending' | 'accepted' | 'acknowledged' | 'undelivered' | 'rejected' | 'unknown' | 'parked' | 'closed';

/** What is received. Between `spooled` and `acknowledged` MESH has not been told. */
export type IncomingState = 'spooled' | 'acknowledged' | 'delivered' | 'done' | 'parked';

/** Of an infrastructure or business acknowledgement. A negative one is final; a late one still settles. */
export type Outcome = 'not-asked' | 'awaited' | 'positive' | 'partial' | 'negative' | 'overdue';

/** Where the bytes are: in the row, in the spool folder, or in a file of the user's that must not change. */
export type StoredPayload =
  | { kind: 'inline'; bytes: Uint8Array }
  /** A name within the spool folder. */
  | { kind: 'spool'; name: string }
  | { kind: 'file'; path: string; size: number; mtimeMs: number; ino: number };

/** Decided before the first attempt and frozen then, so that a resumed upload cuts and encodes as the first one did. */
export interface SendPlan {
  /** `Content-Encoding`, the same for every chunk. */
  encoding: 'gzip' | 'identity';
  /** zlib's, where it is gzip; else 0. */
  level: number;
  /** Payload bytes (uncompressed) of each chunk but the last; all of them where it goes in one request. */
  chunkBytes: number;
  totalChunks: number;
  /** `Mex-Content-Checksum`, calculated or the sender's own. */
  checksum?: string;
}

/** What went wrong last: no payload, no secret, no patient data. */
export interface StoredError {
  code: string;
  message: string;
  advice?: string;
  meshCode?: string;
  event?: string;
  description?: string;
}

/** A message that is to be sent, or was. */
export interface Outgoing {
  /** Ours: a UUID of version 7, so that ids sort by time of enqueueing. */
  readonly id: string;
  readonly mailbox: string;
  /** Of the sandbox that ran then; null for a real MESH. Its messages are gone when it is. */
  readonly instance: string | null;
  /** "Once per key": unique within the mailbox. */
  readonly onceKey: string | null;
  /** Recipient and workflow: order holds within it. */
  readonly lane: string;
  /** Nothing of the lane may overtake: waits for every earlier message that is queued, sending, unknown or parked. */
  readonly strictOrder: boolean;
  readonly localId: string;
  /** True where the local id is ours alone, so that MESH can be asked by it. */
  readonly localIdIsUnique: boolean;
  readonly workflowId: string;
  /** The message but for its payload, as JSON (to, subject, file name, …). */
  readonly envelope: Record<string, unknown>;
  readonly size: number;
  readonly queuedAt: number;
  /** The `id` of the message that this one repeats. */
  readonly resendOf: string | null;
  /** What an acknowledgement of it will name (acknowledgementKey of lib/acks); null where nobody knows. */
  readonly acknowledgementReference: string | null;
  state: OutgoingState;
  payload: StoredPayload | null;
  plan: SendPlan | null;
  chunksSent: number;
  messageId: string | null;
  attempts: number;
  /** Not before this; 0 for at once. */
  nextAttemptAt: number;
  firstAttemptAt: number | null;
  acceptedAt: number | null;
  /** When the state became final. */
  settledAt: number | null;
  /**
   * When MESH is asked next what became of it (by message id once accepted, by local id while unknown); null: not any more.
   * Of an unknown message null means that it is held for a person.
   */
  nextTrackAt: number | null;
  /** How often MESH has been asked since its last change of state. */
  tracked: number;
  error: StoredError | null;
  infrastructure: Outcome;
  business: Outcome;
  /** Overdue after these; null: no such limit. */
  collectBy: number | null;
  infrastructureBy: number | null;
  businessBy: number | null;
}

/** Decided when a message is enqueued, and never changed. */
type FixedFields =
  | 'id'
  | 'mailbox'
  | 'instance'
  | 'onceKey'
  | 'lane'
  | 'strictOrder'
  | 'localId'
  | 'localIdIsUnique'
  | 'workflowId'
  | 'envelope'
  | 'size'
  | 'queuedAt'
  | 'resendOf'
  | 'acknowledgementReference';

/** What enqueueing needs; the rest has its start values (state `queued`). */
export type NewOutgoing = Pick<Outgoing, FixedFields> & { payload: StoredPayload } & Partial<
    Pick<Outgoing, 'infrastructure' | 'business' | 'collectBy' | 'infrastructureBy' | 'businessBy'>
  >;

/** The fields of an outgoing message that a transition may change. */
export type OutgoingChange = Partial<Omit<Outgoing, FixedFields>>;

/** A change of one message, to be made together with others. */
export interface OutgoingTransition {
  id: string;
  from: readonly OutgoingState[];
  /** Only if `attempts` is this: another instance may have begun a later attempt meanwhile. */
  attempt?: number;
  change: Omit<OutgoingChange, 'payload'>;
  note: LedgerNote;
}

/** A message that was received. */
export interface Incoming {
  readonly mailbox: string;
  readonly messageId: string;
  readonly instance: string | null;
  readonly workflowId: string;
  readonly messageType: 'DATA' | 'REPORT';
  /** The message's headers (MessageHeaders). */
  readonly headers: Record<string, unknown>;
  readonly size: number;
  readonly sha256: string;
  readonly receivedAt: number;
  /** The same for every copy of a request by the same sender; null where it is none that can be read. */
  readonly requestKey: string | null;
  /** The classification of its payload (Classification of lib/acks): ids, codes and flags only. */
  classification: Record<string, unknown> | null;
  state: IncomingState;
  payload: StoredPayload | null;
  /** MESH has been told that it was collected. */
  acknowledgedAt: number | null;
  deliveryCount: number;
  /** While in flight: delivered again after this. */
  leaseUntil: number | null;
  settledAt: number | null;
  error: StoredError | null;
}

export type NewIncoming = Pick<
  Incoming,
  'mailbox' | 'messageId' | 'instance' | 'workflowId' | 'messageType' | 'headers' | 'size' | 'sha256' | 'receivedAt'
> & { payload: StoredPayload | null } & Partial<Pick<Incoming, 'requestKey' | 'classification'>>;

export type IncomingChange = Partial<
  Pick<
    Incoming,
    'state' | 'payload' | 'acknowledgedAt' | 'deliveryCount' | 'leaseUntil' | 'settledAt' | 'error' | 'classification'
  >
>;

/** How a received message stands: its row without what it carries. */
export type IncomingSummary = Pick<
  Incoming,
  | 'messageId'
  | 'workflowId'
  | 'messageType'
  | 'receivedAt'
  | 'state'
  | 'acknowledgedAt'
  | 'deliveryCount'
  | 'leaseUntil'
  | 'error'
  | 'size'
  | 'classification'
>;

/** One line of the ledger: what happened to which message. Never a payload, nor patient data, nor a free text of a user's. */
export interface LedgerEntry {
  readonly sequence: number;
  readonly time: number;
  readonly mailbox: string;
  readonly direction: 'out' | 'in';
  /** `Outgoing.id`, or the message id of what was received. */
  readonly reference: string;
  /** MESH's id, where it is known by then. */
  readonly messageId: string | null;
  readonly event: string;
  /** Numbers, codes and ids only. */
  readonly detail: Record<string, string | number | boolean | null>;
}

/** What a transition writes into the ledger. */
export interface LedgerNote {
  event: string;
  time: number;
  detail?: LedgerEntry['detail'];
}

/** What the outcomes have to be for a change to be made; what is left out may be any. */
export interface OutcomeCondition {
  infrastructure?: readonly Outcome[];
  business?: readonly Outcome[];
}

/** Which messages are meant; what is left out is not asked. */
export interface OutgoingFilter {
  mailbox?: string;
  states?: readonly OutgoingState[];
  messageId?: string;
  localId?: string;
  onceKey?: string;
  resendOf?: string;
}

/** Pages of a list, oldest first. */
export interface Page {
  /** Rows at the most. */
  limit: number;
  /** The last `id` (or ledger sequence) of the page before. */
  after?: string;
}

/** How much there is. */
export interface OutgoingCounts {
  /** By state. */
  messages: Record<OutgoingState, number>;
  /** Payload bytes of what is queued, sending, unknown or parked, files of the user's apart. */
  pendingBytes: number;
}

/** How long settled messages, their payloads and the ledger are kept (milliseconds). */
export interface Retention {
  /** A settled message's payload: once its business outcome is positive, or it was acknowledged where none is asked. */
  settledPayloadMs: number;
  /** A payload that may have to be resent: undelivered, negative, overdue, unknown, rejected. At least 30 days. */
  unsettledPayloadMs: number;
  /** Rows of what is settled. */
  rowsMs: number;
  ledgerMs: number;
}

/** Large payloads in the store itself, by names that are never used again. What a method has resolved for is committed. */
export interface PayloadSlices {
  /** Gives its bytes. What fails leaves nothing behind, or what the retention removes. Throws StorageError, and what `pieces` throws. */
  write(name: string, pieces: AsyncIterable<Buffer>): Promise<number>;
  /** The bytes from `start` up to, not including, `end`; fewer where they are not there. */
  read(name: string, start: number, end: number): AsyncIterable<Buffer>;
  has(name: string): Promise<boolean>;
  /** Removes them. One that is not there is fine. */
  remove(names: readonly string[]): Promise<void>;
}

/** Of what there is to be one for each mailbox (DESIGN.md, rule 3). */
export type Role = 'sender' | 'poller';

/**
 * What another instance did with a mailbox: changed the state of a message that is sent, was done with one that was
 * received, or gave its leases back. `missed`: it was not heard for a while, so anything may have been.
 */
export type RemoteChange =
  { kind: 'out'; id: string } | { kind: 'in'; messageId: string } | { kind: 'lease' } | { kind: 'missed' };

/** The state of all mailboxes of one Node-RED (SQLite), or of several (PostgreSQL). */
export interface Store {
  /** Whether other processes may have it open too. */
  readonly isShared: boolean;
  /** Where large payloads may be kept, if it can: what is written and named by no row is removed by `purge`, a day later. */
  readonly slices?: PayloadSlices;
  /** Of this opening of the store, among those of all processes that share it. */
  readonly id: string;
  /** The ids of the others that live, or did a minute ago; none where the store has one owner. */
  otherInstances(): Promise<string[]>;
  /** The keys of all mailboxes that ever sent or received anything here. */
  mailboxes(): Promise<string[]>;
  /**
   * Adds a message to be sent. Where the mailbox has one with the same `onceKey` already, nothing is added and that one is
   * given, with `isNew` false: the caller then discards what it has spooled.
   */
  enqueue(message: NewOutgoing, note: LedgerNote): Promise<{ message: Outgoing; isNew: boolean }>;
  getOutgoing(id: string): Promise<Outgoing | undefined>;
  /** Payloads are left out (null): a list may be long. */
  listOutgoing(filter: OutgoingFilter, page: Page): Promise<Outgoing[]>;
  /** What was sent under this `acknowledgementReference`, newest first; payloads are left out (null). */
  findByAcknowledgementReference(mailbox: string, acknowledgementReference: string, limit: number): Promise<Outgoing[]>;
  countOutgoing(mailbox: string): Promise<OutgoingCounts>;
  /**
   * What may be sent now, oldest first: queued, `nextAttemptAt` reached, and for strict order nothing earlier of its lane
   * unfinished.
   */
  nextToSend(mailbox: string, now: number, limit: number): Promise<Outgoing[]>;
  /** The ids of what `nextToSend` gives, for who has the rows. */
  idsToSend(mailbox: string, now: number, limit: number): Promise<string[]>;
  /**
   * The earliest `nextAttemptAt` of what is queued, so that a worker knows when to wake; undefined if nothing is. What strict
   * order holds back does not count: not the time, but the settling of another message lets it go.
   */
  nextSendTime(mailbox: string): Promise<number | undefined>;
  /** What is due to be tracked, whatever its state, oldest `nextTrackAt` first. Payloads are left out (null). */
  dueTracking(mailbox: string, now: number, limit: number): Promise<Outgoing[]>;
  /**
   * What has reached its `collectBy`, `infrastructureBy` or `businessBy` and not yet been told to be overdue, oldest limit
   * first; payloads are left out (null). `collectBy` counts until the message is collected or it is null, the others while
   * their outcome is `awaited`; none of them once it is undelivered, rejected or closed.
   */
  dueOverdue(mailbox: string, now: number, limit: number): Promise<Outgoing[]>;
  /**
   * Changes a message if it is in one of `from`, and its outcomes are as `outcomes` wants them; gives it as it is now, or
   * undefined if it was otherwise (somebody else was faster) or is not there. The note goes into the ledger with it.
   */
  changeOutgoing(
    id: string,
    from: readonly OutgoingState[],
    change: OutgoingChange,
    note?: LedgerNote,
    outcomes?: OutcomeCondition,
  ): Promise<Outgoing | undefined>;

  /**
   * Several changes in one commit, each as `changeOutgoing` does it: all of them, or where it throws none. Gives of each whether
   * it was made: false where the message was in another state. At most one change for each message.
   */
  changeBatch(transitions: readonly OutgoingTransition[]): Promise<boolean[]>;

  /** Adds a received message; false if it is there already (then nothing changes). */
  addIncoming(message: NewIncoming, note: LedgerNote): Promise<boolean>;
  getIncoming(mailbox: string, messageId: string): Promise<Incoming | undefined>;
  /** The first message of this `requestKey` that was received (oldest `receivedAt`); its payload is left out (null). */
  firstIncomingRequest(mailbox: string, requestKey: string): Promise<Incoming | undefined>;
  /** Those of the ids that the store knows, with their state. */
  knownIncoming(mailbox: string, messageIds: readonly string[]): Promise<Map<string, IncomingState>>;
  /** How those of these states stand, oldest first by `receivedAt`; a page's `after` is a message id. */
  incomingSummaries(mailbox: string, states: readonly IncomingState[], page: Page): Promise<IncomingSummary[]>;
  /** The same, as rows. Payloads are left out (null). */
  listIncoming(mailbox: string, states: readonly IncomingState[], page: Page): Promise<Incoming[]>;
  /**
   * What MESH has not been told of (`acknowledgedAt` is null), whatever its state, oldest first by `receivedAt`; a page's
   * `after` is a message id. Payloads are left out (null).
   */
  unacknowledgedIncoming(mailbox: string, page: Page): Promise<Incoming[]>;
  /**
   * Ends the leases of what was delivered by an instance that is not there any more, so that it is due at once; gives the
   * message ids. Of what a living instance has delivered, even one that is paused, the lease holds. None where the store has
   * one owner.
   */
  endLostDeliveries(mailbox: string, now: number): Promise<string[]>;
  /**
   * Changes a message if it is in one of `from`; gives how it stands now, or undefined if it was otherwise or is not there.
   * The note goes into the ledger with it.
   */
  changeIncoming(
    mailbox: string,
    messageId: string,
    from: readonly IncomingState[],
    change: IncomingChange,
    note?: LedgerNote,
  ): Promise<IncomingSummary | undefined>;

  /** A line of the ledger that goes with no change. */
  note(entry: Omit<LedgerEntry, 'sequence'>): Promise<void>;
  /** One message's whole history, oldest first, by our id or MESH's. */
  history(mailbox: string, reference: string): Promise<LedgerEntry[]>;
  /** The ledger of a mailbox between two times (`to` excluded), in order of time, for an export. */
  ledger(mailbox: string, between: { from: number; to: number }, page: Page): Promise<LedgerEntry[]>;

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

  /**
   * Closes what belongs to another instance of the sandbox than this one: its messages went with it. What was sent and is
   * under way, or still awaits an answer, is `closed`; what was received and is not done is `done`. Gives how many.
   */
  closeOtherInstances(mailbox: string, instance: string, note: LedgerNote): Promise<number>;
  /** Applies the retention; gives the spool names that no row refers to any more, for deletion. */
  purge(now: number, retention: Retention): Promise<{ spoolNames: string[]; rows: number; ledgerEntries: number }>;
  /** Every spool name that a row refers to, so that a start can delete orphans of a kill. */
  spoolNames(): Promise<Set<string>>;
  /**
   * Takes the right to be the one sender or poller of a mailbox, or prolongs it, for `ms` (milliseconds) from now by the
   * store's own clock; false while another instance has it. Always true where the store has one owner. Given back by
   * `close`, or when its time ends.
   */
  lease(mailbox: string, role: Role, ms: number): Promise<boolean>;
  /** Calls `listener` when another instance has changed something of the mailbox; gives a function that ends it. */
  onRemoteChange(mailbox: string, listener: (change: RemoteChange) => void): () => void;
  /** Waits for what is under way and closes. Repeatable. */
  close(): Promise<void>;
}

/** Which mailbox of which environment: two environments may have a mailbox of the same id. */
export function mailboxKey(url: string, mailboxId: string): string {
  return `${url} ${mailboxId}`;
}

/** The parts of a key. */
export function readMailboxKey(key: string): { url: string; mailboxId: string } {
  const at = key.lastIndexOf(' ');
  return { url: key.slice(0, at), mailboxId: key.slice(at + 1) };
}
