/**
 * Digests by which a payload is checked as its bytes go out, from any byte on, without reading all of it before: one
 * SHA-256 for each block, and the digest of the payload, which is in its row: the SHA-256 of the list of those, or the
 * block's own if there is only one. The list is at the end of the stored payload (docs/design.md, rule 8).
 */
import { createHash, hash } from 'node:crypto';
import { PayloadError } from '../errors';
import type { PayloadSource } from './source';

/** As large as the pieces that a file is read in, so that each piece is a block. */
export const BLOCK_BYTES = 512 * 1024;
const DIGEST_BYTES = 32;

/** Returns the bytes of the list at the end of a payload of `size` bytes: none if it has one block. */
export function listBytes(size: number): number {
  return size <= BLOCK_BYTES ? 0 : Math.ceil(size / BLOCK_BYTES) * DIGEST_BYTES;
}

/** Returns the digest of a payload from the list of its blocks' digests. */
function digestOfList(list: Buffer): string {
  return list.length === DIGEST_BYTES ? list.toString('hex') : hash('sha256', list, 'hex');
}

/** Returns the digest of a payload of one block. */
export function digestOfBlock(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** @throws PayloadError when a payload of one block has another digest */
export function checkBlock(bytes: Uint8Array, digest: string): void {
  if (digestOfBlock(bytes) !== digest) throw changed();
}

/** Computes the digests of a payload while its bytes pass through. */
export class BlockDigests {
  readonly #digests: Buffer[] = [];
  #hash = createHash('sha256');
  #filled = 0;

  /** Yields the pieces as they are. */
  async *over(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      this.#update(piece);
      yield piece;
    }
  }

  /** Yields the pieces, and after them the list, if there is one. */
  async *withList(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    yield* this.over(pieces);
    const { list } = this;
    if (list.length > DIGEST_BYTES) yield list;
  }

  /** The blocks' digests, one after the other. */
  get list(): Buffer {
    return Buffer.concat(this.#filled > 0 ? [...this.#digests, this.#hash.copy().digest()] : this.#digests);
  }

  /** The digest of the payload: hexadecimal. */
  get digest(): string {
    return digestOfList(this.list);
  }

  #update(piece: Buffer): void {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + BLOCK_BYTES - this.#filled);
      this.#hash.update(part);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < BLOCK_BYTES) continue;
      this.#digests.push(this.#hash.digest());
      this.#hash = createHash('sha256');
      this.#filled = 0;
    }
  }
}

/**
 * Returns the source of a stored payload, with the list at its end, that yields only bytes which the digest in its row
 * covers.
 * @param stored reads the payload of `size` bytes and what is stored after it
 */
export function checkedByDigest(stored: PayloadSource, size: number, digest: string): PayloadSource {
  let list: Promise<Buffer> | undefined;
  const read = async (): Promise<Buffer> => {
    const at = Buffer.concat(await copiesOf(stored.open(size, size + listBytes(size))));
    if (digestOfList(at) !== digest) throw changed();
    return at;
  };
  // A payload of one block has no list: the digest is the block's own.
  const get = (): Promise<Buffer> => (size <= BLOCK_BYTES ? Promise.resolve(Buffer.from(digest, 'hex')) : read());
  return checkedByList(stored, size, () => (list ??= get()));
}

/**
 * Returns a source that yields only bytes which the blocks' digests cover.
 * @param list the digests, one after the other
 */
export function checkedByList(
  stored: PayloadSource,
  size: number,
  list: Buffer | (() => Promise<Buffer>),
): PayloadSource {
  const { contentType, fileName } = stored;
  return {
    size,
    contentType,
    ...(fileName === undefined ? {} : { fileName }),
    async *open(start, end, memory) {
      const digests = typeof list === 'function' ? await list() : list;
      const first = Math.floor(start / BLOCK_BYTES) * BLOCK_BYTES;
      const last = Math.min(Math.ceil(end / BLOCK_BYTES) * BLOCK_BYTES, size);
      let at = first;
      for await (const block of blocksOf(
        stored.open(first, last, memory === 'reuse' ? memory : undefined),
        first,
        size,
      )) {
        const index = at / BLOCK_BYTES;
        const expected = digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
        if (!createHash('sha256').update(block).digest().equals(expected)) throw changed();
        yield block.subarray(Math.max(0, start - at), end - at);
        at += block.length;
      }
      if (at < last) throw changed();
    },
  };
}

/** Cuts pieces into blocks, without copying where a piece has the whole block. `at`: where the first block begins. */
async function* blocksOf(pieces: AsyncIterable<Buffer>, at: number, size: number): AsyncGenerator<Buffer> {
  let begun: Buffer[] = [];
  let filled = 0;
  let start = at;
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length;) {
      const bytes = Math.min(BLOCK_BYTES, size - start);
      const part = piece.subarray(from, from + bytes - filled);
      from += part.length;
      filled += part.length;
      if (filled < bytes) {
        // A copy: the memory of a piece may be used again.
        begun.push(Buffer.from(part));
        continue;
      }
      yield begun.length === 0 ? part : Buffer.concat([...begun, part]);
      begun = [];
      filled = 0;
      start += bytes;
    }
  }
}

async function copiesOf(pieces: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const copies: Buffer[] = [];
  for await (const piece of pieces) copies.push(Buffer.from(piece));
  return copies;
}

/**
 * Yields the pieces of a whole payload, the last one only if all of them have this SHA-256.
 * @throws PayloadError instead of the last piece
 */
export async function* checkedWhole(pieces: AsyncIterable<Buffer>, sha256: string): AsyncGenerator<Buffer> {
  const whole = createHash('sha256');
  let held: Buffer | undefined;
  for await (const piece of pieces) {
    if (held) yield held;
    whole.update(piece);
    held = piece;
  }
  if (whole.digest('hex') !== sha256) throw changed();
  if (held) yield held;
}

function changed(): PayloadError {
  return new PayloadError('The stored payload is not as it was stored: its SHA-256 is another one.', {
    advice:
      'Somebody changed the file, or the disk returns wrong bytes: check both. Then send the message again from where ' +
      'it came from, or put the file back from a backup and resend it.',
  });
}
