/** What is sent: send_message and send_chunk. */
import { ProtocolError } from '../errors';
import { readMessageId } from '../protocol/responses';
import { formatChunkRange, type ChunkRange } from '../protocol/chunk-range';
import { endpoints } from '../protocol/endpoints';
import { drain, readJson } from './body';
import type { Call, Exchange } from './exchange';
import { detailsOf, unknownOutcome } from './failures';
import type { RequestBody } from './transport';

/** A chunk, or a whole message as its only chunk. */
export interface Upload {
  range: ChunkRange;
  body: RequestBody;
  /** `gzip` if the body is compressed. May not change within a message. */
  contentEncoding: 'gzip' | undefined;
}

/**
 * send_message: a whole message, or the first chunk of several. Gives MESH's id. A whole message is never sent again where
 * MESH may have it already: then this throws UnknownOutcomeError.
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
    // The first chunk of several may be repeated: MESH waits for the others, and the orphan is never delivered.
    repeatable: !single,
    expected: [200, 202],
  };
  return exchange.run(call, signal, async (response) => {
    const messageId = readMessageId(await readJson(response.body, exchange.answerMs));
    if (messageId !== undefined) return messageId;
    const context = exchange.contextOf(call, signal);
    throw single
      ? unknownOutcome(context, 'MESH accepted it, but its answer has no message id', detailsOf(context))
      : new ProtocolError('MESH accepted the first chunk, but its answer has no message id.', {
          ...detailsOf(context),
          advice: 'Check the address of the environment: this may be another server, or a proxy’s page.',
        });
  });
}

/**
 * send_chunk: chunk 2 or later. A 423 for the last chunk, when an earlier attempt's answer was lost, means that it had
 * arrived: MESH says that the message is complete (DESIGN.md, rule 1). Where its answer stays lost: UnknownOutcomeError.
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
    (response) => drain(response.body, exchange.answerMs),
    (attempt) => (chunk === totalChunks && attempt > 1 ? [423] : []),
  );
}

function uploadHeaders(upload: Upload): Record<string, string> {
  return {
    ...(upload.range.totalChunks > 1 ? { 'Mex-Chunk-Range': formatChunkRange(upload.range) } : {}),
    ...(upload.contentEncoding ? { 'Content-Encoding': upload.contentEncoding } : {}),
  };
}
