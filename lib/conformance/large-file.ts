/** The file for 501 and 502: text that gzip shrinks only by a quarter, so that it still needs several chunks. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

export interface LargeFile {
  path: string;
  bytes: number;
  /** Hexadecimal. */
  md5: string;
}

const PIECE_BYTES = 3 * 256 * 1024;

/** Writes a new file of exactly `bytes` bytes. */
export async function makeLargeFile(path: string, bytes: number): Promise<LargeFile> {
  const random = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16));
  const zeros = Buffer.alloc(PIECE_BYTES);
  const hash = createHash('md5');
  const file = await open(path, 'wx', 0o600);
  try {
    for (let left = bytes; left > 0;) {
      const piece = Buffer.from(random.update(zeros).toString('base64'), 'latin1').subarray(0, left);
      hash.update(piece);
      await file.appendFile(piece);
      left -= piece.length;
    }
  } finally {
    await file.close();
  }
  return { path, bytes, md5: hash.digest('hex') };
}

/** Returns the MD5 of a file in hexadecimal, read from the disk instead of trusting the receiver's own digest. */
export async function md5Of(path: string): Promise<string> {
  const hash = createHash('md5');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
