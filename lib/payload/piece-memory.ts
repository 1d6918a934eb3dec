/** Memory that is used again: fresh memory for each piece costs the kernel's zeroing, and the garbage collector. */

/**
 * Memory that circulates between what fills pieces and what is done with them last, so that any number of pieces leaves
 * no garbage. A piece that is never released is only garbage.
 */
export class PieceMemory {
  /** Size of each piece but the last (bytes). */
  readonly pieceBytes: number;
  readonly #maxFree: number;
  readonly #taken = new WeakSet<ArrayBufferLike>();
  readonly #free: Buffer[] = [];

  /** `maxFree`: the number of pieces that are kept while nobody uses them. Default: all. */
  constructor(pieceBytes: number, maxFree = Infinity) {
    this.pieceBytes = pieceBytes;
    this.#maxFree = maxFree;
  }

  /** Returns a buffer of this size (bytes), provided that every call requests the same size. */
  take(bytes = this.pieceBytes): Buffer {
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(bytes);
    this.#taken.add(buffer.buffer);
    return buffer;
  }

  /** Takes a piece back, or a part of it, that nobody needs any longer. Ignores memory that is not from here. */
  release({ buffer }: Buffer): void {
    if (this.#taken.delete(buffer) && this.#free.length < this.#maxFree) this.#free.push(Buffer.from(buffer));
  }
}

/** Spare pieces of {@link receivedMemory}: 6 MiB, as much as is on its way at most when one message is received. */
const MAX_FREE = 24;

/**
 * The memory of received bytes, for all mailboxes, from the socket (lib/client/incoming-body.ts) to the file
 * (file-sink.ts). docs/decisions/the-wire.md has what it saves.
 */
export const receivedMemory = new PieceMemory(256 * 1024, MAX_FREE);
