/**
 * The two ways in which a chunk's bytes become the payload's: as they are, or out of gzip (RFC 1952, any number of members).
 * zlib works in its own threads, with some of the input ahead of it; the output goes to `write` in order.
 */
import { createGunzip } from 'node:zlib';

/** Takes a chunk's bytes as they came. */
export interface Expander {
  /** Resolves when it can take more. Throws what is wrong with the bytes, or with `write`. */
  take(pieces: Buffer[]): Promise<void>;
  /** That was all. Resolves when everything was written. Throws as `take`, and for what is missing. */
  end(): Promise<void>;
  /** Ends in between, and resolves when nothing is written any more. Repeatable, harmless after `end`. */
  close(): Promise<void>;
}

/** Gzip was wrong: its cause says how. */
export class BrokenGzip extends Error {}

/** Compressed bytes that wait for zlib; beyond, whoever gives them has to wait. */
const AHEAD_BYTES = 1024 * 1024;
/** Input of one job of zlib's thread, if there is so much (bytes). */
const JOB_BYTES = 128 * 1024;
/** Its output: what is hashed on the main thread at once (bytes). */
const PIECE_BYTES = 256 * 1024;

/** Bytes as they are. */
export function asItIs(write: (piece: Buffer) => Promise<void>): Expander {
  return {
    async take(pieces) {
      for (const piece of pieces) await write(piece);
    },
    end: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** Expands gzip. `failed` is called at once when something is wrong, and not with the next bytes: they may never come. */
export function gunzipped(write: (piece: Buffer) => Promise<void>, failed: (error: Error) => void): Expander {
  return new Gunzipped(write, failed);
}

class Gunzipped implements Expander {
  readonly #gunzip = createGunzip({ chunkSize: PIECE_BYTES });
  readonly #write: (piece: Buffer) => Promise<void>;
  readonly #failed: (error: Error) => void;
  /** Given to zlib; and those of them that it has not done with. */
  #compressed = 0;
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
      .once('error', (cause) => this.#fail(new BrokenGzip('its gzip is broken', { cause })));
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
      // A moment later: zlib is at its next piece while this one is hashed.
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

  /** zlib stops in silence at zeros after the last member: it has then read less than there was. */
  #checkRead(): void {
    if (this.#gunzip.bytesWritten >= this.#compressed - this.#ahead) return;
    this.#fail(new BrokenGzip('there is something after the end of its gzip'));
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

/** Pieces of the wire are at most 16 KiB: together they are worth a thread's round trip. */
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
