/**
 * Downloads all chunks of one message, checks and expands them, and writes them to a sink in order. Lengths are never
 * trusted: a short, broken, missing or surplus chunk is a DownloadError, and nothing is delivered.
 *
 * Several stages run at once, each behind a bounded buffer: the socket is read ahead (download-body.ts), zlib expands
 * in its threads (expand.ts), the file is written behind (file-sink.ts). As soon as a chunk's body has ended, the next
 * chunk is requested, while the tail of this one is still expanding. Buffers are bounded by bytes, whatever the size of
 * a chunk.
 */
import type { Download, MeshClient } from '../../client/client';
import { GoneError, NotFoundError, TooLargeError } from '../../errors';
import { NoSpaceError } from '../../payload/disk-space';
import { identityExpander, BrokenGzipError, gzipExpander, type Expander } from '../../payload/expand';
import type { PayloadSink } from '../../payload/sink';
import { readChecksum } from '../../protocol/checksum';
import type { MessageHeaders, Progress } from '../../types';
import { broken, changed, ChangedError, checkChunk, isReport, tooLarge } from './incoming-chunk';

export interface DownloadOptions {
  signal?: AbortSignal;
  /** Called after each chunk. */
  onProgress?: (progress: Progress) => void;
}

/** A mailbox's rules for its downloads. */
interface DownloadRules {
  /** A larger payload (bytes, expanded) is a TooLargeError. */
  maxExpandedBytes: number;
  /** A payload that expands further is a TooLargeError. 0: no limit. */
  maxExpansionRatio: number;
  /** Whether to verify `Mex-Content-Checksum` when its algorithm is known. Default true. */
  checkChecksum?: boolean;
}

/** The chunks of an earlier download, from which this one resumes. */
export interface Resumable {
  /** Headers of the first chunk. */
  message: MessageHeaders;
  chunks: number;
  /** Bytes in the sink. */
  bytes: number;
  sink: PayloadSink;
}

/** Where to write the payload. */
interface DownloadTarget {
  /**
   * Called once, with the headers of the first chunk. `minimumBytes`: the payload has at least this size (0 if
   * unknown). `also`: the algorithm of the message's own checksum, to be computed beside SHA-256.
   */
  sinkFor: (message: MessageHeaders, minimumBytes: number, also: string | undefined) => Promise<PayloadSink>;
  resume?: Resumable;
}

/**
 * A message may reach this size, or this share of maxExpandedBytes if that is less, whatever its compression ratio; above
 * it, maxExpansionRatio applies to all of its chunks together.
 */
const UNCHECKED_BYTES = 64 * 1024 * 1024;
const UNCHECKED_SHARE = 1 / 20;
/** A REPORT's body is read up to this many bytes, so that its connection can be reused. */
const MAX_REPORT_BYTES = 64 * 1024;

/**
 * Downloads a message. Returns the headers of the first chunk and the sink, which the caller finishes; no sink for a
 * REPORT. A failed download is discarded, or suspended if it can be resumed.
 * @throws DownloadError when the message is incomplete or broken
 * @throws TooLargeError when it is larger than the rules allow
 * @throws NotFoundError or GoneError when MESH does not have it
 * @throws StorageError when the sink fails
 */
export async function downloadMessage(
  client: Pick<MeshClient, 'download'>,
  messageId: string,
  target: DownloadTarget,
  rules: DownloadRules,
  options: DownloadOptions = {},
): Promise<{ message: MessageHeaders; sink: PayloadSink | undefined }> {
  const download = new MessageDownload(client, messageId, target, rules, options);
  try {
    return await download.run();
  } catch (error) {
    await download.end(error);
    // The message has changed since the earlier download: start from chunk 1.
    if (!target.resume || !(error instanceof ChangedError)) throw error;
    return downloadMessage(client, messageId, { sinkFor: target.sinkFor }, rules, options);
  }
}

/** After these errors the downloaded chunks are useless, or their disk space is needed. */
const NOT_RESUMABLE = [ChangedError, TooLargeError, NotFoundError, GoneError, NoSpaceError];

