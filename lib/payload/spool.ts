/**
 * The folder for payloads that are too large for a row: one file each, named by us, readable by its owner only, and on
 * the disk before the row that refers to it is committed.
 */
import { join } from 'node:path';
import { mkdir, open, readdir, stat, statfs, writeFile } from '../files';
import { randomBytes, randomUUID } from '../random';
import { MeshError, PayloadError, StorageError, TooLargeError } from '../errors';
import { fileErrorPasses } from '../store/rules/opening';
import type { PayloadSlices } from '../store/store';
import { checkedByDigest, listBytes } from './block-digests';
import { MACHINE_CLOCKS } from './counted-time';
import { withoutPath } from './file-error';
import { partialNames } from './partial-files';
import { Quarantine } from './quarantine';
import { slicedSource } from './sliced-source';
import { fileSourceAt, statFile, type PayloadSource } from './source';
import { markFolder } from './spool-mark';
import { isSpoolName, messageTag } from './spool-names';
import { removeWithRetry } from './rename-with-retry';
import { syncFolder } from './sync-folder';

/** Prefix of the file by which an instance shows that it uses the folder. */
const PROBE = 'probe-';

/** How an instance uses its spool folder. */
export interface SpoolOptions {
  /** True if other processes write into the folder too. Default false. */
  isShared?: boolean;
  /** The database's slices, where payloads may be instead of in the folder. */
  slices?: PayloadSlices | undefined;
  /** True if new payloads go into the slices, and the folder has only the downloads in progress. Default false. */
  inDatabase?: boolean;
  /** The largest payload that is accepted (bytes). Default: no limit. */
  limitBytes?: number;
  /** Whose folder it is. Default: nobody's, for a folder that this process has just made and deletes itself. */
  owner?: {
    /** Id of the store. */
    store: string;
    /** The store's spool key, by which files are named after their messages. */
    key: string;
    /** Whether the store has payloads that should be in the folder; called only if the folder is empty. */
    isExpected?: () => Promise<boolean>;
  };
}

/** A spool folder. */
export class Spool {
  /** Names of the files that this process is writing to. */
  readonly inUse = new Set<string>();
  /** True if other processes write into the folder too. */
  readonly isShared: boolean;
  /** True if payloads are kept in the database. */
  readonly inDatabase: boolean;
  readonly #limitBytes: number;
  readonly #slices: PayloadSlices | undefined;
  readonly #folder: string;
  readonly #key: string;
  readonly #quarantine: Quarantine;

  private constructor(folder: string, options: SpoolOptions) {
    this.#folder = folder;
    this.#key = options.owner?.key ?? randomBytes(32).toString('hex');
    this.isShared = options.isShared ?? false;
    this.#slices = options.slices;
    this.inDatabase = options.inDatabase ?? false;
    this.#limitBytes = options.limitBytes ?? Infinity;
    this.#quarantine = new Quarantine(folder, MACHINE_CLOCKS);
  }

  /**
   * Opens the folder, and creates and marks it (0700) if needed.
   * @throws ConfigurationError when the folder is not its owner's; StorageError
   */
  static async open(folder: string, options: SpoolOptions = {}): Promise<Spool> {
    const { owner } = options;
    await asStorageError(async () => {
      if (owner) await markFolder(folder, owner.store, owner.isExpected);
      else await mkdir(folder, { recursive: true, mode: 0o700 });
    });
    return new Spool(folder, options);
  }

