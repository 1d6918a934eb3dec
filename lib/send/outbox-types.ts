/** The inputs, messages and events of the durable outbox. */
import { needsDecision } from './needs-decision';
import {
  readMailboxKey,
  type Outgoing,
  type Outcome,
  type OutgoingState,
  type StageState,
  type StoredError,
} from '../store/store';
import { dueTimeOf } from './reply-stages';
import type { PayloadSource } from '../payload/source';
import type { OutgoingMessage, Payload } from '../types';
import type { Deadlines } from './deadlines';

/** A message for the outbox. A payload that the store already has is passed as its source. */
export type Enqueued = Omit<OutgoingMessage, 'payload'> & { payload: Payload | { source: PayloadSource } };

/** A message that another client has sent from the mailbox, as its files or its log say. */
export interface SentElsewhere extends Pick<OutgoingMessage, 'to' | 'workflowId' | 'localId' | 'subject' | 'fileName'> {
  /** MESH's id. */
  messageId: string;
  /** When MESH accepted it (milliseconds since 1970). */
  sentAt: number;
  /** Its payload, where it is still there: without it, no acknowledgement or reply can be matched by its content. */
  payload?: Payload;
}

/** How the outbox treats a message. */
export interface EnqueueOptions extends Partial<Deadlines> {
  /**
   * "Once per key": a second message with the same key is not sent, and the first one is returned instead. For senders
   * that repeat messages, e.g. an MSH-10 whose ACK was lost. Another message with the same key is a KeyReusedError.
   */
  onceKey?: string;
  /**
   * What a repeat has in common with the first message, instead of the payload: for payloads that are made anew each
   * time, with an id or a time of their own. Only a digest of it is stored.
   */
  onceContent?: string;
  /**
   * Messages of the same recipient and workflow never overtake each other: an unknown or parked one holds up the next.
   */
  strictOrder?: boolean;
  /** Copies a file payload instead of referring to it, so that the file may be changed or deleted at once. */
  copyFile?: boolean;
  /** The local id is not unique (GP Connect prescribes the sender's ODS code), so MESH is never asked by it. */
  localIdIsShared?: boolean;
  /** Id of the message that this one repeats. */
  resendOf?: string;
  /**
   * The acknowledgements that the sender requests from the recipient's system; each is awaited. `automatic`: those that
   * the message's own flags request, otherwise those of its workflow's profile. Default: none.
   */
  requestedAcknowledgements?: { infrastructure?: boolean; business?: boolean } | 'automatic';
  /**
   * Whether the replies that its workflow's profile says are awaited. Default: with `requestedAcknowledgements`
   * `automatic`.
   */
  awaitsReplies?: boolean;
  /** Set when the message is itself a business acknowledgement: what it acknowledges. */
  acknowledgementOf?: AcknowledgementOf;
}

/** What a business acknowledgement acknowledges, and how. */
interface AcknowledgementOf {
  /** MESH's id of the received message that is acknowledged. */
  messageId: string;
  level: 'infrastructure' | 'business';
  code: string;
}

/** The limits beyond which the outbox refuses new messages. */
export interface OutboxLimits {
  /** Messages that MESH has not accepted yet. Default 100,000. */
  maxMessages?: number;
  /** Their payload bytes, in the store and the spool. Default 20 GiB. */
  maxBytes?: number;
  /** Bytes that must stay free on the disk. Default 512 MiB. */
  minFreeBytes?: number;
}

