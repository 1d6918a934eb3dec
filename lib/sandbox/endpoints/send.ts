/** send_message: POST /messageexchange/{mailbox_id}/outbox */
import { parseChunkRange } from '../../protocol/chunk-range';
import { json, type SandboxResponse } from '../response';
import type { StoredBody } from '../bodies';
import { arrived, type SandboxContext } from '../context';
import type { Message } from '../message';
import { INBOX_EXPIRY_MS } from '../messages';
import { badChunkRange, bodyTooLarge, emptyBody, rejected } from '../refusal';
import { header, type SandboxRequest } from '../request';
import type { MailboxHandler, Route } from '../router';
import { sentHeaders } from './sent-headers';

const sendMessage: MailboxHandler = async (request, context) => {
  const { mailboxId } = request.mailbox;
  const { to, toAsSent, chunkRange, details } = sentHeaders(request, mailboxId);
  const range = chunkRange === '' ? { chunk: 1, totalChunks: 1 } : parseChunkRange(chunkRange);
  if (range?.chunk !== 1) throw badChunkRange();
  const isAddress = !context.strict || toAsSent === to;
  if (!isAddress || !context.mailboxes.get(to)) throw rejected('SEND', '12', 'Unregistered to address');
  if (context.strict) context.workflows.checkRegistered(details.workflowId);
  if (context.restrictWorkflows) context.workflows.checkAllowed(details.workflowId, mailboxId, to);

  const body = await uploadedBody(request, context);
  // From here on nothing is asynchronous: a request that broke off has had no effect.
  const now = context.clock.ms();
  const message: Message = {
    messageId: context.messages.newId(now),
    type: 'DATA',
    from: mailboxId,
    to,
    details,
    totalChunks: range.totalChunks,
    chunks: [body],
    events: [{ status: range.totalChunks === 1 ? 'accepted' : 'uploading', at: now }],
    uploadedAt: now,
    inboxExpiry: now + INBOX_EXPIRY_MS,
    position: 0,
    bytes: body.size,
  };
  context.messages.add(message);
  if (range.totalChunks === 1) arrived(message, context);
  return sent(message.messageId, request);
};

/**
 * Stores the body of an upload.
 * @throws Refusal 413 for a large body, 417 COLLECT/02 for an empty one
 */
export async function uploadedBody(
  request: SandboxRequest,
  context: SandboxContext,
  messageId?: string,
): Promise<StoredBody> {
  const { maxRequestBytes, bodies } = context;
  if (Number(header(request, 'Content-Length')) > maxRequestBytes) throw bodyTooLarge(maxRequestBytes);
  const body = await bodies.write(request.raw, maxRequestBytes);
  if (body.size > 0) return body;
  await body.delete();
  throw emptyBody(messageId);
}

/** Returns the 202 of send_message and send_chunk. `more` has further fields of version 1. */
export function sent(messageId: string, request: SandboxRequest, more: Record<string, unknown> = {}): SandboxResponse {
  return request.version === 1 ? json(202, { messageID: messageId, ...more }) : json(202, { message_id: messageId }, 2);
}

export const sendRoutes: Route[] = [
  {
    method: 'POST',
    path: '/messageexchange/:mailboxId/outbox',
    operation: 'send_message',
    access: 'mailbox',
    handler: sendMessage,
  },
];
