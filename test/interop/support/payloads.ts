/** Payload files of any size, random or compressible, each created once; and the SHA-256 of files. */
import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { workFolder } from './servers';

/** Random bytes do not compress; text of numbered lines compresses well. */
export type Content = 'random' | 'compressible';

/** A payload in a file. */
export interface PayloadFile {
  path: string;
  bytes: number;
  sha256: string;
}

const created = new Map<string, Promise<PayloadFile>>();
const PIECE = 1024 * 1024;

/** Returns a file of this many bytes. */
export function payloadFile(bytes: number, content: Content): Promise<PayloadFile> {
  const name = `${content}-${bytes}.dat`;
  const known = created.get(name) ?? create(name, bytes, content);
  created.set(name, known);
  return known;
}

async function create(name: string, bytes: number, content: Content): Promise<PayloadFile> {
  const path = join(await workFolder(), name);
  const sha256 = createHash('sha256');
  function* pieces(): Generator<Buffer> {
    for (let left = bytes, number = 0; left > 0; left -= PIECE, number += 1) {
      const piece = content === 'random' ? randomFillSync(Buffer.alloc(PIECE)) : lines(number);
      const part = piece.subarray(0, Math.min(left, PIECE));
      sha256.update(part);
      yield part;
    }
  }
  await pipeline(Readable.from(pieces(), { objectMode: false }), createWriteStream(path));
  return { path, bytes, sha256: sha256.digest('hex') };
}

/**
 * Returns a piece of text whose lines differ from all others, so that a missing, repeated or misplaced chunk changes the
 * hash, and so that it compresses as results do: 200 times smaller, a large one would be refused.
 */
function lines(number: number): Buffer {
  const count = PIECE / 64;
  const line = (_: unknown, n: number): string =>
    `OBX|${number * count + n}|NM|HbA1c^Haemoglobin A1c^Local||48|mmol/mol|20-41|H|||F\r`;
  return Buffer.from(Array.from({ length: count }, line).join('').slice(0, PIECE));
}

/** Returns the SHA-256 of a file, in hexadecimal. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

let next = 0;

/** Returns a new path in the work folder. */
export async function freshFile(): Promise<string> {
  next += 1;
  return join(await workFolder(), `received-${next}.dat`);
}
