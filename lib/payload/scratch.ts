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
import { bodyName } from './spool-names';

/** A body that is ready to be sent, as often as it takes. */
export interface ReadyBody {
  /** Exact size (bytes). */
  readonly bytes: number;
  /** All bytes, if the body is small. */
  readonly whole?: Buffer;
  /** Yields the bytes. A piece's memory may be reused as soon as the next one is requested. */
  open(): AsyncIterable<Buffer>;
}

/** The bodies of one mailbox's messages, by our id of the message and the chunk. */
export class Scratch {
  readonly #spool: () => Promise<Spool>;
  readonly #mailbox: string;
  readonly #bodies = new Map<string, Map<number, ReadyBody>>();

  /** `mailbox`: its key in the store. */
  constructor(spool: Spool | (() => Promise<Spool>), mailbox: string) {
    this.#spool = typeof spool === 'function' ? spool : () => Promise.resolve(spool);
    this.#mailbox = mailbox;
  }

  /** Returns a body that this process has written. */
  find(id: string, chunk: number): ReadyBody | undefined {
    return this.#bodies.get(id)?.get(chunk);
  }

  /**
   * Writes a body to its file. A failure leaves nothing behind.
   * @throws StorageError; what `pieces` throws
   */
  async write(id: string, chunk: number, pieces: AsyncIterable<Buffer>): Promise<ReadyBody> {
    const spool = await this.#spool();
    const name = bodyName(spool.tag(this.#mailbox, id), chunk);
    await spool.remove([name]);
    const digests = new BlockDigests();
    const bytes = await spool.write(name, digests.over(pieces));
    const path = spool.path(name);
    const source = checkedByList(fileSourceAt(path, await statFile(path)), bytes, digests.list);
    const body = { bytes, open: () => source.open(0, bytes, 'reuse') };
    const ofMessage = this.#bodies.get(id) ?? new Map<number, ReadyBody>();
    this.#bodies.set(id, ofMessage.set(chunk, body));
    return body;
  }

  /** Deletes a message's body of a chunk, or all of them. Never throws. */
  async remove(id: string, chunk?: number): Promise<void> {
    const ofMessage = this.#bodies.get(id);
    const chunks = [...(ofMessage?.keys() ?? [])].filter((each) => chunk === undefined || each === chunk);
    if (!ofMessage || chunks.length === 0) return;
    for (const each of chunks) ofMessage.delete(each);
    if (ofMessage.size === 0) this.#bodies.delete(id);
    const spool = await this.#spool();
    const tag = spool.tag(this.#mailbox, id);
    await spool.remove(chunks.map((each) => bodyName(tag, each)));
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
  }, '');
  try {
    return await work(scratch);
  } finally {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}
