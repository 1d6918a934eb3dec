/**
 * Checks a response to retrieve_message or retrieve_chunk before its body is read: every header that can show that it
 * is not the chunk that was requested. Sources: mesh-api.yaml; docs/mesh.md, Chunks.
 */
import type { Download } from '../../client/client';
import { DownloadError, TooLargeError } from '../../errors';
import { parseChunkRange } from '../../protocol/chunk-range';
import type { MessageHeaders } from '../../types';

/** The chunks downloaded so far are useless: MESH now serves another message, or the same one changed. */
export class ChangedError extends DownloadError {
  override readonly name = 'DownloadError';
}

/** For an incomplete or broken download. */
export function broken(messageId: string, why: string, cause?: unknown): DownloadError {
  return new DownloadError(text(messageId, why), details(messageId, cause));
}

/** For a message that changed during its download: none of its chunks may be used again. */
export function changed(messageId: string, why: string, advice?: string): ChangedError {
  return new ChangedError(text(messageId, why), { ...details(messageId), ...(advice === undefined ? {} : { advice }) });
}

/**
 * For a message that expands beyond a limit of the mailbox.
 * @param setting the limit's name in the editor and in the library
 */
export function tooLarge(messageId: string, limit: string, setting: string): TooLargeError {
  return new TooLargeError(`Message ${messageId} was not received: it expands to ${limit}. It was not acknowledged.`, {
    messageId,
    advice: `If the sender really sends this, raise ${setting}; otherwise ask the sender what it sent.`,
  });
}

function text(messageId: string, why: string): string {
  return `Message ${messageId} was not received whole: ${why}. It was not acknowledged.`;
}

function details(messageId: string, cause?: unknown): { messageId: string; cause?: unknown; advice: string } {
  return {
    messageId,
    ...(cause === undefined ? {} : { cause }),
    advice: 'It is still in the inbox. If this happens again, ask the sender to send it again.',
  };
}

/**
 * Returns whether the response is a REPORT, which has neither chunks nor a payload.
 * @throws ChangedError when a REPORT comes in place of a chunk
 */
export function isReport(download: Download, chunk: number, hasSink: boolean): boolean {
  const { message } = download;
  if (message.messageType !== 'REPORT') return false;
  if (chunk > 1 || hasSink) throw changed(message.messageId, 'MESH sent a report in place of a chunk');
  return true;
}

/**
 * Checks that this is chunk `chunk` of the message whose first chunk had the headers `first`, and that its end is
 * detectable.
 * @throws DownloadError when it is not, or its end is not
 */
export function checkChunk(download: Download, chunk: number, first: MessageHeaders | undefined): void {
  const { messageId } = download.message;
  checkRange(download, messageId, chunk, first?.totalChunks);
  if (first) checkSame(download.message, first);
  checkEncoding(download.message);
  checkEnd(download);
}

/** Status 206 while more chunks follow, 200 for the last; the range names the requested chunk and the same total. */
function checkRange(download: Download, messageId: string, chunk: number, totalBefore: number | undefined): void {
  const { status, chunkRange } = download;
  const declaredTotal = download.header('mex-total-chunks');
  const range =
    chunkRange === undefined && chunk === 1 && status === 200
      ? { chunk: 1, totalChunks: 1 }
      : parseChunkRange(chunkRange ?? '');
  if (range === undefined) throw broken(messageId, 'MESH sent a chunk range that cannot be read, or none');
  const { totalChunks } = range;
  if (range.chunk !== chunk) {
    throw broken(messageId, `MESH sent chunk ${range.chunk} where chunk ${chunk} was requested`);
  }
  if (totalBefore !== undefined && totalChunks !== totalBefore) {
    throw changed(messageId, `MESH sent chunk ${chunk} of ${totalChunks} after chunks of ${totalBefore}`);
  }
  if (declaredTotal !== undefined && declaredTotal.trim() !== String(totalChunks)) {
    throw broken(messageId, `MESH sent a chunk of ${totalChunks} with a different Mex-Total-Chunks`);
  }
  if (status === 206 && chunk === totalChunks) {
    throw broken(messageId, 'MESH sent status 206 (more to come) for the last chunk');
  }
  if (status === 200 && chunk < totalChunks) {
    throw broken(messageId, `MESH sent status 200 (the end) for chunk ${chunk} of ${totalChunks}`);
  }
}

/** Headers that all chunks of one message share, except where a response omits them. */
const SHARED = ['from', 'workflowId', 'localId', 'fileName', 'checksum'] as const;

function checkSame(message: MessageHeaders, first: MessageHeaders): void {
  const different = SHARED.find((name) => {
    const [now, before] = [message[name], first[name]];
    return now !== undefined && now !== '' && before !== undefined && before !== '' && now !== before;
  });
  if (different !== undefined)
    throw changed(message.messageId, `MESH sent a chunk with another ${different} than the first chunk`);
}

function checkEncoding({ contentEncoding, messageId }: MessageHeaders): void {
  if (contentEncoding === undefined || contentEncoding === 'identity' || contentEncoding === 'gzip') return;
  throw broken(messageId, `it is encoded as ${contentEncoding.slice(0, 40)}, which MESH does not use`);
}

/** A plain body that ends with its connection may have been cut off anywhere; a gzip body marks its own end. */
function checkEnd({ message, header }: Download): void {
  if (message.contentEncoding === 'gzip' || header('content-length') !== undefined) return;
  if (/\bchunked\b/i.test(header('transfer-encoding') ?? '')) return;
  throw broken(message.messageId, 'its length is unknown: there is neither a Content-Length nor a chunked encoding');
}