/** A message of the outbox, as plain JSON, without its payload and without anything that may be patient data. */
export interface OutboxMessage {
  /** The outbox's own id. */
  id: string;
  /** Present only where the outbox generated it: a caller's own may be patient data (docs/design.md, rule 12). */
  localId?: string;
  workflowId: string;
  messageId?: string;
  state: OutgoingState;
  bytes: number;
  chunksSent: number;
  totalChunks?: number;
  attempts: number;
  infrastructure: Outcome;
  business: Outcome;
  /** What the stages of its replies say together. */
  replies: Outcome;
  /** The stages, where its workflow's profile has any. */
  stages?: OutboxStage[];
  /** ISO 8601 UTC. */
  queuedAt: string;
  acceptedAt?: string;
  settledAt?: string;
  nextAttemptAt?: string;
  resendOf?: string;
  error?: StoredError;
  /**
   * For an undelivered message that MESH still keeps (30 days): the text that the national service desk needs to place
   * it in the recipient's inbox again (mesh-api.yaml, "Message expiration").
   */
  serviceDesk?: string;
  /** True if only a person can decide what to do: the message is parked, or unknown and not found at MESH. */
  needsDecision: boolean;
}

/** A stage of the replies to a message. */
interface OutboxStage {
  name: string;
  kind: StageState['kind'];
  occurs: StageState['occurs'];
  outcome: Outcome;
  /** How many replies it has had, repeats among them; at most 50 are counted. */
  replies: number;
  /** Of the last reply. */
  code?: string;
  messageId?: string;
  /** When the last one came; ISO 8601 UTC. */
  at?: string;
  /** While it is awaited, and once it is overdue: by when it has to be there. ISO 8601 UTC. */
  dueBy?: string;
}

/** An event of a message of the outbox. */
export interface OutboxEvent {
  /**
   * `queued`, `sending`, `chunk`, `not begun`, `interrupted`, `restarted`, `retry`, `set aside`, `parked`, `rejected`,
   * `unknown`, `adopted`, `held`, `accepted`, `acknowledged`, `undelivered`, `overdue`, `no outcome`, `resent`,
   * `dropped`; for an acknowledgement, `infrastructure` or `business` followed by `positive`, `partial` or `negative`;
   * for a reply, `reply` followed by one of these or by `repeated`, when its stage had that answer already;
   * `duplicate`: an instance was paused for so long that MESH accepted the message twice; `held`: the message is
   * unknown and from now on needs a decision.
   */
  event: string;
  message: OutboxMessage;
  /** For `overdue`: what did not come in time. */
  overdue?: Overdue;
  /** For a reply (`reply positive`, `reply repeated` …), or one that is overdue: of which stage it is. */
  reply?: ReplyMeaning;
  /** For an acknowledgement (`infrastructure positive`, `business negative` …): its code and meaning. */
  acknowledgement?: AcknowledgementMeaning;
}

/** What an event carries beside its name and message. */
export type OutboxEventDetails = Pick<OutboxEvent, 'overdue' | 'acknowledgement' | 'reply'>;

/** What a reply says, or that it is missing. */
interface ReplyMeaning {
  /** The name of the stage in the workflow's profile. */
  stage: string;
  kind: StageState['kind'];
  /** Missing while the reply is. */
  outcome?: 'positive' | 'partial' | 'negative';
  /** The profile's word for what it says. */
  code?: string;
}

/** An acknowledgement's code, and what it means. */
interface AcknowledgementMeaning {
  code: string;
  meaning: string;
}

/**
 * What can be overdue: the message's collection, its infrastructure acknowledgement, its business acknowledgement, the
 * reply of a stage.
 */
export type Overdue = 'collection' | 'infrastructure' | 'business' | 'reply';

/** The state of a mailbox's sending. */
export interface OutboxState {
  /** Messages queued or being sent. */
  waiting: number;
  /** Messages that need a decision: parked, or unknown and not found at MESH. */
  needsDecision: number;
  /** Why nothing is sent now, and until when (ISO 8601 UTC). */
  paused?: { error: StoredError; until: string };
  /** The store itself does not work, e.g. the disk is full. */
  storeError?: StoredError;
}

/** An outgoing message without its payload, as it stands in its row. */
export type Envelope = Omit<OutgoingMessage, 'payload'> & { localId: string; contentType: string };

