/** Payloads on their way into the store and out of it again. */
import { resolve } from 'node:path';
import type { StoredPayload } from '../store/store';
import type { Payload } from '../types';
import { bytesSource, fileSourceAt, openPayload, statFile, type PayloadSource } from './source';
import type { Spool } from './spool';

/** Larger ones are spooled (bytes): DESIGN.md, rule 5. */
export const INLINE_BYTES = 64 * 1024;

/** A payload whose place is decided. */
export interface Placed {
  source: PayloadSource;
  /** How many bytes of it the store and the spool will hold. */
  ownBytes: number;
  /** Makes it durable. What fails leaves nothing behind. Throws PayloadError, StorageError. */
  keep(): Promise<StoredPayload>;
}

/**
 * Where a payload will be: small ones in their row, large ones in the spool under `name`; a file of the user's is
 * referenced, or copied if `copyFile`, and into a database always. Nothing is written yet. Throws InvalidMessageError,
 * PayloadError, TooLargeError for what the spool does not take.
 */
export async function placePayload(
  payload: Payload | { source: PayloadSource },
  spool: Spool,
  name: string,
  copyFile: boolean,
): Promise<Placed> {
  const source = await openPayload(payload);
  if (source.size <= INLINE_BYTES) {
    return {
      source,
      ownBytes: source.size,
      keep: async () => ({ kind: 'inline', bytes: await readAll(source) }),
    };
  }
  // Another instance may be the one that sends it: without a folder in common it has no file of this one.
  if (typeof payload === 'object' && 'file' in payload && !copyFile && !spool.inDatabase) {
    // Of the same moment as the size of the row. An absolute path: the next start may have another working directory.
    const path = resolve(payload.file);
    const stamp = await statFile(path);
    return { source: fileSourceAt(path, stamp), ownBytes: 0, keep: async () => ({ kind: 'file', path, ...stamp }) };
  }
  spool.checkSize(source.size);
  return {
    source,
    ownBytes: source.size,
    async keep() {
      await spool.write(name, source.open(0, source.size));
      return { kind: 'spool', name };
    },
  };
}

/** All bytes of a small payload. */
export async function readAll(source: PayloadSource): Promise<Buffer> {
  // Copied: they may be a caller's, who goes on to use them.
  if (source.bytes) return Buffer.from(source.bytes);
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, source.size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A kept payload, to be read again. `size` is the one of its row. Reading throws PayloadError if it is not there any more. */
export async function openStored(stored: StoredPayload, size: number, spool: Spool): Promise<PayloadSource> {
  if (stored.kind === 'inline') return bytesSource(stored.bytes);
  if (stored.kind === 'file') return fileSourceAt(stored.path, stored);
  return await spool.source(stored.name, size);
}