/** A request for the next chunk, made while this one is still expanding. */
interface AheadRequest {
  abort: AbortController;
  done: Promise<void>;
}

class MessageDownload {
  readonly #client: Pick<MeshClient, 'download'>;
  readonly #messageId: string;
  readonly #target: DownloadTarget;
  readonly #rules: DownloadRules;
  readonly #options: DownloadOptions;
  #message: MessageHeaders | undefined;
  #sink: PayloadSink | undefined;
  /** By chunk number: at most the current chunk and the next. */
  readonly #ahead = new Map<number, AheadRequest>();
  /** Payload bytes of the complete chunks. */
  #bytes = 0;
  /** Payload bytes that an earlier download has left, and bytes on the way of the complete chunks since then. */
  readonly #resumedBytes: number;
  #wireBytes = 0;

  constructor(
    client: Pick<MeshClient, 'download'>,
    messageId: string,
    target: DownloadTarget,
    rules: DownloadRules,
    options: DownloadOptions,
  ) {
    this.#client = client;
    this.#messageId = messageId;
    this.#target = target;
    this.#rules = rules;
    this.#options = options;
    this.#message = target.resume?.message;
    this.#sink = target.resume?.sink;
    this.#bytes = target.resume?.bytes ?? 0;
    this.#resumedBytes = this.#bytes;
  }

