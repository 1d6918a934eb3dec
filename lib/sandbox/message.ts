/** A message and its history. */
import { headerText } from '../protocol/header-text';
import type { StoredBody } from './bodies';

/** The statuses of a message (mesh-api.yaml, tracking; the last two are the NHS sandbox's). */
export const MESSAGE_STATUSES = ['uploading', 'accepted', 'acknowledged', 'undeliverable', 'error'] as const;
type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/** A change of a message's status. */
export interface MessageEvent {
  status: MessageStatus;
  /** Sandbox time in ms. */
  at: number;
  /** MESH's step, code and description of a failure. */
  event?: string;
  code?: string;
  description?: string;
  linkedMessageId?: string;
}

/** The sender's headers, with a character for each byte. A missing one is empty. */
export interface MessageDetails {
  workflowId: string;
  subject: string;
  localId: string;
  partnerId: string;
  fileName: string;
  checksum: string;
  /** The content type of the decoded message. */
  contentType: string;
  /** Empty or `gzip`. */
  contentEncoding: string;
  compressed: boolean;
  encrypted: boolean;
}

/** The headers of a message that has none. */
export const NO_DETAILS: MessageDetails = {
  workflowId: '',
  subject: '',
  localId: '',
  partnerId: '',
  fileName: '',
  checksum: '',
  contentType: '',
  contentEncoding: '',
  compressed: false,
  encrypted: false,
};

/** One message. */
export interface Message {
  readonly messageId: string;
  readonly type: 'DATA' | 'REPORT';
  /** The sender's mailbox id; empty for a REPORT. */
  readonly from: string;
  /** The mailbox whose inbox it goes to. */
  readonly to: string;
  /** `Mex-To` if different: a REPORT names the intended recipient of the message that failed. */
  readonly toHeader?: string;
  readonly details: MessageDetails;
  /** 0 for a REPORT. */
  readonly totalChunks: number;
  /** The chunks that have arrived, in order. */
  readonly chunks: StoredBody[];
  /** Oldest first, never empty. */
  readonly events: MessageEvent[];
  /** Sandbox time (ms) at which the upload began. */
  readonly uploadedAt: number;
  /** Sandbox time (ms) at which it leaves the inbox unless it is acknowledged. */
  inboxExpiry: number;
  /** Position in the order of arrival; it only grows. */
  position: number;
  /** Total size as uploaded (bytes). */
  bytes: number;
  /** The REPORT about this message. */
  reportId?: string;
  /** The side whose mailbox was reset: it no longer knows the message, the other side does. */
  hiddenFrom?: 'sender' | 'recipient';
}

/** Returns the last event. */
export function lastEvent(message: Message): MessageEvent {
  const event = message.events.at(-1);
  if (!event) throw new Error('A message without events.');
  return event;
}

export function statusOf(message: Message): MessageStatus {
  return lastEvent(message).status;
}

/** Returns the last event with one of these statuses. */
export function lastEventOf(message: Message, ...statuses: MessageStatus[]): MessageEvent | undefined {
  return message.events.findLast((event) => statuses.includes(event.status));
}

/** Returns the failure of a message, or the one that a REPORT reports. */
export function failureOf(message: Message): MessageEvent | undefined {
  return message.events.findLast((event) => event.code !== undefined || event.status === 'error');
}

/** Returns the sender's headers as text, for JSON; the file name as MESH has it. */
export function readableDetails(message: Message): MessageDetails {
  const { details } = message;
  return {
    ...details,
    workflowId: headerText(details.workflowId),
    subject: headerText(details.subject),
    localId: headerText(details.localId),
    partnerId: headerText(details.partnerId),
    fileName: headerText(fileNameOf(message)),
  };
}

/** Returns the file name as MESH does: the sender's, or one made from the id. */
export function fileNameOf(message: Message): string {
  return message.details.fileName || `${message.messageId}.dat`;
}
