/** The file that a limit receives into: buffered writes, a running checksum, fsync and rename at the end. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { rename } from 'node:fs/promises';
import { MIB } from '../files';

/** A file that takes pieces in order. */
export interface Target {
  write(piece: Buffer): Promise<void>;
  finish(): Promise<{ bytes: number; sha256: string }>;
}

/** Opens a target. Pieces that arrive while the disk is busy are written together (writev). */
export function openTarget(file: string): Target {
  const hash = createHash('sha256');
  const stream = createWriteStream(`${file}.part`, { highWaterMark: 4 * MIB, flush: true });
  let bytes = 0;
  return {
    async write(piece) {
      const canTakeMore = stream.write(piece);
      hash.update(piece);
      bytes += piece.length;
      if (!canTakeMore) await once(stream, 'drain');
    },
    async finish() {
      stream.end();
      await once(stream, 'close');
      await rename(`${file}.part`, file);
      return { bytes, sha256: hash.digest('hex') };
    },
  };
}
