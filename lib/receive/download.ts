/**
 * All chunks of one message, checked, expanded, in order into a sink. Lengths are never trusted: what is short, broken,
 * missing or too many is a DownloadError, and nothing is delivered.
 *
 * Several things go on at once, each with a bounded buffer before it: the socket is read ahead (whole-body.ts), zlib expands
 * in its threads (expand.ts), the file is written behind (file-sink.ts); and as soon as a chunk's body has ended, the next
 * one is asked for, while the tail of this one is still expanded. Buffers are bounded by bytes, whatever a chunk's size.
 */
import type { Download, MeshClient } from '../client/client';
import { GoneError, NotFoundError, TooLargeError } from '../errors';
import { NoSpaceError } from '../payload/disk-space';
import { asItIs, BrokenGzip, gunzipped, type Expander } from '../payload/expand';
import type { PayloadSink } from '../payload/sink';
import { readChecksum } from '../protocol/checksum';
import type { MessageHeaders, Progress } from '../types';
import { broken, changed, ChangedError, checkChunk, isReport, tooLarge } from './incoming-chunk';

/** How to download. */
export interface DownloadOptions {
  signal?: AbortSignal;
  /** Called after each chunk. */
  onProgress?: (progress: Progress) => void;
}

/** The rules of a mailbox for what it downloads. */
export interface DownloadRules {
  /** A larger payload (bytes, expanded) is a TooLargeError. */
  maxExpandedBytes: number;
  /** Whether `Mex-Content-Checksum` has to fit where its algorithm can be told. Default true. */
  checkChecksum?: boolean;
}

/** Chunks that an earlier download left, to go on from. */
export interface Resumable {
  /** Headers of the first chunk. */
  message: MessageHeaders;
  chunks: number;
  /** Bytes that are in the sink. */
  bytes: number;
  sink: PayloadSink;
}

/** What to download, and where to. */
export interface DownloadTarget {
  /**
   * Asked once, when the headers of the first chunk are there. `atLeast`: so many bytes will come (0 where that cannot be told).
   * `also`: the algorithm of the message's own checksum, to be computed beside SHA-256.
   */
  sinkFor: (message: MessageHeaders, atLeast: number, also: string | undefined) => Promise<PayloadSink>;
  resume?: Resumable;
}

/** One chunk may reach this share of the limit whatever its ratio; beyond, it may not have been compressed absurdly. */
const FREE_SHARE = 1 / 20;
/** Real data reaches 20 to 1; a bomb has up to 1032 to 1, deflate's own limit (zlib's technical details). */
const MAX_RATIO = 200;
/** What a REPORT has for a body is read, so that its connection lives on, up to so many bytes. */
const REPORT_BYTES = 64 * 1024;

/**
 * Downloads a message. Gives the headers of the first chunk and the sink, which still has to be finished; no sink for a
 * REPORT. What fails is discarded, or suspended where it can be resumed.
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
    // What was resumed is not of this message any more: it is fetched from its beginning.
    if (!target.resume || !(error instanceof ChangedError)) throw error;
    return downloadMessage(client, messageId, { sinkFor: target.sinkFor }, rules, options);
  }
}

/** After these nothing of what was fetched can be of use again; or its place on the disk is needed. */
const USELESS = [ChangedError, TooLargeError, NotFoundError, GoneError, NoSpaceError];

