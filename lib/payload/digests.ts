/** The digests computed while a payload passes through: always SHA-256, and the one of the sender's checksum. */
import { createHash, type Hash } from 'node:crypto';

/** Several digests over the same bytes. */
export class Digests {
  readonly #hashes: Map<string, Hash>;

  /** `also`: one more algorithm, by its name in node:crypto. */
  constructor(also?: string, hashes?: Map<string, Hash>) {
    this.#hashes =
      hashes ?? new Map([...new Set(['sha256', also ?? 'sha256'])].map((name) => [name, createHash(name)]));
  }

  update(piece: Buffer): void {
    for (const hash of this.#hashes.values()) hash.update(piece);
  }

  /** Returns a copy of the present state. */
  copy(): Digests {
    return new Digests(undefined, new Map([...this.#hashes].map(([name, hash]) => [name, hash.copy()])));
  }

  /**
   * Returns the digest of the bytes so far, in hexadecimal. Repeatable.
   * @throws Error when the digest of another algorithm is requested
   */
  hex(algorithm = 'sha256'): string {
    const hash = this.#hashes.get(algorithm);
    if (!hash) throw new Error(`No digest of ${algorithm}`);
    return hash.copy().digest('hex');
  }
}
