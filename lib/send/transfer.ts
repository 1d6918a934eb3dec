/** The chunks of one message, in order, from wherever it was left: what every way of sending has in common. */
import type { MeshClient } from '../client/client';
import { chunkBody, splitPayload } from '../payload/chunks';
import type { PayloadSource } from '../payload/source';
import type { Compression } from '../types';

/** A message that is ready to go. */
export interface Transfer {
  source: PayloadSource;
  /** Of send_message, checked. */
  headers: Record<string, string>;
  compression: Compression;
  maxChunkBytes: number;
  /** Where an earlier upload got to; chunk 1 gets the id. */
  done?: { chunks: number; messageId: string };
}

/** Told after each chunk that MESH has taken; the next one waits for it. */
export type ChunkSent = (sent: { chunk: number; totalChunks: number; bytes: number; messageId: string }) => unknown;

/** Sends what is left, and gives MESH's id of the message. Throws what the client throws. */
export async function transferChunks(
  client: MeshClient,
  { source, headers, compression, maxChunkBytes, done }: Transfer,
  signal: AbortSignal | undefined,
  onChunk: ChunkSent,
): Promise<string> {
  const slices = splitPayload(source.size, maxChunkBytes);
  const contentEncoding = compression === 'gzip' ? 'gzip' : undefined;
  let messageId = done?.messageId ?? '';
  for (const [index, slice] of slices.entries()) {
    const range = { chunk: index + 1, totalChunks: slices.length };
    if (range.chunk <= (done?.chunks ?? 0)) continue;
    const upload = { range, body: await chunkBody(source, slice, compression), contentEncoding } as const;
    if (range.chunk === 1) messageId = await client.sendMessage(headers, upload, signal);
    else await client.sendChunk(messageId, upload, signal);
    await onChunk({ ...range, bytes: slice.end, messageId });
  }
  return messageId;
}
