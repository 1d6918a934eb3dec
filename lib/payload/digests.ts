/** What is computed over a payload on its way: always SHA-256, and what its sender's checksum needs. */
import { createHash, type Hash } from 'node:crypto';

/** Digests over the same bytes. */
export class Digests {
  readonly #hashes: Map<string, Hash>;

  /** `also`: one more algorithm, as node:crypto names it. */
  constructor(also?: string, hashes?: Map<string, Hash>) {
    this.#hashes =
      hashes ?? new Map([...new Set(['sha256', also ?? 'sha256'])].map((name) => [name, createHash(name)]));
  }

  update(piece: Buffer): void {
    for (const hash of this.#hashes.values()) hash.update(piece);
  }

  /** The same place, to go back to. */
  copy(): Digests {
    return new Digests(undefined, new Map([...this.#hashes].map(([name, hash]) => [name, hash.copy()])));
  }

  /** Hexadecimal, of what has come so far. Repeatable. Throws for an algorithm that was not asked for. */
  hex(algorithm = 'sha256'): string {
    const hash = this.#hashes.get(algorithm);
    if (!hash) throw new Error(`No digest of ${algorithm}`);
    return hash.copy().digest('hex');
  }
}
