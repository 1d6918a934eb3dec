/**
 * Keeps compressed bodies that are too large for memory until they are sent: files in the spool, or in a temporary
 * folder where there is no store. They can be made again from the payload, so no row names them, and the next start
 * deletes them as orphans.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, rm } from '../files';
import { BlockDigests, checkedByList } from './block-digests';
import { fileSourceAt, statFile } from './source';
import { Spool } from './spool';

/** A body that is ready to be sent, as often as it takes. */
export interface ReadyBody {
  /** Exact size (bytes). */
  readonly bytes: number;
  /** All bytes, if the body is small. */
  readonly whole?: Buffer;
  /** Yields the bytes. A piece's memory may be reused as soon as the next one is requested. */
  open(): AsyncIterable<Buffer>;
}

/** Files by name; the names of one message begin with its id. */
export class Scratch {
  readonly #spool: () => Promise<Spool>;
  readonly #bodies = new Map<string, ReadyBody>();

  constructor(spool: Spool | (() => Promise<Spool>)) {
    this.#spool = typeof spool === 'function' ? spool : () => Promise.resolve(spool);
  }

  /** Returns what this process has written under the name. */
  find(name: string): ReadyBody | undefined {
    return this.#bodies.get(name);
  }

  /**
   * Writes a file. A failure leaves nothing behind.
   * @throws StorageError; what `pieces` throws
   */
  async write(name: string, pieces: AsyncIterable<Buffer>): Promise<ReadyBody> {
    const spool = await this.#spool();
    await spool.remove([name]);
    const digests = new BlockDigests();
    const bytes = await spool.write(name, digests.over(pieces));
    const path = spool.path(name);
    const source = checkedByList(fileSourceAt(path, await statFile(path)), bytes, digests.list);
    const body = { bytes, open: () => source.open(0, bytes, 'reuse') };
    this.#bodies.set(name, body);
    return body;
  }

  /** Deletes all files whose names begin with the prefix. Never throws. */
  async remove(prefix: string): Promise<void> {
    const names = [...this.#bodies.keys()].filter((name) => name.startsWith(prefix));
    if (names.length === 0) return;
    for (const name of names) this.#bodies.delete(name);
    await (await this.#spool()).remove(names);
  }
}

/**
 * Runs `work` with a scratch in the system's temporary folder. Creates its folder (0700) only if needed, and deletes
 * it.
 */
export async function withTemporaryScratch<T>(work: (scratch: Scratch) => Promise<T>): Promise<T> {
  let folder: string | undefined;
  const scratch = new Scratch(async () => {
    folder ??= await mkdtemp(join(tmpdir(), 'mesh-send-'));
    return Spool.open(folder);
  });
  try {
    return await work(scratch);
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}
