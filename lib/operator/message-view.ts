/** A message as an operator sees it, sent or received; and apart from it what may be of a patient (see mailbox-view.ts). */
import { outboxMessage } from '../send/outbox-types';
import { isResendable } from '../send/resend';
import type { Incoming, IncomingState, Outcome, Outgoing, OutgoingState, StoredError } from '../store/store';

/** Plain JSON; times are ISO 8601 UTC. Names nobody. */
export interface MessageView {
  direction: 'in' | 'out';
  /** Our id of what was sent, MESH's of what was received. */
  reference: string;
  messageId?: string;
  workflowId: string;
  kind: 'data' | 'report';
  state: OutgoingState | IncomingState;
  bytes: number;
  /** When it was put into the outbox, or received. */
  time: string;
  acceptedAt?: string;
  /** Of what was received: when MESH was told. */
  acknowledgedAt?: string;
  settledAt?: string;
  nextAttemptAt?: string;
  chunksSent?: number;
  totalChunks?: number;
  attempts?: number;
  deliveryCount?: number;
  infrastructure?: Outcome;
  business?: Outcome;
  /** Only a person can tell what to do. */
  held: boolean;
  error?: StoredError;
  serviceDesk?: string;
  resendOf?: string;
  /** Of a REPORT: the message that failed, and how. */
  linkedMessageId?: string;
  statusCode?: string;
  /** What may be done with it. */
  actions: Array<'resend' | 'drop' | 'acknowledge' | 'redeliver'>;
}

/** What may be of a patient. Hostile where it was received. */
export interface PrivateFields {
  from?: string;
  to?: string;
  subject?: string;
  fileName?: string;
  localId?: string;
  partnerId?: string;
}

/** A row of the store, whichever. */
export function toMessageView(row: Outgoing | Incoming): MessageView {
  return 'id' in row ? sentMessage(row) : receivedMessage(row);
}

function sentMessage(row: Outgoing): MessageView {
  const { id, bytes, queuedAt, localId: _localId, ...rest } = outboxMessage(row);
  const droppable = ['queued', 'unknown', 'parked', 'rejected', 'undelivered'].includes(row.state);
  return {
    ...rest,
    direction: 'out',
    reference: id,
    kind: 'data',
    bytes,
    time: queuedAt,
    actions: [...(isResendable(row) ? (['resend'] as const) : []), ...(droppable ? (['drop'] as const) : [])],
  };
}

function receivedMessage(row: Incoming): MessageView {
  const { linkedMessageId, statusCode } = row.headers;
  const actions: MessageView['actions'] = row.state === 'done' ? [] : ['acknowledge'];
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
    held: row.state === 'parked',
    ...(row.error === null ? {} : { error: row.error }),
    ...(isCode(linkedMessageId) ? { linkedMessageId } : {}),
    ...(isCode(statusCode) ? { statusCode } : {}),
    actions: row.state === 'parked' ? ['redeliver', ...actions] : actions,
  };
}

export function privateFields(row: Outgoing | Incoming): PrivateFields {
  const source = 'id' in row ? row.envelope : row.headers;
  const names = ['from', 'to', 'subject', 'fileName', 'localId', 'partnerId'] as const;
  const found = names.map((name) => [name, source[name]] as const);
  return Object.fromEntries(found.filter(([, value]) => typeof value === 'string' && value !== '')) as PrivateFields;
}

const iso = (time: number): string => new Date(time).toISOString();

/** A header of MESH's own that has the form of an id or a code: nothing else may come through where no names may. */
function isCode(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{1,100}$/.test(value);
}
