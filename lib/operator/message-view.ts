/** A sent or received message as an operator sees it, with personal details kept apart (see mailbox-view.ts). */
import { RECEIVED_STATES, SENT_STATES } from '../message-states';
import { outboxMessage } from '../send/outbox-types';
import { isResendable } from '../send/resend';
import type { Incoming, IncomingState, Outcome, Outgoing, OutgoingState, StoredError } from '../store/store';

/** Plain JSON without personal details; times are ISO 8601 UTC. */
export interface MessageView {
  direction: 'in' | 'out';
  /** Our id of a sent message, MESH's id of a received one. */
  reference: string;
  messageId?: string;
  workflowId: string;
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
  /** The message that a REPORT names, and the code of its failure. */
  linkedMessageId?: string;
  statusCode?: string;
  /** What an operator may do with it. */
  actions: Array<'resend' | 'drop' | 'acknowledge' | 'redeliver'>;
}

/** Fields that may hold personal details. Hostile in a received message. */
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
  return {
    ...rest,
    direction: 'out',
    reference: id,
    kind: 'data',
    bytes,
    time: queuedAt,
    actions: [
      ...(isResendable(row) ? (['resend'] as const) : []),
      ...(SENT_STATES[row.state].droppable ? (['drop'] as const) : []),
    ],
  };
}

function receivedMessage(row: Incoming): MessageView {
  const { linkedMessageId, statusCode } = row.headers;
  const { final, needsDecision } = RECEIVED_STATES[row.state];
  const actions: MessageView['actions'] = final ? [] : ['acknowledge'];
  return {
    direction: 'in',
    reference: row.messageId,
    messageId: row.messageId,
    workflowId: row.workflowId,
    kind: row.messageType === 'REPORT' ? 'report' : 'data',
    state: row.state,
    bytes: row.size,
    time: iso(row.receivedAt),
    ...(row.acknowledgedAt === null ? {} : { acknowledgedAt: iso(row.acknowledgedAt) }),
    ...(row.settledAt === null ? {} : { settledAt: iso(row.settledAt) }),
    deliveryCount: row.deliveryCount,
    needsDecision,
    ...(row.error === null ? {} : { error: row.error }),
    ...(isCode(linkedMessageId) ? { linkedMessageId } : {}),
    ...(isCode(statusCode) ? { statusCode } : {}),
    actions: needsDecision ? ['redeliver', ...actions] : actions,
  };
}

export function privateFields(row: Outgoing | Incoming): PrivateFields {
  const source = 'id' in row ? row.envelope : row.headers;
  const names = ['from', 'to', 'subject', 'fileName', 'localId', 'partnerId'] as const;
  const found = names.map((name) => [name, source[name]] as const);
  return Object.fromEntries(found.filter(([, value]) => typeof value === 'string' && value !== '')) as PrivateFields;
}

const iso = (time: number): string => new Date(time).toISOString();

/** Accepts MESH's own ids and codes only: no name may get into a view without personal details. */
function isCode(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{1,100}$/.test(value);
}
