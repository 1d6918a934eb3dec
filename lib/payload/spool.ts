/**
 * The folder where payloads wait that are too large for a row: one file each, named by us, readable by its owner only,
 * on the disk before the row that refers to it is committed.
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError, TooLargeError } from '../errors';
import type { PayloadSlices } from '../store/store';
import { withoutPath } from './file-error';
import { partialNames } from './partial-files';
import { slicedSource } from './sliced-source';
import { fileSourceAt, statFile, type PayloadSource } from './source';

/** How an instance shows that it uses the folder. */
const PROBE = 'probe-';

/** How an instance uses its folder. */
export interface SpoolOptions {
  /** Other processes write into it too. */
  isShared?: boolean;
  /** Where payloads may be instead of in the folder. */
  slices?: PayloadSlices | undefined;
  /** New payloads go into the slices, and the folder has only what is being downloaded. */
  inDatabase?: boolean;
  /** The largest payload that is taken (bytes). */
  limitBytes?: number;
}

/** A spool folder. */
export class Spool {
  /** Names that somebody in this process writes to. */
  readonly inUse = new Set<string>();
  /** Other processes write into the folder too. */
  readonly isShared: boolean;
  /** Payloads are kept in the database. */
  readonly inDatabase: boolean;
  readonly #limitBytes: number;
  readonly #slices: PayloadSlices | undefined;
  readonly #folder: string;

  private constructor(folder: string, options: SpoolOptions) {
    this.#folder = folder;
    this.isShared = options.isShared ?? false;
    this.#slices = options.slices;
    this.inDatabase = options.inDatabase ?? false;
    this.#limitBytes = options.limitBytes ?? Infinity;
  }

  /** Opens the folder, and makes it (0700) if it is not there. Throws StorageError. */
  static async open(folder: string, options: SpoolOptions = {}): Promise<Spool> {
    await storing(() => mkdir(folder, { recursive: true, mode: 0o700 }));
    return new Spool(folder, options);
  }

  /** Absolute path of a spooled file. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Throws TooLargeError for a payload that is larger than this spool takes: so many bytes of it are there, or announced. */
  checkSize(bytes: number, messageId?: string): void {
    if (bytes <= this.#limitBytes) return;
    const limit = Math.round(this.#limitBytes / 1024 ** 2);
    throw new TooLargeError(`The payload is larger than ${limit} MiB, too large to be kept in the database.`, {
      ...(messageId === undefined ? {} : { messageId }),
      advice:
        'Raise largePayloadLimitMiB in settings.js if the database has the room, or keep large payloads in a folder that all ' +
        'instances share (spoolFolder).',
    });
  }

  /** Writes a payload and gives its bytes, once they are safe. What fails leaves nothing behind. Throws StorageError. */
  async write(name: string, pieces: AsyncIterable<Buffer>): Promise<number> {
    if (this.inDatabase && this.#slices) return await this.#slices.write(name, pieces);
    return await this.#writeFile(name, pieces);
  }

  /** A file that was written here as a whole is kept where payloads are. Throws StorageError; the file is gone then. */
  async keep(name: string): Promise<void> {
    if (!this.inDatabase) return;
    const path = this.path(name);
    try {
      const stamp = await statFile(path);
      await this.write(name, fileSourceAt(path, stamp).open(0, stamp.size, 'reuse'));
    } finally {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  /** A kept payload; `size` is the one of its row. Throws PayloadError where it is in neither place. */
  async source(name: string, size: number): Promise<PayloadSource> {
    const path = this.path(name);
    try {
      return fileSourceAt(path, { ...(await statFile(path)), size });
    } catch (error) {
      // The setting may have been another one when it was kept.
      if (this.#slices && (await this.#slices.has(name))) return slicedSource(this.#slices, name, size);
      throw error;
    }
  }

  async #writeFile(name: string, pieces: AsyncIterable<Buffer>): Promise<number> {
    const path = this.path(name);
    // Outside: a file that is there already is somebody's, and stays.
    const handle = await storing(() => open(path, 'wx', 0o600));
    try {
      let bytes = 0;
      try {
        for await (const piece of pieces) {
          await storing(() => handle.writeFile(piece));
          bytes += piece.length;
        }
        await storing(() => handle.sync());
      } finally {
        await handle.close();
      }
      await this.sync();
      return bytes;
    } catch (error) {
      await rm(path, { force: true }).catch(() => undefined);
      throw error;
    }
  }

  /** Makes new names in the folder durable. Windows cannot open a folder, and needs no such thing. */
  async sync(): Promise<void> {
    if (process.platform === 'win32') return;
    const handle = await storing(() => open(this.#folder, constants.O_RDONLY));
    try {
      await storing(() => handle.sync());
    } finally {
      await handle.close();
    }
  }

  /** Deletes what no row refers to any more. One that is gone already is fine. */
  async remove(names: Iterable<string>): Promise<void> {
    const all = [...names];
    for (const name of all) await rm(this.path(name), { force: true }).catch(() => undefined);
    // Were it to fail, the store's own purge removes them.
    const payloads = all.filter((name) => !/^(part|probe)-/.test(name));
    if (this.#slices && payloads.length > 0) await this.#slices.remove(payloads).catch(() => undefined);
  }

  /**
   * Deletes what a kill left between spooling and committing, but for downloads that can be resumed; in a folder that others
   * write to as well only what is older than `ageMs` (milliseconds). Gives how many.
   */
  async removeOrphans(known: ReadonlySet<string>, ageMs = 0): Promise<number> {
    const resumable = await partialNames(this.#folder);
    const orphans: string[] = [];
    for (const name of await readdir(this.#folder)) {
      if (known.has(name) || resumable.has(name)) continue;
      if (ageMs === 0 || (await this.#age(name)) > ageMs) orphans.push(name);
    }
    await this.remove(orphans);
    return orphans.length;
  }

  /**
   * Shows that this instance writes into the folder, and looks whether the others do: those of which nothing is here write
   * somewhere else.
   */
  async missingFrom(own: string, others: readonly string[]): Promise<string[]> {
    await storing(() => writeFile(this.path(`${PROBE}${own}`), '', { mode: 0o600 }));
    await this.sync();
    const names = new Set(await storing(() => readdir(this.#folder)));
    return others.filter((other) => !names.has(`${PROBE}${other}`));
  }

  /** Takes the sign of this instance away. */
  async removeProbe(own: string): Promise<void> {
    await this.remove([`${PROBE}${own}`]);
  }

  /** Milliseconds since it was written last; 0 if it is not there any more. */
  async #age(name: string): Promise<number> {
    const found = await stat(this.path(name)).catch(() => undefined);
    return found === undefined ? 0 : Date.now() - found.mtimeMs;
  }

  /** Bytes that an ordinary user may still write on this disk. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await storing(() => statfs(this.#folder));
    return bavail * bsize;
  }
}

async function storing<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const cause = withoutPath(error);
    const isFull = cause.code === 'ENOSPC' || cause.code === 'EDQUOT';
    throw new StorageError(`The spool folder could not be written (${cause.code}). The message was not taken.`, {
      cause,
      advice: isFull ? 'The disk is full: make room.' : 'Check the folder’s permissions and the disk.',
    });
  }
}
