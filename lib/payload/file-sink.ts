/**
 * A received payload in a file: under a temporary name until it is whole. Hashing is done where the bytes come, writing
 * behind it in the background, in large pieces and in order.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StorageError } from '../errors';
import { Digests } from './digests';
import { withoutPath } from './file-error';
import { renameWithRetry } from './rename-with-retry';
import type { PayloadSink, Written } from './sink';

/** Written at once (bytes), if so much is there: small writes cost a thread's round trip each. */
const WRITE_BYTES = 1024 * 1024;
/** Bytes that wait to be written; beyond, whoever writes has to wait. */
const BEHIND_BYTES = 4 * 1024 * 1024;
/** After so many bytes the disk is asked to begin: the last fsync then has little left to do. */
const SYNC_BYTES = 64 * 1024 * 1024;

/** What a file sink may have. */
export interface FileSinkOptions {
  /** An existing file gives way (the same message, received again); else it is a StorageError. */
  replace: boolean;
  /** One more digest: see Digests. */
  also?: string | undefined;
  /** Name of the file until it is whole, in the same folder. Default: a hidden one of its own. */
  temporary?: string;
  /** Told of each piece that was written: its memory may be used again. */
  onWritten?: (piece: Buffer) => void;
}

/**
 * Writes to `file` by way of a temporary file beside it, fsync, rename: whoever watches the folder sees the whole file or
 * none. The folder is made if it is not there. Throws StorageError.
 */
export async function fileSink(file: string, options: FileSinkOptions): Promise<FileSink> {
  const target = resolve(file);
  const folder = dirname(target);
  const temporary = join(
    folder,
    options.temporary ?? `.${basename(target).slice(0, 50)}.${randomBytes(6).toString('hex')}.part`,
  );
  const handle = await storing(async () => {
    await mkdir(folder, { recursive: true });
    if (!options.replace && (await exists(target))) throw Object.assign(new Error('exists'), { code: 'EEXIST' });
    return open(temporary, 'wx', 0o600);
  });
  return new FileSink(handle, temporary, target, options);
}

/**
 * Goes on with a temporary file that an earlier sink left: `bytes` of it, which must have this SHA-256. Undefined if it is not
 * there as it was left.
 */
export async function resumedFileSink(
  file: string,
  options: FileSinkOptions & { temporary: string },
  left: { bytes: number; sha256: string },
): Promise<FileSink | undefined> {
  const target = resolve(file);
  const temporary = join(dirname(target), options.temporary);
  const handle = await open(temporary, 'r+').catch(() => undefined);
  if (!handle) return undefined;
  try {
    const digests = new Digests(options.also);
    let bytes = 0;
    while (bytes < left.bytes) {
      const piece = Buffer.allocUnsafe(Math.min(256 * 1024, left.bytes - bytes));
      const { bytesRead } = await handle.read(piece, 0, piece.length, bytes);
      if (bytesRead === 0) break;
      digests.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
    }
    if (bytes === left.bytes && digests.hex() === left.sha256) {
      await handle.truncate(bytes);
      return new FileSink(handle, temporary, target, options, { bytes, digests });
    }
  } catch {
    // Not to be read: as good as not there.
  }
  await handle.close();
  return undefined;
}

/** Made by fileSink and resumedFileSink. */
export class FileSink implements PayloadSink {
  readonly #handle: FileHandle;
  readonly #temporary: string;
  readonly #target: string;
  readonly #options: FileSinkOptions;
  #digests: Digests;
  /** Taken. */
  #bytes: number;
  /** Written, and on the disk. */
  #written: number;
  #synced: number;
  #mark: { bytes: number; digests: Digests };
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #failure: StorageError | undefined;
  #open = true;

  constructor(
    handle: FileHandle,
    temporary: string,
    target: string,
    options: FileSinkOptions,
    from: { bytes: number; digests: Digests } = { bytes: 0, digests: new Digests(options.also) },
  ) {
    this.#handle = handle;
    this.#temporary = temporary;
    this.#target = target;
    this.#options = options;
    this.#digests = from.digests;
    this.#bytes = from.bytes;
    this.#written = from.bytes;
    this.#synced = from.bytes;
    this.#mark = { bytes: from.bytes, digests: from.digests.copy() };
  }

  beginChunk(): void {
    this.#mark = { bytes: this.#bytes, digests: this.#digests.copy() };
  }

