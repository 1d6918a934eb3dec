/** The large payloads of one end of a copy: in a folder, in the database, or, where the setting was changed, some in each. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../../errors';
import type { PayloadSlices } from '../store';

/** Payloads by their names. */
export interface PayloadPlace {
  /** What is in the folder comes first. Throws where it is in neither place. */
  read(name: string): AsyncIterable<Buffer>;
  /** As a whole or not at all, in the folder if there is one. */
  write(name: string, pieces: AsyncIterable<Buffer>): Promise<void>;
}

export function payloadPlace(folder: string | undefined, slices: PayloadSlices | undefined): PayloadPlace {
  return {
    async *read(name) {
      const path = folder === undefined ? undefined : join(folder, name);
      const isFile = path !== undefined && (await stat(path).then(Boolean, () => false));
      if (isFile) yield* createReadStream(path) as AsyncIterable<Buffer>;
      else if (await slices?.has(name)) yield* slices?.read(name, 0, Infinity) ?? [];
      else throw new Error('It is not there.');
    },
    async write(name, pieces) {
      if (folder === undefined) {
        // What a run before has left may not be whole.
        await slices?.remove([name]);
        await slices?.write(name, pieces);
        return;
      }
      const path = join(folder, name);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await rm(`${path}.copying`, { force: true });
      await writeFile(`${path}.copying`, pieces, { mode: 0o600, flush: true });
      await rename(`${path}.copying`, path);
    },
  };
}

/** What is there already, from a run before, is kept if it is the same. Throws StorageError. */
export async function copyPayload(name: string, from: PayloadPlace, to: PayloadPlace): Promise<void> {
  try {
    const wanted = await digest(from.read(name));
    if ((await digest(to.read(name)).catch(() => undefined)) === wanted) return;
    await to.write(name, from.read(name));
    if ((await digest(to.read(name))) === wanted) return;
  } catch (cause) {
    throw new StorageError('A large payload cannot be copied.', {
      cause,
      advice: 'Check that the folder or the database which has the large payloads is named, and has room.',
    });
  }
  throw new StorageError('A large payload is not the same where it was copied to.');
}

async function digest(pieces: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
