/** What a bench server notes about what was sent to it: in a verified round its checksum, else only how much it was. */
import { createHash, type Hash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

/** Counts uploads; adds up their checksum if asked to. Chunks of one message have to come in order, as they do. */
export class Uploads {
  messages = 0;
  /** On the wire, as they were encoded. */
  bytes = 0;
  #hash: Hash | undefined;
  #ofMessage: string[] = [];

  /** Begins anew. */
  reset(verify: boolean): void {
    this.messages = 0;
    this.bytes = 0;
    this.#hash = verify ? createHash('sha256') : undefined;
    this.#ofMessage = [];
  }

  /** Whether bodies have to be kept to their end. */
  get isVerifying(): boolean {
    return this.#hash !== undefined;
  }

  /** A request has ended. `body` only while verifying. */
  add(bytes: number, isLast: boolean, body: Buffer | undefined, isGzip: boolean): void {
    this.bytes += bytes;
    if (body && this.#hash) this.#hash.update(isGzip ? gunzipSync(body) : body);
    if (!isLast) return;
    this.messages += 1;
    if (!this.#hash) return;
    this.#ofMessage.push(this.#hash.digest('hex'));
    this.#hash = createHash('sha256');
  }

  /** SHA-256 of each message's expanded payload, while verifying. */
  get sha256(): string[] {
    return this.#ofMessage;
  }
}
