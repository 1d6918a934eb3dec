/**
 * The limit of compression: Node's zlib alone, two ranges at a time (there are two cores), from memory, with the output
 * discarded. The fastest size of a write is determined on the first part of the file.
 */
import { createGzip } from 'node:zlib';
import { MIB, readPart, type Part } from '../files';
import { measured, serve } from '../harness/serve';

const WRITES = [256 * 1024, MIB, 4 * MIB];
let bytes: Buffer;
let ranges: Array<{ start: number; end: number }>;
let level: number;
let writeBytes = MIB;

async function gzipRange(start: number, end: number, piece: number): Promise<number> {
  // The output buffer is as large as the pieces of input: one trip to zlib's thread per write.
  const gzip = createGzip({ level, chunkSize: piece });
  let size = 0;
  gzip.on('data', (out: Buffer) => (size += out.length));
  const ended = new Promise((resolve, reject) => gzip.once('end', resolve).once('error', reject));
  for (let at = start; at < end; at += piece) {
    const canTakeMore = gzip.write(bytes.subarray(at, Math.min(at + piece, end)));
    if (!canTakeMore) await new Promise((resolve) => gzip.once('drain', resolve));
  }
  gzip.end();
  await ended;
  return size;
}

async function gzipAll(all: typeof ranges, piece: number): Promise<number> {
  const left = [...all];
  let size = 0;
  const line = async (): Promise<void> => {
    for (let range = left.shift(); range; range = left.shift()) size += await gzipRange(range.start, range.end, piece);
  };
  await Promise.all([line(), line()]);
  return size;
}

serve({
  /** Reads the file and determines the fastest size of a write. */
  async load(request: { part: Part; ranges: typeof ranges; level: number }) {
    bytes = readPart(request.part);
    ({ ranges, level } = request);
    const sample = Math.min(32 * MIB, Math.ceil(bytes.length / 2));
    const halves = [0, sample].map((start) => ({ start, end: Math.min(start + sample, bytes.length) }));
    let best = Number.POSITIVE_INFINITY;
    for (const piece of WRITES) {
      const { seconds } = await measured(async () => ({ bytes: await gzipAll(halves, piece), messages: 0 }));
      if (seconds >= best) continue;
      best = seconds;
      writeBytes = piece;
    }
    return { writeBytes };
  },
  compress: () =>
    measured(async () => {
      const compressed = await gzipAll(ranges, writeBytes);
      return { bytes: bytes.length, messages: 1, compressed };
    }),
});
