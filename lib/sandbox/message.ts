/** One message on its way, and what happened to it. */
import type { StoredBody } from './bodies';

/** What a message can be (mesh-api.yaml, tracking; the NHS's sandbox has the last two). */
export const MESSAGE_STATUSES = ['uploading', 'accepted', 'acknowledged', 'undeliverable', 'error'] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/** A change of a message's status. */
export interface MessageEvent {
  status: MessageStatus;
  /** Sandbox time in ms. */
  at: number;
  /** MESH's step, code and words, where something failed. */
  event?: string;
  code?: string;
  description?: string;
  linkedMessageId?: string;
}

/** What the sender said about the message. Empty text: nothing. */
export interface MessageDetails {
  workflowId: string;
  subject: string;
  localId: string;
  partnerId: string;
  fileName: string;
  checksum: string;
  /** Of the message when decoded. */
  contentType: string;
  /** Empty or `gzip`. */
  contentEncoding: string;
  compressed: boolean;
  encrypted: boolean;
}

/** A message that the sandbox knows. */
export interface Message {
  readonly messageId: string;
  readonly type: 'DATA' | 'REPORT';
  /** Sender's mailbox id; empty for a REPORT. */
  readonly from: string;
  /** The mailbox in whose inbox it goes. */
  readonly to: string;
  /** `Mex-To` if that is another one: a REPORT names the intended receiver of the message that failed. */
  readonly toHeader?: string;
  readonly details: MessageDetails;
  /** 0 for a REPORT. */
  readonly totalChunks: number;
  /** In order; as many as have come. */
  readonly chunks: StoredBody[];
  /** Oldest first, never empty. */
  readonly events: MessageEvent[];
  /** Sandbox time (ms) at which the upload began. */
  readonly uploadedAt: number;
  /** Sandbox time (ms) at which it leaves the inbox if nobody acknowledges it. */
  inboxExpiry: number;
  /** Place in its inbox; grows. */
  position: number;
  /** Bytes in all, as uploaded. */
  bytes: number;
  /** The REPORT about this message. */
  reportId?: string;
  /** Set by the reset of one mailbox: that side does not know the message any more, the other one does. */
  hiddenFrom?: 'sender' | 'recipient';
}

/** The last event. */
export function lastEvent(message: Message): MessageEvent {
  const event = message.events.at(-1);
  if (!event) throw new Error('A message without events.');
  return event;
}

export function statusOf(message: Message): MessageStatus {
  return lastEvent(message).status;
}

/** The last event with one of these statuses. */
export function lastEventOf(message: Message, ...statuses: MessageStatus[]): MessageEvent | undefined {
  return message.events.findLast((event) => statuses.includes(event.status));
}

/** What went wrong with a message, or what a REPORT reports. */
export function failureOf(message: Message): MessageEvent | undefined {
  return message.events.findLast((event) => event.code !== undefined || event.status === 'error');
}

/** The name of the file as MESH gives it: the sender's, or one made of the id. */
export function fileNameOf(message: Message): string {
  return message.details.fileName || `${message.messageId}.dat`;
}
