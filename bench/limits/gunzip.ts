/**
 * The limit of receiving compressed messages: gunzip, checksum, write, fsync; no network. The chunks are in memory and
 * are expanded one after the other, as in the library.
 */
import { createGunzip } from 'node:zlib';
import { readPart, type Part } from '../files';
import { measured, serve } from '../harness/serve';
import { openTarget } from './target';

let chunks: Buffer[] = [];

serve({
  load({ parts }: { parts: Part[] }) {
    chunks = parts.map(readPart);
  },
  expand: ({ file }: { file: string }) =>
    measured(async () => {
      const target = openTarget(file);
      for (const chunk of chunks) {
        const gunzip = createGunzip({ chunkSize: 256 * 1024 });
        gunzip.end(chunk);
        for await (const piece of gunzip as AsyncIterable<Buffer>) await target.write(piece);
      }
      return { ...(await target.finish()), messages: 1 };
    }),
});
