/**
 * Uploads the chunks of one message in order, from wherever an earlier upload stopped. Every way of sending uses this.
 */
import type { MeshClient } from '../client/client';
import { gzippedBody, plainBody, splitPayload, type Slice } from '../payload/chunks';
import type { ReadyBody, Scratch } from '../payload/scratch';
import type { PayloadSource } from '../payload/source';
import type { SendPlan } from '../store/store';

/** A message that is ready to be uploaded. */
export interface Transfer {
  source: PayloadSource;
  /** The checked headers for send_message. */
  headers: Record<string, string>;
  plan: SendPlan;
  scratch: Scratch;
  /** Our id of the message, by which the scratch keeps its bodies. */
  id: string;
  /** Chunks that an earlier upload sent, and the id that MESH returned for chunk 1. */
  done?: { chunks: number; messageId: string };
}

/** Called after each chunk that MESH accepted; the next chunk waits for it. */
export type ChunkSent = (sent: { chunk: number; totalChunks: number; bytes: number; messageId: string }) => unknown;

/** Compressed bodies kept at most, including the chunk on the wire (bytes, uncompressed). */
const MAX_BODY_BYTES = 64_000_000;
/** zlib threads: more would leave none of libuv's four for files and DNS. */
const COMPRESSORS = 2;

/**
 * Sends the chunks that are left. Returns MESH's id of the message.
 * @throws what the client throws
 */
export async function transferChunks(
  client: MeshClient,
  transfer: Transfer,
  signal: AbortSignal | undefined,
  onChunk: ChunkSent,
): Promise<string> {
  const { source, headers, plan, scratch, id, done } = transfer;
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
      if (slices.length > 1) await scratch.remove(id, range.chunk);
    }
  } finally {
    await bodies.stop();
  }
  return messageId;
}

/**
 * Compresses the bodies of the chunks ahead: while one is on the wire, the next two are gzipped, each in a zlib thread
 * of its own. Their size bounds how many are kept, including the one on the wire.
 */
class BodiesAhead {
  readonly #slices: readonly Slice[];
  readonly #transfer: Transfer;
  readonly #ahead: number;
  readonly #ready = new Map<number, Promise<ReadyBody>>();

  constructor(slices: readonly Slice[], transfer: Transfer) {
    this.#slices = slices;
    this.#transfer = transfer;
    this.#ahead = Math.max(0, Math.min(COMPRESSORS, Math.floor(MAX_BODY_BYTES / transfer.plan.chunkBytes) - 1));
  }

  /** Returns the body of a chunk and starts the next ones. Call it for each chunk in order. */
  async take(index: number): Promise<ReadyBody> {
    const { source } = this.#transfer;
    const slice = this.#slices[index];
    if (!slice) throw new RangeError('There is no such chunk.');
    // For the first chunk nothing is on the wire yet, and both threads are free.
    for (let next = index; next < index + Math.max(1, this.#ahead); next += 1) void this.#begin(next);
    const body = await this.#begin(index);
    this.#ready.delete(index);
    for (let next = index + 1; next <= index + this.#ahead; next += 1) void this.#begin(next);
    return body ?? plainBody(source, slice);
  }

  /** Waits for the compressions that still run: they use files and memory. */
  async stop(): Promise<void> {
    if (this.#ready.size === 0) return;
    await Promise.allSettled(this.#ready.values());
    this.#ready.clear();
  }

  #begin(index: number): Promise<ReadyBody> | undefined {
    const slice = this.#slices[index];
    if (!slice) return undefined;
    const { source, plan, scratch, id } = this.#transfer;
    const body = this.#ready.get(index) ?? gzippedBody(source, slice, plan.level, scratch, id, index + 1);
    // It may fail while the chunk before it is on the wire, when nothing awaits it yet.
    body.catch(() => undefined);
    this.#ready.set(index, body);
    return body;
  }
}
