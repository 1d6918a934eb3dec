/**
 * The bodies of MESH's answers, read liberally: version 2 as mesh-api.yaml has it, version 1 as older servers answer.
 * Unknown fields are ignored, null counts as missing. Each reader gives this library's own shape.
 */
import { z } from 'zod';
import { isoFromMesh } from './time';
import type { InboxPage, MailboxAddress, Tracking } from '../types';

const text = z.string().nullish();
const number = z.number().nullish();

const inboxAnswer = z.object({
  messages: z.array(z.string().min(1)),
  links: z.object({ next: text }).nullish(),
  approx_inbox_count: number,
});

/** list_messages. Throws ZodError for anything that has no list of ids. */
export function readInbox(body: unknown): InboxPage {
  const answer = inboxAnswer.parse(body);
  const next = answer.links?.next;
  const continueFrom = next ? new URLSearchParams(next.split('?')[1] ?? '').get('continue_from') : undefined;
  return defined({
    messageIds: answer.messages,
    continueFrom: continueFrom || undefined,
    approximateCount: answer.approx_inbox_count ?? undefined,
  });
}

const sentAnswer = z.object({ message_id: text, messageID: text, messageId: text });

/** send_message: MESH's id of the message. Undefined if the answer has none, or one that nobody could ask for again. */
export function readMessageId(body: unknown): string | undefined {
  const answer = sentAnswer.safeParse(body).data;
  const id = answer?.message_id || answer?.messageID || answer?.messageId;
  return id && id === inFewWords(id) ? id : undefined;
}

const trackingAnswer = z.object({
  message_id: text,
  messageId: text,
  local_id: text,
  localId: text,
  workflow_id: text,
  workflowId: text,
  filename: text,
  fileName: text,
  subject: text,
  expiry_time: text,
  expiryTime: text,
  upload_timestamp: text,
  uploadTimestamp: text,
  downloadTimestamp: text,
  recipient: text,
  recipient_name: text,
  recipientName: text,
  recipient_ods_code: text,
  meshRecipientOdsCode: text,
  recipient_org_code: text,
  recipientOrgCode: text,
  recipient_org_name: text,
  recipientOrgName: text,
  status: text,
  status_success: z.union([z.boolean(), z.string()]).nullish(),
  statusSuccess: z.union([z.boolean(), z.string()]).nullish(),
  status_event: text,
  statusEvent: text,
  status_code: text,
  statusCode: text,
  status_description: text,
  statusDescription: text,
  status_timestamp: text,
  statusTimestamp: text,
  fileSize: number,
  chunkCount: number,
  linkedMsgId: text,
  failureDiagnostic: text,
});

/** tracking_by_message_id, tracking_by_local_id. Throws ZodError for an answer without a message id. */
export function readTracking(body: unknown): Tracking {
  const answer = trackingAnswer.parse(body);
  const messageId = answer.message_id || answer.messageId;
  if (!messageId)
    throw new z.ZodError([{ code: 'custom', path: ['message_id'], message: 'missing', input: undefined }]);
  const time = (value: string | null | undefined): string | undefined => (value ? isoFromMesh(value) : undefined);
  return defined({
    messageId,
    status: (answer.status ?? '').toLowerCase(),
    localId: answer.local_id || answer.localId || undefined,
    workflowId: answer.workflow_id || answer.workflowId || undefined,
    fileName: answer.filename || answer.fileName || undefined,
    subject: answer.subject || undefined,
    expiryTime: time(answer.expiry_time ?? answer.expiryTime),
    uploadTimestamp: time(answer.upload_timestamp ?? answer.uploadTimestamp),
    downloadTimestamp: time(answer.downloadTimestamp),
    recipient: answer.recipient || undefined,
    recipientName: answer.recipient_name || answer.recipientName || undefined,
    recipientOdsCode: answer.recipient_ods_code || answer.meshRecipientOdsCode || undefined,
    recipientOrgCode: answer.recipient_org_code || answer.recipientOrgCode || undefined,
    recipientOrgName: answer.recipient_org_name || answer.recipientOrgName || undefined,
    statusSuccess: readSuccess(answer.status_success ?? answer.statusSuccess),
    statusEvent: answer.status_event || answer.statusEvent || undefined,
    statusCode: answer.status_code || answer.statusCode || undefined,
    statusDescription: answer.status_description || answer.statusDescription || undefined,
    statusTimestamp: time(answer.status_timestamp ?? answer.statusTimestamp),
    fileSize: answer.fileSize ?? undefined,
    totalChunks: answer.chunkCount ?? undefined,
    linkedMessageId: answer.linkedMsgId || undefined,
    failureDiagnostic: answer.failureDiagnostic || undefined,
  });
}

