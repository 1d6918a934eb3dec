/**
 * Where a received payload goes: into memory, or into a file under a temporary name that gets its own when it is whole.
 * Both can go back to the start of a chunk, so that a broken chunk can be fetched again.
 */
import { createHash, randomBytes, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StorageError, TooLargeError } from '../errors';
import { withoutPath } from './file-error';

/** What a whole payload came to. */
export interface Written {
  payload?: Buffer;
  /** Absolute path. */
  file?: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Takes the expanded bytes of one message, chunk by chunk. */
export interface PayloadSink {
  /** Remembers this place. */
  beginChunk(): void;
  /** Forgets everything since the last `beginChunk`. */
  restartChunk(): Promise<void>;
  write(piece: Buffer): Promise<void>;
  /** Makes it durable and gives what was written. */
  finish(): Promise<Written>;
  /** Leaves nothing behind. Repeatable; harmless after `finish`. */
  discard(): Promise<void>;
}

/** Holds the payload in memory, at most `maxBytes` of it: beyond, TooLargeError. */
export function bufferSink(maxBytes: number): PayloadSink {
  let pieces: Buffer[] = [];
  let bytes = 0;
  let hash = createHash('sha256');
  let mark = { pieces: 0, bytes: 0, hash: hash.copy() };
  return {
    beginChunk() {
      mark = { pieces: pieces.length, bytes, hash: hash.copy() };
    },
    async restartChunk() {
      pieces.length = mark.pieces;
      bytes = mark.bytes;
      hash = mark.hash.copy();
    },
    async write(piece) {
      bytes += piece.length;
      if (bytes > maxBytes) {
        throw new TooLargeError(`The message is larger than ${maxBytes} bytes, too large to be held in memory.`, {
          advice: 'Have it saved to a folder instead of delivered as a Buffer, or raise maxBufferBytes.',
        });
      }
      pieces.push(piece);
      hash.update(piece);
    },
    async finish() {
      const payload = Buffer.concat(pieces, bytes);
      return { payload, bytes, sha256: hash.digest('hex') };
    },
    async discard() {
      pieces = [];
    },
  };
}

/**
 * Writes to `file` by way of a hidden temporary file beside it, fsync, rename: whoever watches the folder sees the whole
 * file or none. The folder is made if it is not there. With `replace` an existing file gives way (the same message, received again), without
 * it is a StorageError.
 */
export async function fileSink(file: string, replace: boolean): Promise<PayloadSink> {
  const target = resolve(file);
  const folder = dirname(target);
  const temporary = join(folder, `.${basename(target).slice(0, 50)}.${randomBytes(6).toString('hex')}.part`);
  const handle = await storing(async () => {
    await mkdir(folder, { recursive: true });
    if (!replace && (await exists(target))) throw Object.assign(new Error('exists'), { code: 'EEXIST' });
    return open(temporary, 'wx', 0o600);
  });
  return new FileSink(handle, temporary, target, replace);
}

class FileSink implements PayloadSink {
  #hash: Hash = createHash('sha256');
  #bytes = 0;
  #mark = { bytes: 0, hash: this.#hash.copy() };
  #open = true;

  constructor(
    private readonly handle: FileHandle,
    private readonly temporary: string,
    private readonly target: string,
    private readonly replace: boolean,
  ) {}

  beginChunk(): void {
    this.#mark = { bytes: this.#bytes, hash: this.#hash.copy() };
  }

  async restartChunk(): Promise<void> {
    await storing(() => this.handle.truncate(this.#mark.bytes));
    this.#bytes = this.#mark.bytes;
    this.#hash = this.#mark.hash.copy();
  }

  async write(piece: Buffer): Promise<void> {
    let done = 0;
    // One write may take less than it was given, e.g. when the disk is nearly full.
    while (done < piece.length) {
      const { bytesWritten } = await storing(() =>
        this.handle.write(piece, done, piece.length - done, this.#bytes + done),
      );
      done += bytesWritten;
    }
    this.#bytes += piece.length;
    this.#hash.update(piece);
  }

  async finish(): Promise<Written> {
    await storing(async () => {
      await this.handle.sync();
      await this.#close();
      if (!this.replace && (await exists(this.target))) throw Object.assign(new Error('exists'), { code: 'EEXIST' });
      await rename(this.temporary, this.target);
      await syncFolder(dirname(this.target));
    });
    return { file: this.target, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  async discard(): Promise<void> {
    await this.#close().catch(() => undefined);
    await rm(this.temporary, { force: true }).catch(() => undefined);
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.handle.close();
  }
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
  EPERM: 'Let the user who runs this process write to the folder.',
  EROFS: 'The folder is on a read-only file system: choose another.',
  ENOSPC: 'The disk is full: make room.',
  EDQUOT: 'The quota is used up: make room.',
  EEXIST: 'A file of this name is there already: give another name, or move the old one away.',
  ENOTDIR: 'A part of the folder’s path is a file: choose another folder.',
  ENAMETOOLONG: 'The path is too long: choose a folder nearer to the root.',
};
