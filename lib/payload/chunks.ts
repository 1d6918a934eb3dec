/**
 * A payload cut into chunks, each made ready to be sent. MESH's rule: the uncompressed bytes are cut, and each chunk is gzipped
 * by itself (mesh-api.yaml, send_chunk).
 */
import { gzipped } from './gzip';
import type { ReadyBody, Scratch } from './scratch';
import type { PayloadSource } from './source';

/** A chunk's place in the payload: bytes from `start` up to, not including, `end`. */
export interface Slice {
  start: number;
  end: number;
}

/** Where the payload is cut. One slice if it fits. */
export function splitPayload(size: number, chunkBytes: number): Slice[] {
  const slices: Slice[] = [];
  for (let start = 0; start < size; start += chunkBytes) {
    slices.push({ start, end: Math.min(start + chunkBytes, size) });
  }
  return slices;
}

/** Of a larger chunk the compressed bytes wait in a file, not in memory (bytes, uncompressed). */
export const IN_MEMORY_BYTES = 32 * 1024 * 1024;
/** A body up to this is written to its connection in one go: more would keep other flows waiting (bytes). */
const AT_ONCE_BYTES = 256 * 1024;

/** The bytes of a chunk as they are: read from the payload again for each attempt. */
export function plainBody(source: PayloadSource, { start, end }: Slice): ReadyBody {
  const bytes = end - start;
  const open = (): AsyncIterable<Buffer> => source.open(start, end, 'reuse');
  if (source.bytes === undefined || bytes > AT_ONCE_BYTES) return { bytes, open };
  return { bytes, whole: source.bytes.subarray(start, end), open };
}

/** A chunk's gzip, made once; a large one in the scratch under `name`, unless it is there already. */
export async function gzippedBody(
  source: PayloadSource,
  { start, end }: Slice,
  level: number,
  scratch: Scratch,
  name: string,
): Promise<ReadyBody> {
  const there = scratch.find(name);
  if (there) return there;
  const pieces = gzipped(source.open(start, end, 'reuse'), level);
  if (end - start > IN_MEMORY_BYTES) return scratch.write(name, pieces);
  const held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    held.push(piece);
    bytes += piece.length;
  }
  const [first] = held;
  return {
    bytes,
    ...(held.length === 1 && first && bytes <= AT_ONCE_BYTES ? { whole: first } : {}),
    async *open() {
      yield* held;
    },
  };
}
