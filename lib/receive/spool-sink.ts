/** Where a payload goes while it is downloaded into the store: into memory as long as it is small, then into the spool. */
import { createHash, randomUUID } from 'node:crypto';
import { fileSink, type PayloadSink } from '../payload/sink';
import type { Spool } from '../payload/spool';
import { INLINE_BYTES } from '../payload/stored-payload';
import type { StoredPayload } from '../store/store';

/** A payload that is safe now: whatever is in the spool is on the disk. */
export interface SpooledPayload {
  stored: StoredPayload;
  /** Bytes. */
  size: number;
  /** Hexadecimal. */
  sha256: string;
}

/**
 * A sink for one message. `spooled` finishes it and says what the row is to hold. Writing throws StorageError; what is
 * discarded leaves nothing behind, and what a kill leaves is no row's and goes at the next start.
 */
export class SpoolSink implements PayloadSink {
  readonly #spool: Spool;
  /** A name of its own for each download: a second one of the same message never writes into the first one's file. */
  readonly #name = `in-${randomUUID()}`;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #mark = 0;
  #file: PayloadSink | undefined;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  beginChunk(): void {
    this.#mark = this.#bytes;
    this.#file?.beginChunk();
  }

  async restartChunk(): Promise<void> {
    if (this.#file) await this.#file.restartChunk();
    else this.#pieces = [Buffer.concat(this.#pieces).subarray(0, this.#mark)];
    this.#bytes = this.#mark;
  }

  async write(piece: Buffer): Promise<void> {
    this.#bytes += piece.length;
    if (this.#bytes > INLINE_BYTES && !this.#file) await this.#toFile();
    if (this.#file) await this.#file.write(piece);
    else this.#pieces.push(piece);
  }

  async finish(): Promise<{ bytes: number; sha256: string; payload?: Buffer; file?: string }> {
    if (this.#file) return this.#file.finish();
    const payload = Buffer.concat(this.#pieces);
    return { payload, bytes: payload.length, sha256: createHash('sha256').update(payload).digest('hex') };
  }

  /** Finishes: in the row what is small, else in the spool, fsynced with its folder. */
  async spooled(): Promise<SpooledPayload> {
    try {
      const { payload, bytes, sha256 } = await this.finish();
      const stored: StoredPayload = payload ? { kind: 'inline', bytes: payload } : { kind: 'spool', name: this.#name };
      return { stored, size: bytes, sha256 };
    } finally {
      await this.discard();
    }
  }

  async discard(): Promise<void> {
    this.#pieces = [];
    await this.#file?.discard();
  }

  /** What is in memory goes first, with the same place to go back to. */
  async #toFile(): Promise<void> {
    const file = await fileSink(this.#spool.path(this.#name), false);
    // Known before it is written to, so that it is discarded if that fails.
    this.#file = file;
    const before = Buffer.concat(this.#pieces);
    this.#pieces = [];
    await file.write(before.subarray(0, this.#mark));
    file.beginChunk();
    await file.write(before.subarray(this.#mark));
  }
}
