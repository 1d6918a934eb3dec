/** One message out: the straight line. */
import { randomUUID } from 'node:crypto';
import type { MeshClient } from '../client/client';
import type { MailboxConfig } from '../config';
import { openPayload } from '../payload/source';
import { outgoingHeaders } from '../protocol/message-headers';
import type { OutgoingMessage, Progress, SentMessage } from '../types';
import { transferChunks } from './transfer';

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
  let chunks = 0;
  const messageId = await transferChunks(
    client,
    { source, headers, compression, maxChunkBytes: config.maxChunkBytes },
    signal,
    ({ chunk, totalChunks, bytes }) => {
      chunks = totalChunks;
      onProgress?.({ chunk, totalChunks, bytes, totalBytes: source.size });
    },
  );

  const { to, workflowId } = fields;
  return { messageId, localId, to, workflowId, bytes: source.size, chunks, status: 'accepted' };
}
