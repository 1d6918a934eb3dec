/**
 * The large payloads of one end of a copy: in a folder, in the database, or some in each if the setting was changed.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createReadStream, mkdir, writeFile } from '../../files';
import { StorageError } from '../../errors';
import { spooledPaths } from '../../payload/quarantine';
import { isSpoolName } from '../../payload/spool-names';
import type { PayloadSlices } from '../store';
import { removeWithRetry, renameWithRetry } from '../../payload/rename-with-retry';
import { syncFolder } from '../../payload/sync-folder';

/** Payloads by their names. */
interface PayloadPlace {
  /**
   * Reads a payload, from the folder if it is there.
   * @throws Error when it is in neither place
   */
  read(name: string): AsyncIterable<Buffer>;
  /** Writes a payload as a whole or not at all, into the folder if there is one. */
  write(name: string, pieces: AsyncIterable<Buffer>): Promise<void>;
}

export function payloadPlace(folder: string | undefined, slices: PayloadSlices | undefined): PayloadPlace {
  return {
    async *read(name) {
      const [path] = folder === undefined ? [] : await spooledPaths(folder, (each) => each === name);
      if (path !== undefined) yield* createReadStream(path) as AsyncIterable<Buffer>;
      else if (await slices?.has(name)) yield* slices?.read(name, 0, Infinity) ?? [];
      else throw new Error('The payload is not there.');
    },
    async write(name, pieces) {
      if (folder === undefined) {
        // What an earlier run has left may be incomplete.
        await slices?.remove([name]);
        await slices?.write(name, pieces);
        return;
      }
      const path = join(folder, name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await removeWithRetry(`${path}.copying`);
      await writeFile(`${path}.copying`, pieces, { mode: 0o600, flush: true });
      await renameWithRetry(`${path}.copying`, path);
      await syncFolder(folder);
    },
  };
}

/**
 * Copies a payload and compares its digest. A copy of an earlier run is kept if it is the same.
 * @throws StorageError when it cannot be copied, or is not the same afterwards
 */
export async function copyPayload(name: string, from: PayloadPlace, to: PayloadPlace): Promise<void> {
  if (!isSpoolName(name)) throw new StorageError('A row names a large payload that is none of ours. It is not copied.');
  try {
    const expected = await digest(from.read(name));
    if ((await digest(to.read(name)).catch(() => undefined)) === expected) return;
    await to.write(name, from.read(name));
    if ((await digest(to.read(name))) === expected) return;
  } catch (cause) {
    throw new StorageError('A large payload cannot be copied.', {
      cause,
      advice: 'Check that the folder or database with the large payloads is named, and has free space.',
    });
  }
  throw new StorageError('A large payload differs from its original after copying.');
}

/** Returns the SHA-256 of the bytes. */
async function digest(pieces: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
