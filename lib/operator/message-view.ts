/** A sent or received message as an operator sees it, with personal details kept apart (see mailbox-view.ts). */
import { RECEIVED_STATES, SENT_STATES } from '../message-states';
import { outboxMessage } from '../send/outbox-types';
import { isHandedBack } from '../send/handed-back';
import { isResendable } from '../send/resend';
import type { Incoming, IncomingState, Outcome, Outgoing, OutgoingState, StoredError } from '../store/store';

/** Plain JSON without personal details; times are ISO 8601 UTC. */
export interface MessageView {
  direction: 'in' | 'out';
  /** Our id of a sent message, MESH's id of a received one. */
  reference: string;
  messageId?: string;
  workflowId: string;
  /** The sender's mailbox, of a received message. Missing where it is no mailbox id: then it may name somebody. */
  from?: string;
  /** The recipient's mailbox, of a sent message. Missing where it is no mailbox id: a routing address names a patient. */
  to?: string;
  kind: 'data' | 'report';
  state: OutgoingState | IncomingState;
  bytes: number;
  /** When it was queued or received. */
  time: string;
  acceptedAt?: string;
  /** When a received message was acknowledged to MESH. */
  acknowledgedAt?: string;
  settledAt?: string;
  nextAttemptAt?: string;
  /** When a message that the flow has not finished with is delivered again. */
  nextDeliveryAt?: string;
  chunksSent?: number;
  totalChunks?: number;
  attempts?: number;
  deliveryCount?: number;
  infrastructure?: Outcome;
  business?: Outcome;
  /** The message needs a decision of a person. */
  needsDecision: boolean;
  error?: StoredError;
  serviceDesk?: string;
  resendOf?: string;
  /** Our id of the message that was sent in its place; of several the last. */
  resentAs?: string;
  /** The message that a REPORT names, and the code of its failure. */
  linkedMessageId?: string;
  statusCode?: string;
  /** What an operator may do with it. */
  actions: Array<'ask' | 'resend' | 'drop' | 'acknowledge' | 'redeliver'>;
}

/** Fields that may hold personal details, addresses that are no mailbox id among them. Hostile in a received message. */
export interface PrivateFields {
  from?: string;
  to?: string;
  subject?: string;
  fileName?: string;
  localId?: string;
  partnerId?: string;
}

export function toMessageView(row: Outgoing | Incoming): MessageView {
  return 'id' in row ? sentMessage(row) : receivedMessage(row);
}

function sentMessage(row: Outgoing): MessageView {
  const { id, bytes, queuedAt, localId: _localId, ...rest } = outboxMessage(row);
  const { to } = row.envelope;
  return {
    ...rest,
    ...(isMailboxId(to) ? { to } : {}),
    direction: 'out',
    reference: id,
    kind: 'data',
    bytes,
    time: queuedAt,
    actions: [
      ...(row.state === 'unknown' || row.state === 'accepted' ? (['ask'] as const) : []),
      ...(isResendable(row) ? (['resend'] as const) : []),
      ...(SENT_STATES[row.state].droppable && !isHandedBack(row) ? (['drop'] as const) : []),
    ],
  };
}

function receivedMessage(row: Incoming): MessageView {
  const { linkedMessageId, statusCode, from } = row.headers;
  const { final, needsDecision, pendingDelivery } = RECEIVED_STATES[row.state];
  // A list has no payloads: it says nothing of what can be delivered once more.
  const hasPayload = row.payload !== null || row.size === 0;
  const isAgain = !pendingDelivery && (needsDecision || hasPayload);
  return {
    direction: 'in',
    reference: row.messageId,
    messageId: row.messageId,
    workflowId: row.workflowId,
    ...(isMailboxId(from) ? { from } : {}),
    kind: row.messageType === 'REPORT' ? 'report' : 'data',
    state: row.state,
    bytes: row.size,
    time: iso(row.receivedAt),
    ...(row.acknowledgedAt === null ? {} : { acknowledgedAt: iso(row.acknowledgedAt) }),
    ...(row.settledAt === null ? {} : { settledAt: iso(row.settledAt) }),
    ...(row.state === 'delivered' && row.leaseUntil !== null ? { nextDeliveryAt: iso(row.leaseUntil) } : {}),
    deliveryCount: row.deliveryCount,
    needsDecision,
    ...(row.error === null ? {} : { error: row.error }),
    ...(isCode(linkedMessageId) ? { linkedMessageId } : {}),
    ...(isCode(statusCode) ? { statusCode } : {}),
    actions: [...(isAgain ? (['redeliver'] as const) : []), ...(final ? [] : (['acknowledge'] as const))],
  };
}

export function privateFields(row: Outgoing | Incoming): PrivateFields {
  const source = 'id' in row ? row.envelope : row.headers;
  const names = ['from', 'to', 'subject', 'fileName', 'localId', 'partnerId'] as const;
  const found = names.map((name) => [name, source[name]] as const);
  return Object.fromEntries(found.filter(([, value]) => typeof value === 'string' && value !== '')) as PrivateFields;
}

const iso = (time: number): string => new Date(time).toISOString();

/**
 * Accepts a mailbox id, which names an organisation's system: letters and digits, both. A routing address has
 * underscores, an NHS number no letter and a name no digit.
 */
function isMailboxId(value: unknown): value is string {
  return typeof value === 'string' && /^(?=.*[A-Z])(?=.*\d)[A-Z\d]{5,12}$/i.test(value);
}

/** Accepts MESH's own ids and codes only: no name may get into a view without personal details. */
function isCode(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{1,100}$/.test(value);
}