const lookupAnswer = z.object({
  results: z.array(z.object({ mailbox_id: text, address: text, mailbox_name: text, description: text })),
});

/** endpointlookup, workflowsearch. Throws ZodError for anything that has no list of results. */
export function readMailboxes(body: unknown): MailboxAddress[] {
  return lookupAnswer
    .parse(body)
    .results.map((row) => ({
      mailboxId: row.mailbox_id || row.address || '',
      name: row.mailbox_name || row.description || '',
    }))
    .filter((row) => row.mailboxId !== '');
}

/** What an error's body says, whichever version it has. */
export interface ErrorAnswer {
  code?: string;
  event?: string;
  /** MESH's own words. They may repeat what was sent: never for a log. */
  description?: string;
  /** Of a 400: the names of the fields that it refuses. */
  fields?: string;
  messageId?: string;
}

const detail = z.object({ event: text, code: text, msg: text, loc: z.array(z.unknown()).nullish() });
const errorAnswer = z.object({
  errorCode: text,
  errorEvent: text,
  errorDescription: text,
  messageID: text,
  message_id: text,
  detail: z.union([z.array(detail), detail, z.string()]).nullish(),
});

/**
 * The error in a body: version 1 `errorCode`, version 2 `detail[]`, or the list of fields of a 400. Empty if there is none.
 * The offending values that some servers repeat in a 400 are left out: they may be patient data.
 */
export function readError(body: unknown): ErrorAnswer {
  const answer = errorAnswer.safeParse(body).data;
  if (!answer) return {};
  const details = typeof answer.detail === 'string' ? [{ msg: answer.detail }] : [answer.detail ?? []].flat();
  const first: Partial<z.infer<typeof detail>> = details[0] ?? {};
  const fields = details.flatMap((entry) => ('loc' in entry ? (entry.loc ?? []).filter(isName) : []));
  return defined({
    code: inFewWords(answer.errorCode || first.code),
    event: inFewWords(answer.errorEvent || first.event),
    description: answer.errorDescription || first.msg || undefined,
    fields: fields.length > 0 ? fields.join(' ').slice(0, 200) : undefined,
    messageId: inFewWords(answer.message_id || answer.messageID),
  });
}

/** Codes and ids go into logs, lists and the store: no book, and no control characters, whoever answers. */
function inFewWords(said: string | null | undefined): string | undefined {
  return said?.slice(0, 100).replaceAll(/\p{Cc}/gu, '?') || undefined;
}

function isName(part: unknown): part is string {
  return typeof part === 'string' && /^[A-Za-z][\w-]{0,39}$/.test(part);
}

function readSuccess(value: boolean | string | null | undefined): boolean | undefined {
  if (typeof value === 'string') return value.toUpperCase() === 'SUCCESS' || value.toLowerCase() === 'true';
  return value ?? undefined;
}

/** The object without its undefined fields: exactOptionalPropertyTypes tells "missing" from "undefined". */
export function defined<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  const result: Partial<T> = {};
  for (const name of Object.keys(fields) as Array<keyof T>) {
    const value = fields[name];
    if (value !== undefined) result[name] = value;
  }
  return result as T;
}
