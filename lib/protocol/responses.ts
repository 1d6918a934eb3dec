/**
 * The bodies of MESH's responses, read liberally: version 2 as in mesh-api.yaml, version 1 as older servers return it.
 * Unknown fields are ignored, null counts as missing. Each reader returns this library's own type.
 */
import { z } from 'zod';
import { printable } from '../errors';
import { headerText } from './header-text';
import { isoFromMesh } from './time';
import type { InboxPage, MailboxAddress, Tracking } from '../types';

/** Servers repeat a sender's headers in JSON as text, or as one character for each byte. */
const text = z
  .string()
  .transform((received) => printable(headerText(received)))
  .nullish();
/** An id that MESH could have made; a list with another one is not MESH's. */
const messageId = z
  .string()
  .min(1)
  .max(300)
  .refine((id) => id === printable(id));
const number = z.number().nullish();

const inboxResponse = z.object({
  messages: z.array(messageId),
  links: z.object({ next: text }).nullish(),
  approx_inbox_count: number,
});

/**
 * Reads list_messages.
 * @throws ZodError when the body has no list of ids
 */
export function readInbox(body: unknown): InboxPage {
  const response = inboxResponse.parse(body);
  const next = response.links?.next;
  const continueFrom = next ? new URLSearchParams(next.split('?')[1] ?? '').get('continue_from') : undefined;
  return defined({
    messageIds: response.messages,
    continueFrom: continueFrom || undefined,
    approximateCount: response.approx_inbox_count ?? undefined,
  });
}

const rawText = z.string().nullish();
const sentResponse = z.object({ message_id: rawText, messageID: rawText, messageId: rawText });

/** Reads MESH's message id from send_message; undefined if it is missing, too long or has control characters. */
export function readMessageId(body: unknown): string | undefined {
  const response = sentResponse.safeParse(body).data;
  const id = response?.message_id || response?.messageID || response?.messageId;
  return id && id === sanitised(id) ? id : undefined;
}