  async restartChunk(): Promise<void> {
    await this.#settled();
    const { bytes, digests } = this.#mark;
    await storing(() => this.#handle.truncate(bytes));
    this.#bytes = bytes;
    this.#written = bytes;
    this.#synced = Math.min(this.#synced, bytes);
    this.#digests = digests.copy();
  }

  async write(piece: Buffer): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#digests.update(piece);
    this.#bytes += piece.length;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes < WRITE_BYTES) return;
    this.#writeBehind();
    while (this.#waitingBytes >= BEHIND_BYTES && this.#writing) await this.#writing;
    if (this.#failure) throw this.#failure;
  }

  digest(algorithm: string): string {
    return this.#digests.hex(algorithm);
  }

  /** So many bytes were taken, with this SHA-256. */
  get place(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#digests.hex() };
  }

  /** Resolves when the first so many bytes, up to the end of a whole chunk, are on the disk. Throws StorageError. */
  async sync(bytes: number): Promise<void> {
    while (this.#written < bytes && !this.#failure) {
      this.#writeBehind();
      await this.#writing;
    }
    await this.#syncing;
    if (this.#failure) throw this.#failure;
    const written = this.#written;
    await storing(() => this.#handle.datasync());
    this.#synced = Math.max(this.#synced, written);
  }

  async finish(): Promise<Written> {
    await this.#settled();
    await this.#syncing;
    if (this.#failure) throw this.#failure;
    await storing(async () => {
      await this.#handle.sync();
      await this.#close();
      if (!this.#options.replace && (await exists(this.#target))) {
        throw Object.assign(new Error('exists'), { code: 'EEXIST' });
      }
      await renameWithRetry(this.#temporary, this.#target);
      await syncFolder(dirname(this.#target));
    });
    return { file: this.#target, bytes: this.#bytes, sha256: this.#digests.hex() };
  }

  /** Closes the temporary file and leaves it where it is. */
  async leave(): Promise<void> {
    await this.#settled().catch(() => undefined);
    await this.#syncing;
    await this.#close().catch(() => undefined);
  }

  async discard(): Promise<void> {
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.leave();
    await rm(this.#temporary, { force: true }).catch(() => undefined);
  }

  /** Everything that was taken has been written. */
  async #settled(): Promise<void> {
    while (this.#waitingBytes > 0 && !this.#failure) {
      this.#writeBehind();
      await this.#writing;
    }
    await this.#writing;
    if (this.#failure) throw this.#failure;
  }

  #writeBehind(): void {
    this.#writing ??= this.#writeAll()
      .catch((error: unknown) => {
        this.#failure = error as StorageError;
        this.#waiting = [];
        this.#waitingBytes = 0;
      })
      .finally(() => (this.#writing = undefined));
  }

  async #writeAll(): Promise<void> {
    do {
      const pieces = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      await this.#writePieces(pieces);
    } while (this.#waitingBytes >= WRITE_BYTES);
    if (this.#written - this.#synced >= SYNC_BYTES) this.#syncBehind();
  }

  async #writePieces(pieces: Buffer[]): Promise<void> {
    let left = pieces;
    while (left.length > 0) {
      const { bytesWritten } = await storing(() => this.#handle.writev(left, this.#written));
      this.#written += bytesWritten;
      left = after(left, bytesWritten);
    }
    const { onWritten } = this.#options;
    if (onWritten) for (const piece of pieces) onWritten(piece);
  }

  /** Its failure is one of the file: what was written is not safe. */
  #syncBehind(): void {
    const written = this.#written;
    this.#syncing ??= storing(() => this.#handle.datasync())
      .then(() => void (this.#synced = written))
      .catch((error: unknown) => void (this.#failure ??= error as StorageError))
      .finally(() => (this.#syncing = undefined));
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }
}

/** One write may take less than it was given, e.g. when the disk is nearly full: what is left of it. */
function after(pieces: Buffer[], bytes: number): Buffer[] {
  let skip = bytes;
  const left: Buffer[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) left.push(skip > 0 ? piece.subarray(skip) : piece);
    skip = Math.max(0, skip - piece.length);
  }
  return left;
}

/** The rename itself is durable once its folder is. Windows cannot open a folder, and needs no such thing. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Runs a file operation; its failure is a StorageError without the path, which may carry a patient's name. */
async function storing<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const cause = withoutPath(error);
    const code = cause.code ?? 'unknown';
    throw new StorageError(`The received file could not be written (${code}). It is still in the MESH inbox.`, {
      cause,
      advice: STORAGE_ADVICE[code] ?? 'Check the folder, its permissions and the disk.',
    });
  }
}

const STORAGE_ADVICE: Record<string, string> = {
  EACCES: 'Let the user who runs this process write to the folder.',
  EPERM:
    'Let the user who runs this process write to the folder. On Windows: see that no other program has the file open.',
  EBUSY: 'Another program has the file open: close it, or exclude the folder from its scans.',
  EROFS: 'The folder is on a read-only file system: choose another.',
  ENOSPC: 'The disk is full: make room.',
  EDQUOT: 'The quota is used up: make room.',
  EEXIST: 'A file of this name is there already: give another name, or move the old one away.',
  ENOTDIR: 'A part of the folder’s path is a file: choose another folder.',
  ENAMETOOLONG: 'The path is too long: choose a folder nearer to the root.',
};
