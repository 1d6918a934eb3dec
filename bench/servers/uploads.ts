/** What the bench server records about sent messages: their size and, in a verified round, their checksum. */
import { createHash, type Hash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

/** Counts uploads and optionally computes their checksums. The chunks of a message must arrive in order, as they do. */
export class Uploads {
  messages = 0;
  /** Bytes on the wire, as encoded. */
  bytes = 0;
  #hash: Hash | undefined;
  #checksums: string[] = [];

  /** Resets the counters. */
  reset(verify: boolean): void {
    this.messages = 0;
    this.bytes = 0;
    this.#hash = verify ? createHash('sha256') : undefined;
    this.#checksums = [];
  }

  /** Whether bodies must be kept until they are complete. */
  get isVerifying(): boolean {
    return this.#hash !== undefined;
  }

  /** Records a completed request. `body` is passed only while verifying. */
  add(bytes: number, isLast: boolean, body: Buffer | undefined, isGzip: boolean): void {
    this.bytes += bytes;
    if (body && this.#hash) this.#hash.update(isGzip ? gunzipSync(body) : body);
    if (!isLast) return;
    this.messages += 1;
    if (!this.#hash) return;
    this.#checksums.push(this.#hash.digest('hex'));
    this.#hash = createHash('sha256');
  }

  /** SHA-256 of each message's decompressed payload; empty unless verifying. */
  get sha256(): string[] {
    return this.#checksums;
  }
}
