/**
 * Cuts a payload into chunks and prepares their bodies. MESH's rule: the uncompressed bytes are cut, and each chunk is
 * gzipped by itself (mesh-api.yaml, send_chunk).
 */
import { gzipped } from './gzip';
import type { ReadyBody, Scratch } from './scratch';
import type { PayloadSource } from './source';

/** A chunk's place in the payload: the bytes from `start` up to, but not including, `end`. */
export interface Slice {
  start: number;
  end: number;
}

/** Returns the slices of a payload; one slice if it fits. */
export function splitPayload(size: number, chunkBytes: number): Slice[] {
  const slices: Slice[] = [];
  for (let start = 0; start < size; start += chunkBytes) {
    slices.push({ start, end: Math.min(start + chunkBytes, size) });
  }
  return slices;
}

/** The compressed bytes of a larger chunk are kept in a file, not in memory (bytes, uncompressed). */
export const IN_MEMORY_BYTES = 32 * 1024 * 1024;
/** A body up to this is written to the connection in one call: a larger one would keep other flows waiting (bytes). */
const ONE_WRITE_BYTES = 256 * 1024;

/** Returns a chunk's body uncompressed: it is read from the payload again for each attempt. */
export function plainBody(source: PayloadSource, { start, end }: Slice): ReadyBody {
  const bytes = end - start;
  const open = (): AsyncIterable<Buffer> => source.open(start, end, 'reuse');
  if (source.bytes === undefined || bytes > ONE_WRITE_BYTES) return { bytes, open };
  return { bytes, whole: source.bytes.subarray(start, end), open };
}

/** Returns a chunk's body gzipped, once. A large one of message `id` is kept in the scratch, and found there later. */
export async function gzippedBody(
  source: PayloadSource,
  { start, end }: Slice,
  level: number,
  scratch: Scratch,
  id: string,
  chunk: number,
): Promise<ReadyBody> {
  const found = scratch.find(id, chunk);
  if (found) return found;
  const pieces = gzipped(source.open(start, end, 'reuse'), level);
  if (end - start > IN_MEMORY_BYTES) return scratch.write(id, chunk, pieces);
  const kept: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    kept.push(piece);
    bytes += piece.length;
  }
  const [first] = kept;
  return {
    bytes,
    ...(kept.length === 1 && first && bytes <= ONE_WRITE_BYTES ? { whole: first } : {}),
    async *open() {
      yield* kept;
    },
  };
}
