/**
 * The limit of receiving what is compressed: gunzip, checksum, write, fsync; no network. The chunks are in memory.
 * `parallel` chunks are expanded at a time (by zlib's threads) and written in order.
 */
import { createHash } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { readPart, type Part } from '../files';
import { measured, serve } from '../harness/serve';

let chunks: Buffer[] = [];

/** Expands one chunk; its pieces wait here while an earlier chunk is written, at most as long as that takes. */
function expand(chunk: Buffer): AsyncIterable<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  gunzip.end(chunk);
  return gunzip;
}

serve({
  load({ parts }: { parts: Part[] }) {
    chunks = parts.map(readPart);
  },
  expand: ({ file, parallel }: { file: string; parallel: number }) =>
    measured(async () => {
      const target = await open(`${file}.part`, 'w');
      const hash = createHash('sha256');
      let bytes = 0;
      const begun = chunks.slice(0, parallel).map(expand);
      for (let i = 0; i < chunks.length; i += 1) {
        for await (const piece of begun.shift() ?? []) {
          hash.update(piece);
          await target.write(piece, 0, piece.length, bytes);
          bytes += piece.length;
        }
        const next = chunks[i + parallel];
        if (next) begun.push(expand(next));
      }
      await target.sync();
      await target.close();
      await rename(`${file}.part`, file);
      return { bytes, messages: 1, sha256: hash.digest('hex') };
    }),
});
