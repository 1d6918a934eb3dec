/**
 * All chunks of one message, checked, expanded, into a sink. Lengths are never trusted: what is short, broken, missing or
 * too many is a DownloadError, and nothing is delivered.
 */
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Download, MeshClient } from '../client/client';
import { DownloadError, MeshError } from '../errors';
import { parseChunkRange } from '../protocol/chunk-range';
import type { PayloadSink } from '../payload/sink';
import type { MessageHeaders, Progress } from '../types';

/** How to download. */
export interface DownloadOptions {
  signal?: AbortSignal;
  /** Called after each chunk. */
  onProgress?: (progress: Progress) => void;
}

/**
 * Downloads a message. `sinkFor` is asked once, when the headers of the first chunk are there. Gives the headers of the
 * first chunk and the sink, which still has to be finished; both undefined sink and no bytes for a REPORT.
 */
export async function downloadMessage(
  client: Pick<MeshClient, 'download'>,
  messageId: string,
  sinkFor: (message: MessageHeaders) => Promise<PayloadSink>,
  { signal, onProgress }: DownloadOptions = {},
): Promise<{ message: MessageHeaders; sink: PayloadSink | undefined }> {
  let message: MessageHeaders | undefined;
  let sink: PayloadSink | undefined;
  let bytes = 0;
  try {
    for (let chunk = 1; chunk <= (message?.totalChunks ?? 1); chunk += 1) {
      let began = false;
      const before = bytes;
      await client.download(
        messageId,
        chunk,
        async (download) => {
          if (download.message.messageType === 'REPORT') {
            if (chunk > 1 || sink) throw broken(messageId, 'MESH sent a report in the place of a chunk');
            message = download.message;
            for await (const _ of download.body); // Empty, says the specification; not our business if not.
            return;
          }
          checkRange(download, messageId, chunk, message?.totalChunks);
          message ??= download.message;
          sink ??= await sinkFor(message);
          if (began) await sink.restartChunk();
          else sink.beginChunk();
          began = true;
          bytes = before + (await writeChunk(download, messageId, sink));
        },
        signal,
      );
      if (message?.messageType === 'DATA') onProgress?.({ chunk, totalChunks: message.totalChunks, bytes });
    }
    // The loop above has run at least once, and every way through it sets the headers.
    return { message: message as unknown as MessageHeaders, sink };
  } catch (error) {
    await sink?.discard();
    throw error;
  }
}

/** 206 while more chunks follow, 200 at the last; the range names the chunk that was asked for, of as many as before. */
function checkRange(download: Download, messageId: string, chunk: number, totalBefore: number | undefined): void {
  const { status, chunkRange } = download;
  if (chunkRange === undefined && chunk === 1 && status === 200) return;
  const range = parseChunkRange(chunkRange ?? '');
  const problem =
    range === undefined
      ? 'without a chunk range that can be read'
      : range.chunk !== chunk
        ? `chunk ${range.chunk} where chunk ${chunk} was asked for`
        : totalBefore !== undefined && range.totalChunks !== totalBefore
          ? `chunk ${chunk} of ${range.totalChunks} after chunks of ${totalBefore}`
          : status === 206 && chunk === range.totalChunks
            ? 'status 206 (more to come) for the last chunk'
            : status === 200 && chunk < range.totalChunks
              ? `status 200 (the end) for chunk ${chunk} of ${range.totalChunks}`
              : undefined;
  if (problem !== undefined) throw broken(messageId, `MESH sent ${problem}`);
}

/** Writes one chunk, expanded if need be, and gives its bytes. */
async function writeChunk(download: Download, messageId: string, sink: PayloadSink): Promise<number> {
  let bytes = 0;
  const write = async (pieces: AsyncIterable<Buffer>): Promise<void> => {
    for await (const piece of pieces) {
      bytes += piece.length;
      await sink.write(piece);
    }
  };
  const encoding = download.message.contentEncoding;
  if (encoding === undefined || encoding === 'identity') {
    await write(download.body);
  } else if (encoding === 'gzip') {
    await writeExpanded(download.body, messageId, write);
  } else {
    throw broken(messageId, `it is encoded as ${encoding.slice(0, 40)}, which MESH does not have`);
  }
  return bytes;
}

async function writeExpanded(
  body: AsyncIterable<Buffer>,
  messageId: string,
  write: (pieces: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const gunzip = createGunzip();
  let compressed = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const piece of body) {
      compressed += piece.length;
      yield piece;
    }
  }
  try {
    await pipeline(Readable.from(counted(), { objectMode: false }), gunzip, write);
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw broken(messageId, 'its gzip is broken', error);
  }
  // zlib stops in silence at zeros after the last member: it has then consumed less than there was.
  if (gunzip.bytesWritten !== compressed) throw broken(messageId, 'there is something after the end of its gzip');
}

function broken(messageId: string, why: string, cause?: unknown): DownloadError {
  return new DownloadError(`Message ${messageId} was not received whole: ${why}. It was not acknowledged.`, {
    messageId,
    ...(cause === undefined ? {} : { cause }),
    advice: 'It is still in the inbox. If this happens again, ask the sender to send it again.',
  });
}
