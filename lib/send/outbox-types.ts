/** What the durable outbox takes and tells. */
import { readMailboxKey, type Outgoing, type Outcome, type OutgoingState, type StoredError } from '../store/store';
import type { PayloadSource } from '../payload/source';
import type { OutgoingMessage, Payload } from '../types';
import type { Deadlines } from './deadlines';

/** A message for the outbox; a payload that the store has already comes as its source. */
export type Enqueued = Omit<OutgoingMessage, 'payload'> & { payload: Payload | { source: PayloadSource } };

/** A message for the outbox, and how it is to be treated. */
export interface EnqueueOptions extends Partial<Deadlines> {
  /**
   * "Once per key": a second message of the same key is not sent; the first one is given back instead. For senders that
   * repeat themselves, e.g. an MSH-10 whose ACK was lost.
   */
  onceKey?: string;
  /** Nothing of the same recipient and workflow may overtake another: what is unknown or parked holds up what follows. */
  strictOrder?: boolean;
  /** Copy a file payload instead of referring to it, so that it may be changed or deleted at once. */
  copyFile?: boolean;
  /** The local id is not unique (GP Connect prescribes the sender's ODS code): MESH is then never asked by it. */
  localIdIsShared?: boolean;
  /** The message that this one repeats. */
  resendOf?: string;
  /**
   * Which acknowledgements the sender has asked the recipient's system for: each is awaited. `automatic`: those that the message's
   * own flags ask for, or its workflow's profile. Default: none.
   */
  asks?: { infrastructure?: boolean; business?: boolean } | 'automatic';
  /** The message is itself an answer. */
  answering?: Answering;
}

/** What an answer answers. */
export interface Answering {
  /** MESH's id of the received message. */
  messageId: string;
  level: 'infrastructure' | 'business';
  code: string;
}

/** When the outbox refuses new messages. */
export interface OutboxLimits {
  /** Messages not yet accepted. Default 100,000. */
  maxMessages?: number;
  /** Their payload bytes, in the store and the spool. Default 20 GiB. */
  maxBytes?: number;
  /** Bytes that have to stay free on the disk. Default 512 MiB. */
  minFreeBytes?: number;
}

/** A message of the outbox, as plain JSON without its payload and without what may be patient data. */
export interface OutboxMessage {
  /** Ours. */
  id: string;
  /** Only where we have generated it: a caller's own may be patient data (DESIGN.md, rule 9). */
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
  /** ISO 8601 UTC. */
  queuedAt: string;
  acceptedAt?: string;
  settledAt?: string;
  nextAttemptAt?: string;
  resendOf?: string;
  error?: StoredError;
  /**
   * Of an undelivered message that MESH still holds (30 days): what the national service desk needs to place it in the
   * recipient's inbox again (mesh-api.yaml, "Message expiration").
   */
  serviceDesk?: string;
  /** True where only a person can tell what to do: unknown and not found at MESH, or parked. */
  held: boolean;
}

/** Something happened to a message of the outbox. */
export interface OutboxEvent {
  /**
   * `queued`, `sending`, `chunk`, `not begun`, `interrupted`, `restarted`, `retry`, `set aside`, `parked`, `rejected`,
   * `unknown`, `adopted`, `held`, `accepted`, `acknowledged`, `undelivered`, `overdue`, `no outcome`, `resent`, `dropped`;
   * and of acknowledgements `infrastructure` or `business` with `positive`, `partial` or `negative` behind it;
   * `duplicate`: an instance was paused for so long that MESH has accepted the message twice.
   */
  event: string;
  message: OutboxMessage;
  /** Of `overdue`: what has not come in time. */
  overdue?: Overdue;
  /** Of an acknowledgement (`infrastructure positive`, `business negative` …): what it says. */
  answer?: AcknowledgementMeaning;
}

/** What an event tells beside the message. */
export type OutboxEventDetails = Pick<OutboxEvent, 'overdue' | 'answer'>;

/** An acknowledgement's code, and what it means. */
export interface AcknowledgementMeaning {
  code: string;
  meaning: string;
}

/** What can be overdue: the message's collection, its infrastructure acknowledgement, its business acknowledgement. */
export type Overdue = 'collection' | 'infrastructure' | 'business';

/** How the sending of a mailbox stands. */
export interface OutboxState {
  /** Not yet accepted, the one under way included. */
  waiting: number;
  /** Held for a person. */
  held: number;
  /** Why nothing is sent now, until when (ISO 8601 UTC). */
  paused?: { error: StoredError; until: string };
  /** The store itself does not work, e.g. the disk is full. */
  storeError?: StoredError;
}

/** The rest of an outgoing message but for its payload, as it stands in its row. */
export type Envelope = Omit<OutgoingMessage, 'payload'> & { localId: string; contentType: string };

/** What a row's envelope has beside the message's own headers. */
export type StoredEnvelope = Envelope & Deadlines & { answering?: Answering };

/** A row as the outside sees it. */
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
    queuedAt: new Date(row.queuedAt).toISOString(),
    held: row.state === 'parked' || (row.state === 'unknown' && row.nextTrackAt === null),
  };
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

const MESH_KEEPS_MS = 30 * 24 * 60 * 60 * 1000;

/** No patient data: the desk finds everything by the message id. */
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