/** A request for the next chunk, made while this one is still expanded. */
interface Ahead {
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
  /** By chunk: at most the one after the one that is taken, and that one itself. */
  readonly #ahead = new Map<number, Ahead>();
  /** Of the payload, in whole chunks. */
  #bytes = 0;

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
  }

  async run(): Promise<{ message: MessageHeaders; sink: PayloadSink | undefined }> {
    const first = (this.#target.resume?.chunks ?? 0) + 1;
    for (let chunk = first; chunk <= (this.#message?.totalChunks ?? first); chunk += 1) {
      await (this.#ahead.get(chunk)?.done ?? this.#fetch(chunk, undefined, this.#options.signal));
      this.#ahead.delete(chunk);
    }
    this.#checkChecksum();
    // The loop above has run at least once, and every way through it sets the headers.
    return { message: this.#message as MessageHeaders, sink: this.#sink };
  }

  /** Lets go of what a failed download holds. What cannot be of use again is not kept. */
  async end(error: unknown): Promise<void> {
    this.#dropAhead(0);
    const useless = USELESS.some((each) => error instanceof each);
    if (this.#sink?.suspend && !useless) await this.#sink.suspend();
    else await this.#sink?.discard();
  }

  /** Resolves when the chunk is in the sink; into which it goes when the one `before` is. */
  async #fetch(chunk: number, before: Promise<void> | undefined, signal: AbortSignal | undefined): Promise<void> {
    let began = false;
    const downloaded = this.#client.download(
      this.#messageId,
      chunk,
      async (download) => {
        if (isReport(download, chunk, this.#sink !== undefined)) {
          this.#message = download.message;
          await readSome(download.body, REPORT_BYTES);
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
      // The message is there, or was a moment ago: one of its chunks is not.
      if (chunk > 1 && error instanceof NotFoundError)
        throw changed(this.#messageId, `MESH has no chunk ${chunk} of it`);
      throw error;
    });
  }

  #newSink({ message, header }: Download): Promise<PayloadSink> {
    const length = Number(header('content-length') ?? 0);
    // The last chunk may be the small one, the first is not.
    const atLeast = message.totalChunks > 1 ? length * (message.totalChunks - 1) : length;
    return this.#target.sinkFor(message, atLeast, this.#checksum()?.algorithm);
  }

  /** Writes one chunk, expanded if need be. */
  async #takeChunk({ message, body }: Download, chunk: number, sink: PayloadSink): Promise<void> {
    let bytes = 0;
    let wireBytes = 0;
    const write = (piece: Buffer): Promise<void> => {
      bytes += piece.length;
      this.#checkSize(bytes, wireBytes);
      return sink.write(piece);
    };
    const expander: Expander =
      message.contentEncoding === 'gzip' ? gunzipped(write, (error) => body.cancel(error)) : asItIs(write);
    const taken = Promise.withResolvers<void>();
    // Only the chunk that was asked for ahead waits for it.
    taken.promise.catch(() => undefined);
    try {
      for await (const pieces of body) {
        for (const piece of pieces) wireBytes += piece.length;
        await expander.take(pieces);
      }
      this.#fetchAhead(chunk + 1, taken.promise);
      await expander.end();
      this.#bytes += bytes;
      sink.chunksDone?.(chunk);
      this.#options.onProgress?.({ chunk, totalChunks: message.totalChunks, bytes: this.#bytes });
      // Only now: the next chunk goes into the same sink.
      taken.resolve();
    } catch (error) {
      // The connection is needed to fetch this chunk again.
      this.#dropAhead(chunk);
      taken.reject(error);
      throw error instanceof BrokenGzip ? broken(this.#messageId, error.message, error.cause) : error;
    } finally {
      // The sink may go back or be discarded only when nobody writes to it.
      await expander.close();
    }
  }

  #fetchAhead(chunk: number, before: Promise<void>): void {
    if (chunk > (this.#message?.totalChunks ?? 1)) return;
    const abort = new AbortController();
    const { signal } = this.#options;
    const done = this.#fetch(chunk, before, signal ? AbortSignal.any([signal, abort.signal]) : abort.signal);
    // Whoever waits for it is told; if nobody does, it was dropped.
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

  /** Throws TooLargeError for what is too much of a message, or out of proportion in one chunk. */
  #checkSize(bytes: number, wireBytes: number): void {
    const { maxExpandedBytes } = this.#rules;
    if (this.#bytes + bytes > maxExpandedBytes) throw tooLarge(this.#messageId, `more than ${maxExpandedBytes} bytes`);
    if (bytes > maxExpandedBytes * FREE_SHARE && bytes > wireBytes * MAX_RATIO) {
      throw tooLarge(this.#messageId, `more than ${MAX_RATIO} times its size on the way`);
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
      `its ${checksum.algorithm.toUpperCase()} is not the one that the sender gave`,
      'It is still in the inbox. Ask the sender what its checksum is of; checkChecksum: false takes messages without it.',
    );
  }
}

async function readSome(body: AsyncIterable<Buffer[]>, atMost: number): Promise<void> {
  let bytes = 0;
  for await (const pieces of body) {
    for (const piece of pieces) bytes += piece.length;
    if (bytes > atMost) return;
  }
}
