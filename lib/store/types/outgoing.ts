/** A sent message as the store keeps it. Times are milliseconds since 1970, UTC. */
import type { OutgoingState } from '../../message-states';
import type { StoredError } from './error';
import type { LedgerNote } from './ledger';
import type { StoredPayload } from './payload';

/**
 * What is known of an infrastructure or business acknowledgement. A negative one is final; a late one still settles.
 */
export type Outcome = 'not-asked' | 'awaited' | 'positive' | 'partial' | 'negative' | 'overdue';

/** A reply that has settled a stage, or repeated one. */
export interface SettledReply {
  /** MESH's id of the reply. */
  messageId: string;
  /** When it settled. */
  at: number;
  outcome: 'positive' | 'partial' | 'negative';
  /** A word of the profile for what it says. */
  code?: string;
}

/** A stage of the replies to a message (lib/acks/replies/stages.ts), as its profile had it when it was enqueued. */
export interface StageState {
  name: string;
  kind: 'receipt' | 'result' | 'report';
  occurs: 'expected' | 'optional' | 'any';
  /** How long after the acceptance by MESH it may take. */
  dueWithin?: { minutes: number } | { hours: number } | { workingDays: number };
  /** Overdue after this time, where that is earlier than by the acceptance: its clock was ahead. */
  by?: number;
  outcome: Outcome;
  /** The latest ones; of any number at most 50 are kept. */
  replies: SettledReply[];
}

/** Decided before the first attempt and frozen then, so that a resumed upload cuts and encodes as the first one did. */
export interface SendPlan {
  /** `Content-Encoding`, the same for every chunk. */
  encoding: 'gzip' | 'identity';
  /** zlib's compression level; 0 for `identity`. */
  level: number;
  /** Payload bytes (uncompressed) of every chunk but the last; all bytes when the message goes in one request. */
  chunkBytes: number;
  totalChunks: number;
  /** `Mex-Content-Checksum`, calculated or the sender's own. */
  checksum?: string;
}

/** A message to be sent, or already sent. */
export interface Outgoing {
  /** Our own id: a UUID of version 7. Its time is that of one machine's clock, so nothing is ordered by it. */
  readonly id: string;
  readonly mailbox: string;
  /** The instance of the sandbox that it was sent to, whose messages end with it; null for a real MESH. */
  readonly instance: string | null;
  /** "Once per key": unique within the mailbox. */
  readonly onceKey: string | null;
  /** A digest of what a repeat with this key must have in common with it; null where the key alone decides. */
  readonly onceDigest: string | null;
  /** Recipient and workflow: order holds within it. */
  readonly lane: string;
  /** Waits for every earlier message of its lane that is pending (lib/message-states.ts). */
  readonly strictOrder: boolean;
  readonly localId: string;
  /** The local id names no other message, so that MESH can be asked by it. */
  readonly localIdIsUnique: boolean;
  readonly workflowId: string;
  /** The message without its payload, as JSON (to, subject, file name ...). */
  readonly envelope: Record<string, unknown>;
  /** Bytes of the payload. */
  readonly size: number;
  readonly queuedAt: number;
  /** The `id` of the message that this one repeats. */
  readonly resendOf: string | null;
  /** The reference that an acknowledgement of it will name (acknowledgementKey of lib/acks); null if it has none. */
  readonly acknowledgementReference: string | null;
  state: OutgoingState;
  payload: StoredPayload | null;
  plan: SendPlan | null;
  chunksSent: number;
  messageId: string | null;
  attempts: number;
  /** No attempt before this time; 0 for at once. */
  nextAttemptAt: number;
  firstAttemptAt: number | null;
  acceptedAt: number | null;
  /** When the state became final. */
  settledAt: number | null;
  /**
   * When MESH is next asked about it: by message id once accepted, by local id while unknown. Null: MESH is no longer
   * asked; an unknown message then needs a decision.
   */
  nextTrackAt: number | null;
  /** How often MESH has been asked since the last change of state. */
  tracked: number;
  error: StoredError | null;
  infrastructure: Outcome;
  business: Outcome;
  /** The stages of the replies that its workflow's profile expects; null if it says nothing of replies. */
  stages: StageState[] | null;
  /** What the stages say together: overdue or negative if one of them is. */
  replies: Outcome;
  /** Raised with every change of the stages: whoever changes them requires the number that it has read. */
  repliesRevision: number;
  /** Overdue after these times; null: no such limit. */
  collectBy: number | null;
  infrastructureBy: number | null;
  businessBy: number | null;
  /** The earliest time of a stage; never later than that, and looked at again when it comes. */
  repliesBy: number | null;
}

/** Decided when a message is enqueued, and never changed. */
type FixedFields =
  | 'id'
  | 'mailbox'
  | 'instance'
  | 'onceKey'
  | 'onceDigest'
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

/** The fields that enqueueing needs; the others have their start values (state `queued`). */
export type NewOutgoing = Pick<Outgoing, FixedFields> & { payload: StoredPayload } & Partial<
    Pick<
      Outgoing,
      'infrastructure' | 'business' | 'collectBy' | 'infrastructureBy' | 'businessBy' | 'stages' | 'replies'
    >
  > & {
    /** What a reply may name it by, as keys that {@link OutgoingStore.findByReplyKeys} finds. Never read back. */
    replyKeys?: readonly string[];
  };

/** The fields that a transition may change. */
export type OutgoingChange = Partial<Omit<Outgoing, FixedFields>>;

/**
 * What is known of a message that is added without its payload: the store has lost it, or another client sent it. What
 * NewOutgoing has is said there: a column can be set once only.
 */
export type KnownChange = Omit<OutgoingChange, keyof NewOutgoing> & Pick<Outgoing, 'state'>;

/** A change of one message, made in one commit with others. */
export interface OutgoingTransition {
  id: string;
  from: readonly OutgoingState[];
  /** Only while `attempts` has this value: another instance may have begun a later attempt. */
  attempt?: number;
  change: Omit<OutgoingChange, 'payload'>;
  note: LedgerNote;
}

/** A message that another one takes the place of: its change is made in one commit with the adding of the other. */
export interface ReplacedOutgoing {
  id: string;
  /** The states and outcomes that it must have; otherwise nothing is changed and nothing added. */
  from: readonly OutgoingState[];
  outcomes?: OutcomeCondition;
  change: Omit<OutgoingChange, 'payload'>;
  note: LedgerNote;
}

/** The outcomes that a change requires; an outcome that is left out may have any value. */
export interface OutcomeCondition {
  infrastructure?: readonly Outcome[];
  business?: readonly Outcome[];
  repliesRevision?: number;
}

/** Selects sent messages; a field that is left out selects all. */
export interface OutgoingFilter {
  mailbox?: string;
  states?: readonly OutgoingState[];
  messageId?: string;
  localId?: string;
  onceKey?: string;
  resendOf?: string;
}

/** How many messages a mailbox has sent, and how many bytes wait. */
export interface OutgoingCounts {
  messages: Record<OutgoingState, number>;
  /** Payload bytes of the pending messages, files of the user's excepted. */
  pendingBytes: number;
}
