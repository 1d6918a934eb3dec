/** send_chunk: POST /messageexchange/{mailbox_id}/outbox/{message_id}/{chunk_number} */
import { parseChunkRange } from '../../protocol/chunk-range';
import { arrived, type SandboxContext } from '../context';
import { statusOf, type Message } from '../message';
import { INBOX_EXPIRY_MS } from '../messages';
import { badChunkRange, forbidden, noSuchMessage, Refusal, rejected } from '../refusal';
import { header, integer, param, upperParam } from '../request';
import type { MailboxHandler, Route } from '../router';
import { uploadedBody, sent } from './send';
import { sentEncoding } from './sent-headers';

/** Any whole number: one that is not the next chunk, such as 0, gets 417, as in the NHS's sandbox. */
const CHUNK_NUMBER = { loc: ['path', 'chunk_number'] as [string, string], min: -Infinity, max: Infinity };

const sendChunk: MailboxHandler = async (request, context) => {
  const messageId = upperParam(request, 'messageId');
  const chunk = integer(param(request, 'chunk'), CHUNK_NUMBER);
  const range = parseChunkRange(header(request, 'Mex-Chunk-Range'));
  if (range?.chunk !== chunk) throw badChunkRange(messageId);
  const message = context.messages.get(messageId);
  if (!message || message.hiddenFrom === 'sender') throw noSuchMessage(messageId);
  if (message.from !== request.mailbox.mailboxId) throw forbidden('The message belongs to another mailbox');
  checkDue(message, chunk);
  if (range.totalChunks !== message.totalChunks) throw badChunkRange(messageId);
  if (sentEncoding(request) !== message.details.contentEncoding) {
    throw rejected('SEND', 'cannot change content encoding', 'cannot change content encoding', messageId);
  }

  const body = await uploadedBody(request, context, messageId);
  try {
    // Checked again: during the upload the message may have been completed, or forgotten by a reset.
    if (context.messages.get(messageId) !== message) throw noSuchMessage(messageId);
    checkDue(message, chunk);
  } catch (error) {
    await body.delete();
    throw error;
  }
  const replaced = message.chunks[chunk - 1];
  message.chunks[chunk - 1] = body;
  message.bytes += body.size - (replaced?.size ?? 0);
  if (message.chunks.length === message.totalChunks) complete(message, context);
  await replaced?.delete();
  return sent(messageId, request, { blockID: chunk });
};

/** @throws Refusal 423 once the message is complete, 417 when an earlier chunk is missing ("in the correct order") */
function checkDue(message: Message, chunk: number): void {
  const { messageId } = message;
  if (statusOf(message) !== 'uploading') {
    throw new Refusal(423, 'Message has been finalised; no more chunks can be uploaded', { messageId });
  }
  if (chunk > message.chunks.length + 1) throw badChunkRange(messageId);
}

/** Completes the message after its last chunk: the recipient now sees it, and its five days begin. */
function complete(message: Message, context: SandboxContext): void {
  if (statusOf(message) !== 'uploading') return;
  const now = context.clock.ms();
  message.inboxExpiry = now + INBOX_EXPIRY_MS;
  context.messages.record(message, { status: 'accepted', at: now });
  arrived(message, context);
}

export const sendChunkRoutes: Route[] = [
  {
    method: 'POST',
    path: '/messageexchange/:mailboxId/outbox/:messageId/:chunk',
    operation: 'send_chunk',
    access: 'mailbox',
    handler: sendChunk,
  },
];
