/**
 * Keeps the bytes of messages: small bodies in memory, others in temporary files, written as they arrive with the
 * upload's own back-pressure. A large body is never in memory as a whole.
 */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { bodyTooLarge } from './refusal';

/** The largest body kept in memory (bytes). */
const IN_MEMORY_BYTES = 64 * 1024;
/** The largest total of the bodies in memory (bytes). */
const ALL_IN_MEMORY_BYTES = 64 * 1024 * 1024;

/** The stored body of one request. */
export interface StoredBody {
  /** Size as uploaded (bytes). */
  readonly size: number;
  /**
   * Returns a new stream of the bytes.
   * @throws Error when they were deleted
   */
  open(): Promise<Readable>;
  /** Deletes the bytes. Never rejects; may be repeated. */
  delete(): Promise<void>;
}

/** Stores bodies until they are deleted or the store is closed. */
export class BodyStore {
  readonly #parent: string;
  #folder: Promise<string> | undefined;
  #inMemory = 0;
  /** The number of uploads in progress and of files; while either is above 0, the folder is in use. */
  #writing = 0;
  #files = 0;
  #onExit: (() => void) | undefined;
  #closed = false;

  /** The first large body makes a folder of the store's own below `parent`. */
  constructor(parent = tmpdir()) {
    this.#parent = parent;
  }

  /**
   * Reads and stores a request's body. Does not destroy the source.
   * @throws Refusal 413 for more than `maxBytes`, and the stream's error when it breaks off; nothing is stored then
   */
  async write(source: Readable, maxBytes: number): Promise<StoredBody> {
    const slices: Buffer[] = [];
    let size = 0;
    let file: FileBody | undefined;
    this.#writing += 1;
    try {
      for await (const slice of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += slice.length;
        if (size > maxBytes) throw bodyTooLarge(maxBytes);
        if (file === undefined) {
          slices.push(slice);
          if (size <= IN_MEMORY_BYTES && this.#inMemory + size <= ALL_IN_MEMORY_BYTES) continue;
          file = await FileBody.create(await this.#ownFolder(), () => (this.#files -= 1));
          this.#files += 1;
          await file.append(Buffer.concat(slices.splice(0)));
        } else {
          await file.append(slice);
        }
      }
      await file?.finish();
    } catch (error) {
      await file?.delete();
      throw error;
    } finally {
      this.#writing -= 1;
    }
    return file ?? this.#memoryBody(Buffer.concat(slices));
  }

  /** Removes the folder if it is empty; bodies are deleted one by one. */
  async tidy(): Promise<void> {
    if (this.#folder === undefined || this.#writing > 0 || this.#files > 0) return;
    const folder = this.#folder;
    // Set before the removal, so that an upload that begins now makes a new folder.
    this.#folder = undefined;
    this.#forgetExit();
    await rmdir(await folder).catch(() => undefined);
  }

  /** Removes the folder and everything in it. */
  async close(): Promise<void> {
    this.#closed = true;
    const folder = await this.#folder?.catch(() => undefined);
    this.#folder = undefined;
    this.#forgetExit();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #memoryBody(bytes: Buffer): StoredBody {
    this.#inMemory += bytes.length;
    let kept: Buffer | undefined = bytes;
    return {
      size: bytes.length,
      open: async () => {
        if (kept === undefined) throw new Error('The body was deleted.');
        return Readable.from([kept], { objectMode: false });
      },
      delete: async () => {
        if (kept === undefined) return;
        this.#inMemory -= kept.length;
        kept = undefined;
      },
    };
  }

  #ownFolder(): Promise<string> {
    // An upload still in progress has no effect now; a new folder would be left behind.
    if (this.#closed) return Promise.reject(new Error('The sandbox is closed.'));
    this.#folder ??= mkdtemp(join(this.#parent, 'mesh-sandbox-')).then(
      (folder) => {
        // If the process ends without close(), the uploads must not be left behind.
        this.#onExit = () => rmSync(folder, { recursive: true, force: true });
        process.once('exit', this.#onExit);
        return folder;
      },
      (error: unknown) => {
        this.#folder = undefined;
        throw error;
      },
    );
    return this.#folder;
  }

  #forgetExit(): void {
    if (this.#onExit) process.off('exit', this.#onExit);
    this.#onExit = undefined;
  }
}

type FileHandle = Awaited<ReturnType<typeof open>>;

class FileBody implements StoredBody {
  readonly #path: string;
  readonly #onDelete: () => void;
  #handle: FileHandle | undefined;
  #deleted = false;
  size = 0;

  private constructor(path: string, handle: FileHandle, onDelete: () => void) {
    this.#path = path;
    this.#handle = handle;
    this.#onDelete = onDelete;
  }

  /** Makes a file with a name of our own: nothing that a client sent becomes part of a path. */
  static async create(folder: string, onDelete: () => void): Promise<FileBody> {
    const path = join(folder, randomUUID());
    return new FileBody(path, await open(path, 'wx', 0o600), onDelete);
  }

  async append(slice: Buffer): Promise<void> {
    await this.#handle?.appendFile(slice);
    this.size += slice.length;
  }

  async finish(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async open(): Promise<Readable> {
    // Opened here and not by the stream, so that a deleted body is an error before any header is sent.
    const handle = await open(this.#path, 'r');
    return handle.createReadStream();
  }

  async delete(): Promise<void> {
    if (this.#deleted) return;
    this.#deleted = true;
    await this.finish().catch(() => undefined);
    await rm(this.#path, { force: true, maxRetries: 3 }).catch(() => undefined);
    this.#onDelete();
  }
}
