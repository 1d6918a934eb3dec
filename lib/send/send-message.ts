/** Sends one message directly, without the durable outbox. */
import type { MeshClient } from '../client/client';
import type { MailboxConfig } from '../config';
import { withTemporaryScratch } from '../payload/scratch';
import { openPayload } from '../payload/source';
import { outgoingHeaders, withChecksum } from '../protocol/message-headers';
import type { OutgoingMessage, Progress, SentMessage } from '../types';
import { randomUUID } from '../random';
import { decidePlan, rulesOf, type SendingRules } from './plan';
import { transferChunks } from './transfer';

/** How to send. */
export interface SendOptions {
  signal?: AbortSignal;
  /** Called after each chunk that MESH accepted. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Sends a message, in one request if it fits, otherwise in chunks, and resolves when MESH has accepted it.
 * @throws InvalidMessageError, PayloadError or TooLargeError before anything is sent; UnknownOutcomeError when MESH may
 *   have accepted it
 */
export async function sendMessage(
  client: MeshClient,
  config: Pick<MailboxConfig, 'mailboxId'> & SendingRules,
  message: OutgoingMessage,
  { signal, onProgress }: SendOptions = {},
): Promise<SentMessage> {
  const { payload, checksum: _checksum, ...fields } = message;
  const source = await openPayload(payload);
  const localId = fields.localId || randomUUID();
  const envelope = {
    ...(source.fileName ? { fileName: source.fileName } : {}),
    ...fields,
    localId,
    contentType: fields.contentType || source.contentType,
  };
  // Headers that MESH would refuse are refused before a large payload is read.
  const headers = outgoingHeaders(config.mailboxId, envelope);
  let chunks = 1;
  const id = randomUUID();
  const messageId = await withTemporaryScratch(async (scratch) => {
    const plan = await decidePlan(source, rulesOf(config, message), scratch, id, signal);
    chunks = plan.totalChunks;
    const transfer = { source, headers: withChecksum(headers, plan.checksum), plan, scratch, id };
    return transferChunks(client, transfer, signal, ({ chunk, totalChunks, bytes }) =>
      onProgress?.({ chunk, totalChunks, bytes, totalBytes: source.size }),
    );
  });
  const { to, workflowId } = fields;
  return { messageId, localId, to, workflowId, bytes: source.size, chunks, status: 'accepted' };
}
