/**
 * Turns a chunk's bytes into the payload's: unchanged, or decompressed from gzip (RFC 1952, any number of members).
 * zlib works in its own threads, with some of the input queued; the output goes to `write` in order.
 */
import { createGunzip } from 'node:zlib';

/** Takes a chunk's bytes as they arrive. */
export interface Expander {
  /**
   * Resolves when it can take more.
   * @throws BrokenGzipError when the bytes are wrong; what `write` throws
   */
  take(pieces: Buffer[]): Promise<void>;
  /**
   * Ends the input. Resolves when everything was written.
   * @throws BrokenGzipError when the bytes are wrong or incomplete; what `write` throws
   */
  end(): Promise<void>;
  /** Aborts, and resolves when nothing is written any more. Repeatable, and harmless after `end`. */
  close(): Promise<void>;
}

/** The gzip is broken; `cause` is zlib's error, if there is one. */
export class BrokenGzipError extends Error {}

/** Compressed bytes queued for zlib at most; beyond that, `take` waits. */
const AHEAD_BYTES = 1024 * 1024;
/** Input of one job of zlib's thread, if as much has arrived (bytes). */
const JOB_BYTES = 128 * 1024;
/** Output of one job, which is hashed on the main thread in one go (bytes). */
const PIECE_BYTES = 256 * 1024;

/** Returns an expander that passes the bytes on unchanged. */
export function identityExpander(write: (piece: Buffer) => Promise<void>): Expander {
  return {
    async take(pieces) {
      for (const piece of pieces) await write(piece);
    },
    end: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/**
 * Returns an expander for gzip. `failed` is called as soon as something is wrong: the next bytes, and `take`, may never
 * come.
 */
export function gzipExpander(write: (piece: Buffer) => Promise<void>, failed: (error: Error) => void): Expander {
  return new GzipExpander(write, failed);
}

class GzipExpander implements Expander {
  readonly #gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  readonly #write: (piece: Buffer) => Promise<void>;
  readonly #failed: (error: Error) => void;
  /** Bytes passed to zlib. */
  #compressed = 0;
  /** Bytes passed to zlib that it has not processed yet. */
  #ahead = 0;
  #failure: Error | undefined;
  #ended = false;
  #writing: Promise<void> | undefined;
  #wake: (() => void) | undefined;

  constructor(write: (piece: Buffer) => Promise<void>, failed: (error: Error) => void) {
    this.#write = write;
    this.#failed = failed;
    this.#gunzip
      .on('data', (piece: Buffer) => this.#expanded(piece))
      .once('end', () => {
        this.#ended = true;
        this.#wakeNow();
      })
      .once('error', (cause) => this.#fail(new BrokenGzipError('its gzip is broken', { cause })));
  }

  async take(pieces: Buffer[]): Promise<void> {
    for (const job of jobs(pieces)) {
      if (this.#failure) throw this.#failure;
      this.#compressed += job.length;
      this.#ahead += job.length;
      this.#gunzip.write(job, () => this.#done(job.length));
      while (this.#ahead >= AHEAD_BYTES && !this.#failure) await this.#change();
    }
    if (this.#failure) throw this.#failure;
  }

  async end(): Promise<void> {
    if (!this.#failure) this.#gunzip.end();
    while (!this.#ended && !this.#failure) await this.#change();
    await this.#writing;
    this.#checkRead();
    if (this.#failure) throw this.#failure;
  }

  async close(): Promise<void> {
    this.#failure ??= new Error('closed');
    this.#gunzip.destroy();
    await this.#writing;
  }

  #expanded(piece: Buffer): void {
    this.#gunzip.pause();
    this.#writing = this.#writePiece(piece);
  }

  async #writePiece(piece: Buffer): Promise<void> {
    try {
      // Yields once, so that zlib works on the next piece while this one is hashed.
      await Promise.resolve();
      await this.#write(piece);
      this.#gunzip.resume();
    } catch (error) {
      this.#fail(error);
    }
  }

  #done(bytes: number): void {
    this.#ahead -= bytes;
    this.#checkRead();
    if (this.#ahead < AHEAD_BYTES) this.#wakeNow();
  }

  /** zlib stops silently at zeros after the last member; it has then read less than it was passed. */
  #checkRead(): void {
    if (this.#gunzip.bytesWritten >= this.#compressed - this.#ahead) return;
    this.#fail(new BrokenGzipError('there are bytes after the end of its gzip'));
  }

  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = error as Error;
    this.#gunzip.destroy();
    this.#wakeNow();
    this.#failed(this.#failure);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #wakeNow(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** Joins pieces into jobs. A piece from the wire has at most 16 KiB: only several are worth a thread's round trip. */
function* jobs(pieces: Buffer[]): Generator<Buffer> {
  let some: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    some.push(piece);
    bytes += piece.length;
    if (bytes >= JOB_BYTES) {
      yield Buffer.concat(some, bytes);
      some = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield some.length === 1 && some[0] ? some[0] : Buffer.concat(some, bytes);
}
