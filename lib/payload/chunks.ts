/**
 * A message as MESH wants it: split uncompressed, each chunk gzipped by itself, all with the same encoding (DOMAIN.md 1.8).
 */
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Compression } from '../types';
import type { PayloadSource } from './source';

/** A chunk's place in the payload: bytes from `start` up to, not including, `end`. */
export interface Slice {
  start: number;
  end: number;
}

/** A chunk as it goes over the wire: so many bytes, which can be read again for another attempt. */
export interface ChunkBody {
  readonly bytes: number;
  open(): AsyncIterable<Buffer>;
}

/** Where the payload is cut. One slice if it fits. */
export function splitPayload(size: number, maxChunkBytes: number): Slice[] {
  const slices: Slice[] = [];
  for (let start = 0; start < size; start += maxChunkBytes)
    slices.push({ start, end: Math.min(start + maxChunkBytes, size) });
  return slices;
}

/** zlib's own default: level 9 gains 0.3 % over it on CSV, for much more time. */
const GZIP_LEVEL = 6;

/**
 * The body of one chunk, of known size and re-openable for each attempt. Uncompressed it is read from the payload again;
 * compressed it is made once and held: at most one chunk in memory.
 */
export async function chunkBody(source: PayloadSource, slice: Slice, compression: Compression): Promise<ChunkBody> {
  if (compression === 'never') {
    return { bytes: slice.end - slice.start, open: () => source.open(slice.start, slice.end) };
  }
  const pieces: Buffer[] = [];
  await pipeline(
    Readable.from(source.open(slice.start, slice.end)),
    createGzip({ level: GZIP_LEVEL }),
    async (compressed: AsyncIterable<Buffer>) => {
      for await (const piece of compressed) pieces.push(piece);
    },
  );
  return {
    bytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
    async *open() {
      yield* pieces;
    },
  };
}