/** A row's envelope: the message's own headers, its deadlines, and what it acknowledges. */
export type StoredEnvelope = Envelope &
  Deadlines & {
    acknowledgementOf?: AcknowledgementOf;
    /**
     * The payload is a batch: the references of its messages after the first (acknowledgementKey of lib/acks), whose
     * acknowledgements settle this one too.
     */
    furtherReferences?: string[];
    /** What the profile's `requestKey` has found in it, which a reply names. May be patient data. */
    replyKey?: string;
    /** Another client has sent it: see Outbox.adopt. */
    sentElsewhere?: true;
  };

/** Returns a row as users of the outbox see it. */
export function outboxMessage(row: Outgoing): OutboxMessage {
  const iso = (time: number | null): string | undefined =>
    time === null || time === 0 ? undefined : new Date(time).toISOString();
  const message: OutboxMessage = {
    id: row.id,
    workflowId: row.workflowId,
    state: row.state,
    bytes: row.size,
    chunksSent: row.chunksSent,
    attempts: row.attempts,
    infrastructure: row.infrastructure,
    business: row.business,
    replies: row.replies,
    queuedAt: new Date(row.queuedAt).toISOString(),
    needsDecision: needsDecision(row),
  };
  if (row.stages !== null) message.stages = row.stages.map((stage) => outboxStage(stage, row.acceptedAt));
  if (row.localId === row.id) message.localId = row.localId;
  if (row.messageId !== null) message.messageId = row.messageId;
  if (row.plan) message.totalChunks = row.plan.totalChunks;
  const [acceptedAt, settledAt, nextAttemptAt] = [iso(row.acceptedAt), iso(row.settledAt), iso(row.nextAttemptAt)];
  if (acceptedAt !== undefined) message.acceptedAt = acceptedAt;
  if (settledAt !== undefined) message.settledAt = settledAt;
  if (nextAttemptAt !== undefined) message.nextAttemptAt = nextAttemptAt;
  if (row.resendOf !== null) message.resendOf = row.resendOf;
  if (row.error) message.error = row.error;
  const serviceDesk = serviceDeskText(row);
  if (serviceDesk !== undefined) message.serviceDesk = serviceDesk;
  return message;
}

function outboxStage(stage: StageState, acceptedAt: number | null): OutboxStage {
  const { name, kind, occurs, outcome, replies } = stage;
  const last = replies.at(-1);
  const due = outcome === 'awaited' || outcome === 'overdue' ? dueTimeOf(stage, acceptedAt) : undefined;
  return {
    name,
    kind,
    occurs,
    outcome,
    replies: replies.length,
    ...(last?.code === undefined ? {} : { code: last.code }),
    ...(last === undefined ? {} : { messageId: last.messageId, at: new Date(last.at).toISOString() }),
    ...(due === undefined ? {} : { dueBy: new Date(due).toISOString() }),
  };
}

const MESH_KEEPS_MS = 30 * 24 * 60 * 60 * 1000;

/** The text carries no patient data: the service desk finds the message by its id. */
function serviceDeskText(row: Outgoing): string | undefined {
  if (row.state !== 'undelivered' || row.messageId === null || row.acceptedAt === null) return undefined;
  const until = new Date(row.acceptedAt + MESH_KEEPS_MS);
  return [
    'To: ssd.nationalservicedesk@nhs.net',
    'Please place this MESH message in the recipient’s inbox again; it was not collected.',
    `Message id: ${row.messageId}`,
    `Sender’s mailbox: ${readMailboxKey(row.mailbox).mailboxId}`,
    `Workflow id: ${row.workflowId}`,
    `Accepted by MESH: ${new Date(row.acceptedAt).toISOString()}`,
    `Report: ${[row.error?.event, row.error?.meshCode].filter(Boolean).join(' ') || 'none'}`,
    `MESH deletes it after ${until.toISOString().slice(0, 10)}.`,
  ].join('\n');
}