  async run(): Promise<{ message: MessageHeaders; sink: PayloadSink | undefined }> {
    const first = (this.#target.resume?.chunks ?? 0) + 1;
    for (let chunk = first; chunk <= (this.#message?.totalChunks ?? first); chunk += 1) {
      await (this.#ahead.get(chunk)?.done ?? this.#fetch(chunk, undefined, this.#options.signal));
      this.#ahead.delete(chunk);
    }
    this.#checkChecksum();
    // The loop above has run at least once, and every path through it sets the headers.
    return { message: this.#message as MessageHeaders, sink: this.#sink };
  }

  /** Ends a failed download: suspends its sink if it can be resumed, otherwise discards it. */
  async end(error: unknown): Promise<void> {
    this.#dropAhead(0);
    const isResumable = !NOT_RESUMABLE.some((each) => error instanceof each);
    if (this.#sink?.suspend && isResumable) await this.#sink.suspend();
    else await this.#sink?.discard();
  }

  /** Resolves when the chunk is in the sink. Writing starts when `before`, the previous chunk, has resolved. */
  async #fetch(chunk: number, before: Promise<void> | undefined, signal: AbortSignal | undefined): Promise<void> {
    let began = false;
    const downloaded = this.#client.download(
      this.#messageId,
      chunk,
      async (download) => {
        if (isReport(download, chunk, this.#sink !== undefined)) {
          this.#message = download.message;
          await drain(download.body, MAX_REPORT_BYTES);
          return;
        }
        checkChunk(download, chunk, this.#message);
        await before;
        this.#message ??= download.message;
        this.#sink ??= await this.#newSink(download);
        if (began) await this.#sink.restartChunk();
        else this.#sink.beginChunk();
        began = true;
        await this.#takeChunk(download, chunk, this.#sink);
      },
      signal,
    );
    await downloaded.catch((error: unknown) => {
      // MESH has the message, or had it a moment ago, but not this chunk.
      if (chunk > 1 && error instanceof NotFoundError)
        throw changed(this.#messageId, `MESH has no chunk ${chunk} of it`);
      throw error;
    });
  }

  #newSink({ message, header }: Download): Promise<PayloadSink> {
    const length = Number(header('content-length') ?? 0);
    // Only the last chunk may be smaller than the others.
    const minimumBytes = message.totalChunks > 1 ? length * (message.totalChunks - 1) : length;
    return this.#target.sinkFor(message, minimumBytes, this.#checksum()?.algorithm);
  }

  /** Writes one chunk, expanded if it is compressed. */
  async #takeChunk({ message, body }: Download, chunk: number, sink: PayloadSink): Promise<void> {
    let bytes = 0;
    let wireBytes = 0;
    const write = (piece: Buffer): Promise<void> => {
      bytes += piece.length;
      this.#checkSize(bytes, wireBytes);
      return sink.write(piece);
    };
    const expander: Expander =
      message.contentEncoding === 'gzip' ? gzipExpander(write, (error) => body.cancel(error)) : identityExpander(write);
    const taken = Promise.withResolvers<void>();
    // Only the chunk that is requested ahead waits for this promise.
    taken.promise.catch(() => undefined);
    try {
      for await (const pieces of body) {
        for (const piece of pieces) wireBytes += piece.length;
        await expander.take(pieces);
      }
      this.#fetchAhead(chunk + 1, taken.promise);
      await expander.end();
      this.#bytes += bytes;
      this.#wireBytes += wireBytes;
      sink.chunksDone?.(chunk);
      this.#options.onProgress?.({ chunk, totalChunks: message.totalChunks, bytes: this.#bytes });
      // Not earlier: the next chunk goes into the same sink.
      taken.resolve();
    } catch (error) {
      // The retry of this chunk needs the connection.
      this.#dropAhead(chunk);
      taken.reject(error);
      throw error instanceof BrokenGzipError ? broken(this.#messageId, error.message, error.cause) : error;
    } finally {
      // The sink may be rewound or discarded only after the last write.
      await expander.close();
    }
  }

  #fetchAhead(chunk: number, before: Promise<void>): void {
    if (chunk > (this.#message?.totalChunks ?? 1)) return;
    const abort = new AbortController();
    const { signal } = this.#options;
    const done = this.#fetch(chunk, before, signal ? AbortSignal.any([signal, abort.signal]) : abort.signal);
    // `run` handles the rejection; if it does not wait, the request was dropped.
    done.catch(() => undefined);
    this.#ahead.set(chunk, { abort, done });
  }

  #dropAhead(after: number): void {
    for (const [chunk, { abort }] of this.#ahead) {
      if (chunk <= after) continue;
      abort.abort();
      this.#ahead.delete(chunk);
    }
  }

  /** @throws TooLargeError when the message exceeds its limit, or what was downloaded of it its compression ratio */
  #checkSize(bytes: number, wireBytes: number): void {
    const { maxExpandedBytes, maxExpansionRatio } = this.#rules;
    if (this.#bytes + bytes > maxExpandedBytes) {
      const setting = '“Maximum received” (maxExpandedBytes)';
      throw tooLarge(this.#messageId, `more than ${maxExpandedBytes} bytes`, setting);
    }
    if (maxExpansionRatio === 0) return;
    const expanded = this.#bytes - this.#resumedBytes + bytes;
    const unchecked = Math.min(UNCHECKED_BYTES, maxExpandedBytes * UNCHECKED_SHARE);
    if (expanded > unchecked && expanded > (this.#wireBytes + wireBytes) * maxExpansionRatio) {
      const setting = '“Maximum expansion” (maxExpansionRatio, 0 for no such limit)';
      throw tooLarge(this.#messageId, `more than ${maxExpansionRatio} times its size on the way`, setting);
    }
  }

  #checksum(): ReturnType<typeof readChecksum> {
    return this.#rules.checkChecksum === false ? undefined : readChecksum(this.#message?.checksum);
  }

  #checkChecksum(): void {
    const checksum = this.#checksum();
    if (!checksum || !this.#sink || this.#sink.digest(checksum.algorithm) === checksum.hex) return;
    throw changed(
      this.#messageId,
      `its ${checksum.algorithm.toUpperCase()} is not the one that the sender declared`,
      'It is still in the inbox. Ask the sender what the checksum covers; checkChecksum: false does not verify it.',
    );
  }
}

async function drain(body: AsyncIterable<Buffer[]>, maxBytes: number): Promise<void> {
  let bytes = 0;
  for await (const pieces of body) {
    for (const piece of pieces) bytes += piece.length;
    if (bytes > maxBytes) return;
  }
}
