/**
 * What one answer to retrieve_message or retrieve_chunk must be, before its body is looked at: every header that could show
 * that it is not the chunk that was asked for. Sources: mesh-api.yaml; DOMAIN.md 1.8.
 */
import type { Download } from '../client/client';
import { DownloadError, TooLargeError } from '../errors';
import { parseChunkRange } from '../protocol/chunk-range';
import type { MessageHeaders } from '../types';

/** What was downloaded so far is of no use: MESH, or the message, is not what it was when that was fetched. */
export class ChangedError extends DownloadError {
  override readonly name = 'DownloadError';
}

/** What is told of a download that is not whole. */
export function broken(messageId: string, why: string, cause?: unknown): DownloadError {
  return new DownloadError(text(messageId, why), details(messageId, cause));
}

/** The same, where nothing that was fetched may be used any more. */
export function changed(messageId: string, why: string, advice?: string): ChangedError {
  return new ChangedError(text(messageId, why), { ...details(messageId), ...(advice === undefined ? {} : { advice }) });
}

/** The message is larger than the mailbox takes. */
export function tooLarge(messageId: string, limit: string): TooLargeError {
  return new TooLargeError(`Message ${messageId} was not received: it expands to ${limit}. It was not acknowledged.`, {
    messageId,
    advice: 'If the sender really sends so much, raise maxExpandedBytes; else ask the sender what it sent.',
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

/** A REPORT has neither chunks nor a payload. Throws where one comes in the place of a chunk. */
export function isReport(download: Download, chunk: number, hasSink: boolean): boolean {
  const { message } = download;
  if (message.messageType !== 'REPORT') return false;
  if (chunk > 1 || hasSink) throw changed(message.messageId, 'MESH sent a report in the place of a chunk');
  return true;
}

/** Throws unless this is chunk `chunk` of the message whose first chunk had the headers `first`, and its end can be told. */
export function checkChunk(download: Download, chunk: number, first: MessageHeaders | undefined): void {
  const { messageId } = download.message;
  checkRange(download, messageId, chunk, first?.totalChunks);
  if (first) checkSame(download.message, first);
  checkEncoding(download.message);
  checkEnd(download);
}

/** 206 while more chunks follow, 200 at the last; the range names the chunk that was asked for, of as many as before. */
function checkRange(download: Download, messageId: string, chunk: number, totalBefore: number | undefined): void {
  const { status, chunkRange } = download;
  const said = download.header('mex-total-chunks');
  const range =
    chunkRange === undefined && chunk === 1 && status === 200
      ? { chunk: 1, totalChunks: 1 }
      : parseChunkRange(chunkRange ?? '');
  if (range === undefined) throw broken(messageId, 'MESH sent a chunk range that cannot be read, or none');
  const { totalChunks } = range;
  if (range.chunk !== chunk) {
    throw broken(messageId, `MESH sent chunk ${range.chunk} where chunk ${chunk} was asked for`);
  }
  if (totalBefore !== undefined && totalChunks !== totalBefore) {
    throw changed(messageId, `MESH sent chunk ${chunk} of ${totalChunks} after chunks of ${totalBefore}`);
  }
  if (said !== undefined && said.trim() !== String(totalChunks)) {
    throw broken(messageId, `MESH sent a chunk of ${totalChunks} with another number of chunks beside it`);
  }
  if (status === 206 && chunk === totalChunks) {
    throw broken(messageId, 'MESH sent status 206 (more to come) for the last chunk');
  }
  if (status === 200 && chunk < totalChunks) {
    throw broken(messageId, `MESH sent status 200 (the end) for chunk ${chunk} of ${totalChunks}`);
  }
}

/** Of one message, whatever else the answers to its chunks leave out. */
const SAME = ['from', 'workflowId', 'localId', 'fileName', 'checksum'] as const;

function checkSame(message: MessageHeaders, first: MessageHeaders): void {
  const other = SAME.find((name) => {
    const [now, before] = [message[name], first[name]];
    return now !== undefined && now !== '' && before !== undefined && before !== '' && now !== before;
  });
  if (other !== undefined) throw changed(message.messageId, `MESH sent a chunk with another ${other} than the first`);
}

function checkEncoding({ contentEncoding, messageId }: MessageHeaders): void {
  if (contentEncoding === undefined || contentEncoding === 'identity' || contentEncoding === 'gzip') return;
  throw broken(messageId, `it is encoded as ${contentEncoding.slice(0, 40)}, which MESH does not have`);
}

/** A plain body that ends with its connection may have been cut off anywhere; a gzip knows its own end. */
function checkEnd({ message, header }: Download): void {
  if (message.contentEncoding === 'gzip' || header('content-length') !== undefined) return;
  if (/\bchunked\b/i.test(header('transfer-encoding') ?? '')) return;
  throw broken(
    message.messageId,
    'its length cannot be told: there is neither a Content-Length nor a chunked encoding',
  );
}
