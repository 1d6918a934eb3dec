/** The outbox: send_message and send_chunk. */
import { formatChunkRange, type ChunkRange } from '../protocol/chunk-range';
import { endpoints } from '../protocol/endpoints';
import { readJson } from './body';
import type { Call, Exchange } from './exchange';
import { requireChunkAccepted, requireMessageId, requireRefusal } from './origin';
import type { RequestBody } from './transport';

/** A chunk, or a whole message as its only chunk. */
export interface Upload {
  range: ChunkRange;
  body: RequestBody;
  /** `gzip` if the body is compressed. The same for every chunk of a message. */
  contentEncoding: 'gzip' | undefined;
}

/**
 * send_message: sends a whole message, or the first chunk of several, and returns MESH's id. A whole message that
 * MESH may already have is never sent again.
 * @throws UnknownOutcomeError when MESH may already have the whole message
 */
export function sendMessage(
  exchange: Exchange,
  headers: Record<string, string>,
  upload: Upload,
  signal?: AbortSignal,
): Promise<string> {
  const single = upload.range.totalChunks === 1;
  const call: Call = {
    operation: 'send_message',
    purpose: 'The message was not sent',
    method: 'POST',
    path: endpoints.outbox(exchange.config.mailboxId),
    headers: { ...headers, ...uploadHeaders(upload) },
    body: upload.body,
    // The first chunk of several may be repeated: MESH waits for the others and never delivers the orphan.
    repeatable: !single,
    expected: [200, 202],
  };
  return exchange.run(call, signal, async (response) =>
    requireMessageId(await readJson(response.body, exchange.smallBodyMs)),
  );
}

/**
 * send_chunk: sends chunk 2 or later. A 423 for the last chunk, after an attempt whose response was lost, means that
 * the chunk had arrived: MESH reports the message as complete (docs/design.md, rule 1).
 * @throws UnknownOutcomeError when the response to the last chunk stays lost
 */
export function sendChunk(exchange: Exchange, messageId: string, upload: Upload, signal?: AbortSignal): Promise<void> {
  const { chunk, totalChunks } = upload.range;
  const call: Call = {
    operation: 'send_chunk',
    purpose: `Chunk ${chunk} of ${totalChunks} was not sent`,
    messageId,
    method: 'POST',
    path: endpoints.outboxChunk(exchange.config.mailboxId, messageId, chunk),
    headers: { 'Content-Type': 'application/octet-stream', ...uploadHeaders(upload) },
    body: upload.body,
    completes: chunk === totalChunks,
    expected: [200, 202],
  };
  return exchange.run(
    call,
    signal,
    async (response) => {
      const body = await readJson(response.body, exchange.smallBodyMs);
      if (response.status === 423) requireRefusal(response, body, call);
      else requireChunkAccepted(body, messageId);
    },
    (attempt) => (chunk === totalChunks && attempt > 1 ? [423] : []),
  );
}

function uploadHeaders(upload: Upload): Record<string, string> {
  return {
    ...(upload.range.totalChunks > 1 ? { 'Mex-Chunk-Range': formatChunkRange(upload.range) } : {}),
    ...(upload.contentEncoding ? { 'Content-Encoding': upload.contentEncoding } : {}),
  };
}
