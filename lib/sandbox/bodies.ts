/**
 * Where the bytes of messages are kept: small ones in memory, others in temporary files, written as they come in with
 * the upload's own back-pressure. Never a whole large body in memory.
 */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { bodyTooLarge } from './refusal';

/** Bodies up to this size stay in memory … */
const IN_MEMORY_BYTES = 64 * 1024;
/** … while all of them together are no more than this. */
const ALL_IN_MEMORY_BYTES = 64 * 1024 * 1024;

/** The bytes of one request, kept. */
export interface StoredBody {
  /** Bytes, as uploaded. */
  readonly size: number;
  /** A new stream of the bytes in slices; rejects (ENOENT) if they were deleted. */
  open(): Promise<Readable>;
  /** Never rejects; harmless when repeated. */
  delete(): Promise<void>;
}

/** Keeps bodies until they are deleted or the store is closed. */
export class BodyStore {
  readonly #parent: string;
  #folder: Promise<string> | undefined;
  #inMemory = 0;
  /** Uploads that are coming in, and files that are there: while there are any, the folder is in use. */
  #writing = 0;
  #files = 0;
  #onExit: (() => void) | undefined;
  #closed = false;

  /** `parent`: the folder below which a folder of the store's own is made when the first large body comes. */
  constructor(parent = tmpdir()) {
    this.#parent = parent;
  }

  /**
   * Reads a request's body to its end. Rejects with a 413 refusal when there are more than `maxBytes`, and with the
   * stream's error when it breaks off; nothing is kept then. Does not destroy the source.
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

  /** Removes the folder if nothing is in it any more; bodies themselves are deleted one by one. */
  async tidy(): Promise<void> {
    if (this.#folder === undefined || this.#writing > 0 || this.#files > 0) return;
    const folder = this.#folder;
    // At once, so that an upload that begins now makes a folder of its own.
    this.#folder = undefined;
    this.#forgetExit();
    await rmdir(await folder).catch(() => undefined);
  }

  /** Removes the folder with everything in it. */
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
    // What is still coming in then has no effect; a new folder would stay behind.
    if (this.#closed) return Promise.reject(new Error('The sandbox is closed.'));
    this.#folder ??= mkdtemp(join(this.#parent, 'mesh-sandbox-')).then(
      (folder) => {
        // For a process that ends without close(): what was uploaded must not stay behind.
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

  /** The name is ours alone: nothing that a client sent becomes part of a path. */
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
    // Opened here and not by the stream, so that a deleted body is an error before any header was sent.
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
