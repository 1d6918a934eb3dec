/**
 * Writes a received payload to a file, under a temporary name until it is complete. Bytes are hashed as they arrive,
 * and written in the background, in large pieces and in order.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { access, type FileHandle, mkdir, open } from '../files';
import { StorageError } from '../errors';
import { randomBytes } from '../random';
import { Digests } from './digests';
import { withoutPath } from './file-error';
import { receivedMemory } from './piece-memory';
import type { PayloadSink, Written } from './sink';
import { syncFolder } from './sync-folder';
import { removeWithRetry, renameWithRetry } from './rename-with-retry';

/** Bytes that are collected for one write: each small write costs a thread's round trip. */
const WRITE_BYTES = 1024 * 1024;
/** Bytes queued to be written at most; beyond that, `write` waits. */
const BEHIND_BYTES = 2 * 1024 * 1024;
/** Bytes after which a sync starts in the background, so that the final fsync has little left to do. */
const SYNC_BYTES = 64 * 1024 * 1024;

/** How a file sink writes. */
export interface FileSinkOptions {
  /**
   * True: an existing file is replaced (the same message, received again). False: an existing file is a StorageError.
   */
  replace: boolean;
  /** One more digest algorithm: see Digests. */
  also?: string | undefined;
  /** Name of the file until it is complete, in the same folder. Default: a unique hidden name. */
  temporary?: string;
  /** Called with each piece that was written: its memory may be reused. Default: releases {@link receivedMemory}. */
  onWritten?: (piece: Buffer) => void;
}

/**
 * Opens a sink that writes to `file` by way of a temporary file beside it, fsync and rename: whoever watches the folder
 * sees the complete file or none. The folder is created if needed.
 * @throws StorageError
 */
export async function fileSink(file: string, options: FileSinkOptions): Promise<FileSink> {
  const target = resolve(file);
  const folder = dirname(target);
  const temporary = join(
    folder,
    options.temporary ?? `.${basename(target).slice(0, 50)}.${randomBytes(6).toString('hex')}.part`,
  );
  const handle = await asStorageError(async () => {
    await mkdir(folder, { recursive: true });
    if (!options.replace && (await exists(target))) throw Object.assign(new Error('exists'), { code: 'EEXIST' });
    return open(temporary, 'wx', 0o600);
  });
  return new FileSink(handle, temporary, target, options);
}

/**
 * Opens a sink that continues a temporary file of an earlier sink: its first `bytes`, which must have this SHA-256.
 * Returns undefined if the file is missing or has changed.
 */
export async function resumeFileSink(
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
    // A file that cannot be read counts as missing.
  }
  await handle.close();
  return undefined;
}

/** Created by fileSink and resumeFileSink. */
export class FileSink implements PayloadSink {
  readonly #handle: FileHandle;
  readonly #temporary: string;
  readonly #target: string;
  readonly #options: FileSinkOptions;
  #digests: Digests;
  /** Bytes taken. */
  #bytes: number;
  /** Bytes written to the file. */
  #written: number;
  /** Bytes that are on the disk. */
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
    await asStorageError(() => this.#handle.truncate(bytes));
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

  /** The bytes taken so far, and their SHA-256. */
  get place(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#digests.hex() };
  }

  /**
   * Resolves when the first `bytes`, up to the end of a whole chunk, are on the disk.
   * @throws StorageError
   */
  async sync(bytes: number): Promise<void> {
    while (this.#written < bytes && !this.#failure) {
      this.#writeBehind();
      await this.#writing;
    }
    await this.#syncing;
    if (this.#failure) throw this.#failure;
    const written = this.#written;
    try {
      await asStorageError(() => this.#handle.datasync());
    } catch (error) {
      // A later sync that succeeds would not make it good: the system takes what it could not write for written.
      this.#failure ??= error as StorageError;
      throw error;
    }
    this.#synced = Math.max(this.#synced, written);
  }

  /**
   * Puts all bytes on the disk and closes the file, which has its temporary name until `finish`. Repeatable.
   * @throws StorageError
   */
  async complete(): Promise<void> {
    if (!this.#open) return;
    await this.#settled();
    await this.#syncing;
    if (this.#failure) throw this.#failure;
    await asStorageError(async () => {
      await this.#handle.sync();
      await this.#close();
    });
  }

  async finish(): Promise<Written & { file: string }> {
    await this.complete();
    await asStorageError(async () => {
      if (!this.#options.replace && (await exists(this.#target))) {
        throw Object.assign(new Error('exists'), { code: 'EEXIST' });
      }
      await renameWithRetry(this.#temporary, this.#target);
      await syncFolder(dirname(this.#target));
    });
    return { file: this.#target, bytes: this.#bytes, sha256: this.#digests.hex() };
  }

  /** Closes the temporary file and keeps it. */
  async leave(): Promise<void> {
    await this.#settled().catch(() => undefined);
    await this.#syncing;
    await this.#close().catch(() => undefined);
  }

  async discard(): Promise<void> {
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.leave();
    await removeWithRetry(this.#temporary).catch(() => undefined);
  }

  /** Resolves when every byte taken has been written. */
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
      const { bytesWritten } = await asStorageError(() => this.#handle.writev(left, this.#written));
      this.#written += bytesWritten;
      left = remaining(left, bytesWritten);
    }
    const { onWritten = (piece) => receivedMemory.release(piece) } = this.#options;
    for (const piece of pieces) onWritten(piece);
  }

  /** A sync that fails fails the sink: the written bytes are not safe. */
  #syncBehind(): void {
    const written = this.#written;
    this.#syncing ??= asStorageError(() => this.#handle.datasync())
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

/** Returns what is left to write. One writev may write less than all pieces, e.g. when the disk is nearly full. */
function remaining(pieces: Buffer[], bytes: number): Buffer[] {
  let skip = bytes;
  const left: Buffer[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) left.push(skip > 0 ? piece.subarray(skip) : piece);
    skip = Math.max(0, skip - piece.length);
  }
  return left;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Runs a file operation.
 * @throws StorageError when it fails, without the path, which may contain a patient's name
 */
async function asStorageError<T>(operation: () => Promise<T>): Promise<T> {
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
  EACCES: 'Allow the user who runs this process to write to the folder.',
  EPERM: 'Allow the user who runs this process to write to the folder. On Windows: close programs that use the file.',
  EBUSY: 'Another program has the file open: close it, or exclude the folder from its scans.',
  EROFS: 'The folder is on a read-only file system: choose another.',
  ENOSPC: 'The disk is full: free some space.',
  EDQUOT: 'The disk quota is used up: free some space.',
  EEXIST: 'A file with this name exists already: choose another name, or move the old file.',
  ENOTDIR: 'Part of the folder’s path is a file: choose another folder.',
  ENAMETOOLONG: 'The path is too long: choose a folder nearer to the root.',
};