const trackingResponse = z.object({
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

/**
 * Reads tracking_by_message_id and tracking_by_local_id.
 * @throws ZodError when the body has no message id
 */
export function readTracking(body: unknown): Tracking {
  const response = trackingResponse.parse(body);
  const messageId = response.message_id || response.messageId;
  if (!messageId)
    throw new z.ZodError([{ code: 'custom', path: ['message_id'], message: 'missing', input: undefined }]);
  const time = (value: string | null | undefined): string | undefined => (value ? isoFromMesh(value) : undefined);
  return defined({
    messageId,
    status: (response.status ?? '').toLowerCase(),
    localId: response.local_id || response.localId || undefined,
    workflowId: response.workflow_id || response.workflowId || undefined,
    fileName: response.filename || response.fileName || undefined,
    subject: response.subject || undefined,
    expiryTime: time(response.expiry_time ?? response.expiryTime),
    uploadTimestamp: time(response.upload_timestamp ?? response.uploadTimestamp),
    downloadTimestamp: time(response.downloadTimestamp),
    recipient: response.recipient || undefined,
    recipientName: response.recipient_name || response.recipientName || undefined,
    recipientOdsCode: response.recipient_ods_code || response.meshRecipientOdsCode || undefined,
    recipientOrgCode: response.recipient_org_code || response.recipientOrgCode || undefined,
    recipientOrgName: response.recipient_org_name || response.recipientOrgName || undefined,
    statusSuccess: readSuccess(response.status_success ?? response.statusSuccess),
    statusEvent: response.status_event || response.statusEvent || undefined,
    statusCode: response.status_code || response.statusCode || undefined,
    statusDescription: response.status_description || response.statusDescription || undefined,
    statusTimestamp: time(response.status_timestamp ?? response.statusTimestamp),
    fileSize: response.fileSize ?? undefined,
    totalChunks: response.chunkCount ?? undefined,
    linkedMessageId: response.linkedMsgId || undefined,
    failureDiagnostic: response.failureDiagnostic || undefined,
  });
}

const lookupResponse = z.object({
  results: z.array(z.object({ mailbox_id: text, address: text, mailbox_name: text, description: text })),
});

/**
 * Reads endpointlookup and workflowsearch.
 * @throws ZodError when the body has no list of results
 */
export function readMailboxes(body: unknown): MailboxAddress[] {
  return lookupResponse
    .parse(body)
    .results.map((row) => ({
      mailboxId: row.mailbox_id || row.address || '',
      name: row.mailbox_name || row.description || '',
    }))
    .filter((row) => row.mailboxId !== '');
}

/** The body of an error response, of version 1 or 2. */
interface ErrorResponse {
  code?: string;
  event?: string;
  /** MESH's own words. They may repeat what was sent and must never be logged. */
  description?: string;
  /** The names of the fields that a 400 refuses, separated by spaces. */
  fields?: string;
  messageId?: string;
}

const detail = z.object({ event: text, code: text, msg: text, loc: z.array(z.unknown()).nullish() });
const errorResponse = z.object({
  errorCode: text,
  errorEvent: text,
  errorDescription: text,
  messageID: text,
  message_id: text,
  detail: z.union([z.array(detail), detail, z.string()]).nullish(),
});

/** How MESH begins the message of an error without a detail. */
const INTERNAL_ERROR = 'An internal error occurred';

const errorForm = z.object({
  errorCode: text,
  errorEvent: text,
  errorDescription: text,
  detail: z.array(detail).nullish(),
  internal_id: text,
  message: text,
});

/**
 * Reads the error in a body: version 1 `errorCode`, version 2 `detail[]`, or the fields of a 400. Empty if there is
 * none. The offending values that some servers repeat in a 400 are left out: they may be patient data.
 */
export function readError(body: unknown): ErrorResponse {
  const response = errorResponse.safeParse(body).data;
  if (!response) return {};
  const details = typeof response.detail === 'string' ? [{ msg: response.detail }] : [response.detail ?? []].flat();
  const first: Partial<z.infer<typeof detail>> = details[0] ?? {};
  const fields = details.flatMap((entry) => ('loc' in entry ? (entry.loc ?? []).filter(isName) : []));
  return defined({
    code: sanitised(response.errorCode || first.code),
    event: sanitised(response.errorEvent || first.event),
    description: response.errorDescription || first.msg || undefined,
    fields: fields.length > 0 ? fields.join(' ').slice(0, 200) : undefined,
    messageId: sanitised(response.message_id || response.messageID),
  });
}

/** Cuts a code or id to 100 characters without control characters: it goes into logs, lists and the store. */
function sanitised(value: string | null | undefined): string | undefined {
  return value === null || value === undefined ? undefined : printable(value.slice(0, 100)) || undefined;
}

/**
 * Whether a body is an error as MESH writes it: version 1, version 2, the fields of a 400, or a fault that has only an
 * internal id. Others write JSON too, e.g. `{"message":"Forbidden"}` or `{"detail":"Not Found"}`.
 */
export function isMeshError(body: unknown): boolean {
  const response = errorForm.safeParse(body).data;
  if (!response) return false;
  if (typeof response.message === 'string') {
    // The NHS's own sandbox sends its 423 and 406 so, and without the id.
    if (typeof response.internal_id === 'string' || response.message.startsWith(INTERNAL_ERROR)) return true;
  }
  if (Array.isArray(response.detail)) return response.detail.length > 0;
  return [response.errorCode, response.errorEvent, response.errorDescription].some((part) => typeof part === 'string');
}

function isName(part: unknown): part is string {
  return typeof part === 'string' && /^[A-Za-z][\w-]{0,39}$/.test(part);
}

function readSuccess(value: boolean | string | null | undefined): boolean | undefined {
  if (typeof value === 'string') return value.toUpperCase() === 'SUCCESS' || value.toLowerCase() === 'true';
  return value ?? undefined;
}

/** Returns the object without its undefined fields: exactOptionalPropertyTypes distinguishes missing from undefined. */
export function defined<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  const result: Partial<T> = {};
  for (const name of Object.keys(fields) as Array<keyof T>) {
    const value = fields[name];
    if (value !== undefined) result[name] = value;
  }
  return result as T;
}
