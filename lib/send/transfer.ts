/** The chunks of one message, in order, from wherever it was left: what every way of sending has in common. */
import type { MeshClient } from '../client/client';
import { gzippedBody, plainBody, splitPayload, type Slice } from '../payload/chunks';
import type { ReadyBody, Scratch } from '../payload/scratch';
import type { PayloadSource } from '../payload/source';
import type { SendPlan } from '../store/store';

/** A message that is ready to go. */
export interface Transfer {
  source: PayloadSource;
  /** Of send_message, checked. */
  headers: Record<string, string>;
  plan: SendPlan;
  scratch: Scratch;
  /** Begins the names of what it puts into the scratch. */
  name: string;
  /** Where an earlier upload got to; chunk 1 gets the id. */
  done?: { chunks: number; messageId: string };
}

/** Told after each chunk that MESH has taken; the next one waits for it. */
export type ChunkSent = (sent: { chunk: number; totalChunks: number; bytes: number; messageId: string }) => unknown;

/** Compressed bytes that are held at the most, the chunk on the wire included (bytes, uncompressed). */
const HELD_BYTES = 64_000_000;
/** zlib threads: more would leave none of libuv's four for files and names. */
const COMPRESSORS = 2;

/** The name of a chunk's compressed bytes in the scratch. */
export const scratchName = (name: string, chunk: number): string => `${name}.${chunk}.gz`;

/** Sends what is left, and gives MESH's id of the message. Throws what the client throws. */
export async function transferChunks(
  client: MeshClient,
  transfer: Transfer,
  signal: AbortSignal | undefined,
  onChunk: ChunkSent,
): Promise<string> {
  const { source, headers, plan, scratch, name, done } = transfer;
  const slices = splitPayload(source.size, plan.chunkBytes);
  const contentEncoding = plan.encoding === 'gzip' ? 'gzip' : undefined;
  const bodies = new BodiesAhead(slices, transfer);
  let messageId = done?.messageId ?? '';
  try {
    for (const [index, slice] of slices.entries()) {
      const range = { chunk: index + 1, totalChunks: slices.length };
      if (range.chunk <= (done?.chunks ?? 0)) continue;
      const body = contentEncoding ? await bodies.take(index) : plainBody(source, slice);
      const upload = { range, body, contentEncoding } as const;
      if (range.chunk === 1) messageId = await client.sendMessage(headers, upload, signal);
      else await client.sendChunk(messageId, upload, signal);
      await onChunk({ ...range, bytes: slice.end, messageId });
      if (slices.length > 1) await scratch.remove(scratchName(name, range.chunk));
    }
  } finally {
    await bodies.stop();
  }
  return messageId;
}

/**
 * The gzipped bodies of the chunks, made ready ahead: while one is on the wire, the next two are compressed, each in a thread of
 * zlib's own. How many are held, the one on the wire included, is bounded by their size.
 */
class BodiesAhead {
  readonly #slices: readonly Slice[];
  readonly #transfer: Transfer;
  readonly #ahead: number;
  readonly #ready = new Map<number, Promise<ReadyBody>>();

  constructor(slices: readonly Slice[], transfer: Transfer) {
    this.#slices = slices;
    this.#transfer = transfer;
    this.#ahead = Math.max(0, Math.min(COMPRESSORS, Math.floor(HELD_BYTES / transfer.plan.chunkBytes) - 1));
  }

  /** The body of a chunk, from index 0 on and in order; what comes after it is begun. */
  async take(index: number): Promise<ReadyBody> {
    const { source } = this.#transfer;
    const slice = this.#slices[index];
    if (!slice) throw new RangeError('There is no such chunk.');
    // At first nothing is on the wire yet, and both threads are free.
    for (let next = index; next < index + Math.max(1, this.#ahead); next += 1) void this.#begin(next);
    const body = await this.#begin(index);
    this.#ready.delete(index);
    for (let next = index + 1; next <= index + this.#ahead; next += 1) void this.#begin(next);
    return body ?? plainBody(source, slice);
  }

  /** Waits for what is under way: its files are in use, and its memory. */
  async stop(): Promise<void> {
    if (this.#ready.size === 0) return;
    await Promise.allSettled(this.#ready.values());
    this.#ready.clear();
  }

  #begin(index: number): Promise<ReadyBody> | undefined {
    const slice = this.#slices[index];
    if (!slice) return undefined;
    const { source, plan, scratch, name } = this.#transfer;
    const body =
      this.#ready.get(index) ?? gzippedBody(source, slice, plan.level, scratch, scratchName(name, index + 1));
    // It may fail while the chunk before it is on the wire, and nobody awaits it yet.
    body.catch(() => undefined);
    this.#ready.set(index, body);
    return body;
  }
}
