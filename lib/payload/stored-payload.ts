/** Decides where a payload is stored, and opens stored payloads. */
import { resolve } from 'node:path';
import type { StoredPayload } from '../store/store';
import type { Payload } from '../types';
import { BlockDigests, checkBlock, digestOfBlock } from './block-digests';
import { bytesSource, fileSourceAt, openPayload, statFile, type PayloadSource } from './source';
import type { Spool } from './spool';

/** Payloads larger than this are spooled (bytes): docs/design.md, rule 8. */
export const INLINE_BYTES = 64 * 1024;

/** A payload and where it will be stored. */
export interface Placed {
  source: PayloadSource;
  /** How many of its bytes the store and the spool will hold. */
  ownBytes: number;
  /**
   * Makes the payload durable. A failure leaves nothing behind.
   * @throws PayloadError or StorageError
   */
  keep(): Promise<StoredPayload>;
}

/**
 * Decides where a payload is stored: a small one in its row, a large one in the spool under the name that `nameOf`
 * returns. A user's file is referenced, or copied if `copyFile` is set or the spool is in the database. Nothing is
 * written yet.
 * @throws InvalidMessageError; PayloadError; TooLargeError when the spool does not accept it
 */
export async function placePayload(
  payload: Payload | { source: PayloadSource },
  spool: Spool,
  nameOf: () => string,
  copyFile: boolean,
): Promise<Placed> {
  const source = await openPayload(payload);
  if (source.size <= INLINE_BYTES) {
    return {
      source,
      ownBytes: source.size,
      keep: async () => {
        const bytes = await readAll(source);
        return { kind: 'inline', bytes, digest: digestOfBlock(bytes) };
      },
    };
  }
  // With the spool in the database another instance may send it, which cannot read files of this one.
  if (typeof payload === 'object' && 'file' in payload && !copyFile && !spool.inDatabase) {
    // The path is absolute: the next start may have another working directory.
    const path = resolve(payload.file);
    const stamp = source.stamp ?? (await statFile(path));
    return { source: fileSourceAt(path, stamp), ownBytes: 0, keep: async () => ({ kind: 'file', path, ...stamp }) };
  }
  spool.checkSize(source.size);
  return {
    source,
    ownBytes: source.size,
    async keep() {
      const digests = new BlockDigests();
      const name = nameOf();
      await spool.write(name, digests.withList(source.open(0, source.size)));
      return { kind: 'spool', name, digest: digests.digest };
    },
  };
}

/** Returns all bytes of a small payload, in memory of their own, as the store posts them to its thread. */
export async function readAll(source: PayloadSource): Promise<Buffer> {
  // Copied: the bytes may belong to a caller, who may change them.
  if (source.bytes) return ownCopy(source.bytes);
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, source.size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Joins pieces in memory that has nothing else: Buffer's own pool has many small payloads in one piece. */
export function ownCopy(...pieces: readonly Uint8Array[]): Buffer {
  const own = Buffer.allocUnsafeSlow(pieces.reduce((bytes, piece) => bytes + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    own.set(piece, at);
    at += piece.length;
  }
  return own;
}

/**
 * Returns the source of a stored payload; `size` is the one in its row. Reading throws PayloadError if it no longer
 * exists, and for a payload with a digest instead of the first byte that is not as it was stored.
 * @throws PayloadError when the bytes in the row are not as they were stored
 */
export async function openStored(stored: StoredPayload, size: number, spool: Spool): Promise<PayloadSource> {
  if (stored.kind === 'inline') {
    if (stored.digest !== undefined) checkBlock(stored.bytes, stored.digest);
    return bytesSource(stored.bytes);
  }
  if (stored.kind === 'file') return fileSourceAt(stored.path, stored);
  return await spool.source(stored.name, size, stored.digest);
}
