/** A sent message as the store keeps it. Times are milliseconds since 1970, UTC. */
import type { OutgoingState } from '../../message-states';
import type { StoredError } from './error';
import type { LedgerNote } from './ledger';
import type { StoredPayload } from './payload';

/**
 * What is known of an infrastructure or business acknowledgement. A negative one is final; a late one still settles.
 */
export type Outcome = 'not-asked' | 'awaited' | 'positive' | 'partial' | 'negative' | 'overdue';

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
  /** Overdue after these times; null: no such limit. */
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
    Pick<Outgoing, 'infrastructure' | 'business' | 'collectBy' | 'infrastructureBy' | 'businessBy'>
  >;

/** The fields that a transition may change. */
export type OutgoingChange = Partial<Omit<Outgoing, FixedFields>>;

/** What is known of a message that the store has lost. */
export type ForgottenChange = Omit<OutgoingChange, 'payload'> & Pick<Outgoing, 'state'>;

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