  /**
   * Returns the tag of a message, which is in the names of all its files (spool-names.ts).
   * @param mailbox the mailbox's key in the store
   * @param id our id of a sent message, MESH's id of a received one
   */
  tag(mailbox: string, id: string): string {
    return messageTag(this.#key, mailbox, id);
  }

  /** Returns the path of a spooled file. */
  path(name: string): string {
    return join(this.#folder, name);
  }

  /**
   * Checks the size of a payload, as far as it has arrived or is announced (bytes).
   * @throws TooLargeError when this spool does not accept it
   */
  checkSize(bytes: number, messageId?: string): void {
    if (bytes <= this.#limitBytes) return;
    const limit = Math.round(this.#limitBytes / 1024 ** 2);
    throw new TooLargeError(`The payload is larger than ${limit} MiB, too large to be kept in the database.`, {
      ...(messageId === undefined ? {} : { messageId }),
      advice:
        'Raise largePayloadLimitMiB in settings.js if the database has the space, or keep large payloads in a folder ' +
        'that all instances share (spoolFolder).',
    });
  }

  /**
   * Writes a payload durably, and returns its size (bytes). A failure leaves nothing behind.
   * @throws StorageError; what `pieces` throws
   */
  async write(name: string, pieces: AsyncIterable<Buffer>): Promise<number> {
    if (this.inDatabase && this.#slices) return await this.#slices.write(name, pieces);
    return await this.#writeFile(name, pieces);
  }

  /**
   * Moves a complete file of the folder to where payloads are kept. The file is gone afterwards, also after a failure.
   * @throws StorageError
   */
  async keep(name: string): Promise<void> {
    if (!this.inDatabase) return;
    const path = this.path(name);
    try {
      const stamp = await statFile(path);
      await this.write(name, fileSourceAt(path, stamp).open(0, stamp.size, 'reuse'));
    } finally {
      await removeWithRetry(path).catch(() => undefined);
    }
  }

  /**
   * Returns the source of a kept payload; size and digest are those in its row. With a digest only bytes that it covers
   * are yielded; without one (a received payload) the reader compares the SHA-256 of the whole.
   * @throws PayloadError when it is in neither place
   */
  async source(name: string, size: number, digest?: string): Promise<PayloadSource> {
    const stored = await this.#stored(name, size, digest === undefined ? size : size + listBytes(size));
    return digest === undefined ? stored : checkedByDigest(stored, size, digest);
  }

  /** `bytes`: of the file, which may have more in it than the payload. */
  async #stored(name: string, size: number, bytes: number): Promise<PayloadSource> {
    if (!isSpoolName(name)) throw new PayloadError('The name of the stored payload is not one of ours.');
    const path = this.path(name);
    const source = async (): Promise<PayloadSource> =>
      fileSourceAt(path, { ...(await statFile(path)), size: bytes }, size);
    try {
      return await source();
    } catch (error) {
      // The setting may have been different when the payload was kept.
      if (this.#slices && (await this.#slices.has(name))) return slicedSource(this.#slices, name, size);
      // Another process may have taken it for an orphan while the commit of its row took long.
      if (await asStorageError(() => this.#quarantine.putBack(name))) return await source();
      throw error;
    }
  }

  async #writeFile(name: string, pieces: AsyncIterable<Buffer>): Promise<number> {
    const path = this.path(name);
    // Outside the try: an existing file belongs to another message, and stays.
    const handle = await asStorageError(() => open(path, 'wx', 0o600));
    try {
      let bytes = 0;
      try {
        for await (const piece of pieces) {
          await asStorageError(() => handle.writeFile(piece));
          bytes += piece.length;
        }
        await asStorageError(() => handle.sync());
      } finally {
        await handle.close();
      }
      await this.sync();
      return bytes;
    } catch (error) {
      await removeWithRetry(path).catch(() => undefined);
      throw error;
    }
  }

  /** Makes new names in the folder durable. */
  sync(): Promise<void> {
    return asStorageError(() => syncFolder(this.#folder));
  }

  /**
   * Deletes payloads that no row refers to any more, and other files that this process has made. Names that do not
   * exist, or are none of ours, are ignored.
   */
  async remove(names: Iterable<string>): Promise<void> {
    const all = [...names].filter(isSpoolName);
    for (const name of all) await removeWithRetry(this.path(name)).catch(() => undefined);
    // If this fails, the store's purge removes them.
    const payloads = all.filter((name) => !/^(?:part|probe)-/.test(name));
    if (this.#slices && payloads.length > 0) await this.#slices.remove(payloads).catch(() => undefined);
  }

  /**
   * Moves the files that a kill left between spooling and committing into the quarantine, except for downloads that can
   * be resumed. In a folder that other processes write to, only files older than `ageMs` (milliseconds). Files with
   * names that are not ours are left alone. Returns the number of files moved.
   * @throws StorageError
   */
  async quarantineOrphans(known: ReadonlySet<string>, ageMs = 0): Promise<number> {
    return await asStorageError(async () => {
      const resumable = await partialNames(this.#folder);
      const now = ageMs === 0 ? 0 : await this.#timeOfFiles();
      const orphans: string[] = [];
      for (const entry of await readdir(this.#folder, { withFileTypes: true })) {
        const { name } = entry;
        if (!entry.isFile() || !isSpoolName(name) || known.has(name) || resumable.has(name)) continue;
        if (ageMs === 0 || now - (await this.#writtenAt(name)) > ageMs) orphans.push(name);
      }
      await this.#quarantine.take(orphans);
      return orphans.length;
    });
  }

  /**
   * Deletes what has been in the quarantine for seven days. Call it about once an hour.
   * @throws StorageError
   */
  async ageQuarantine(): Promise<void> {
    await asStorageError(() => this.#quarantine.age());
  }

  /**
   * Shows by a file that this instance writes into the folder. Returns the other instances that have no such file here,
   * because they write into another folder.
   */
  async instancesElsewhere(own: string, others: readonly string[]): Promise<string[]> {
    await asStorageError(() => writeFile(this.path(`${PROBE}${own}`), '', { mode: 0o600 }));
    await this.sync();
    const names = new Set(await asStorageError(() => readdir(this.#folder)));
    return others.filter((other) => !names.has(`${PROBE}${other}`));
  }

  /** Deletes this instance's file. */
  async removeProbe(own: string): Promise<void> {
    await this.remove([`${PROBE}${own}`]);
  }

  /** Returns when a file was last written, by the clock of the file system; Infinity if it no longer exists. */
  async #writtenAt(name: string): Promise<number> {
    return (await stat(this.path(name)).catch(() => undefined))?.mtimeMs ?? Infinity;
  }

  /** Returns the time by the clock of the file system, which may be another machine's. */
  async #timeOfFiles(): Promise<number> {
    const name = `${PROBE}${randomUUID()}`;
    await writeFile(this.path(name), '', { mode: 0o600, flag: 'wx' });
    const time = await this.#writtenAt(name);
    await this.remove([name]);
    return time;
  }

  /** Returns the bytes that an ordinary user may still write on this disk. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await asStorageError(() => statfs(this.#folder));
    return bavail * bsize;
  }
}

async function asStorageError<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (error instanceof MeshError) throw error;
    const cause = withoutPath(error);
    const isFull = cause.code === 'ENOSPC' || cause.code === 'EDQUOT';
    throw new StorageError(`The spool folder could not be written (${cause.code}). The message was not stored.`, {
      cause,
      passes: fileErrorPasses(cause.code),
      advice: isFull ? 'The disk is full: free some space.' : 'Check the folder’s permissions and the disk.',
    });
  }
}
