/** One message out: the straight line. */
import { randomUUID } from 'node:crypto';
import type { MeshClient } from '../client/client';
import type { MailboxConfig } from '../config';
import { chunkBody, splitPayload } from '../payload/chunks';
import { openPayload } from '../payload/source';
import { outgoingHeaders } from '../protocol/message-headers';
import type { OutgoingMessage, Progress, SentMessage } from '../types';

/** How to send. */
export interface SendOptions {
  signal?: AbortSignal;
  /** Called after each chunk that MESH has taken. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Sends a message, in one request if it fits, else in chunks, and resolves when MESH has accepted it. Throws
 * InvalidMessageError or PayloadError before anything is sent; UnknownOutcomeError where MESH may have accepted it.
 */
export async function sendMessage(
  client: MeshClient,
  config: Pick<MailboxConfig, 'mailboxId' | 'compression' | 'maxChunkBytes'>,
  message: OutgoingMessage,
  { signal, onProgress }: SendOptions = {},
): Promise<SentMessage> {
  const { payload, compression = config.compression, ...fields } = message;
  const source = await openPayload(payload);
  const localId = fields.localId || randomUUID();
  const headers = outgoingHeaders(config.mailboxId, {
    ...(source.fileName ? { fileName: source.fileName } : {}),
    ...fields,
    localId,
    contentType: fields.contentType || source.contentType,
  });
  const slices = splitPayload(source.size, config.maxChunkBytes);
  const contentEncoding = compression === 'gzip' ? 'gzip' : undefined;

  let messageId = '';
  for (const [index, slice] of slices.entries()) {
    const range = { chunk: index + 1, totalChunks: slices.length };
    const upload = { range, body: await chunkBody(source, slice, compression), contentEncoding } as const;
    if (range.chunk === 1) messageId = await client.sendMessage(headers, upload, signal);
    else await client.sendChunk(messageId, upload, signal);
    onProgress?.({ ...range, bytes: slice.end, totalBytes: source.size });
  }

  const { to, workflowId } = fields;
  return { messageId, localId, to, workflowId, bytes: source.size, chunks: slices.length, status: 'accepted' };
}
