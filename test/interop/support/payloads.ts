/** Payload files of any size, random or compressible, made once for each kind; and the SHA-256 of files. */
import { createHash, randomFillSync } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { workFolder } from './servers';

/** Random bytes cannot be compressed; text of numbered lines can, to a small part. */
export type Content = 'random' | 'compressible';

/** A payload in a file. */
export interface PayloadFile {
  path: string;
  bytes: number;
  sha256: string;
}

const made = new Map<string, Promise<PayloadFile>>();
const PIECE = 1024 * 1024;

/** A file of so many bytes. */
export function payloadFile(bytes: number, content: Content): Promise<PayloadFile> {
  const name = `${content}-${bytes}.dat`;
  const known = made.get(name) ?? make(name, bytes, content);
  made.set(name, known);
  return known;
}

async function make(name: string, bytes: number, content: Content): Promise<PayloadFile> {
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

/** Every piece is another one: a chunk that is missing, doubled or out of place changes the sum. */
function lines(number: number): Buffer {
  const line = `OBX|${number}|NM|HbA1c^Haemoglobin A1c^Local||48|mmol/mol|20-41|H|||F\r`;
  return Buffer.from(line.repeat(Math.ceil(PIECE / line.length)).slice(0, PIECE));
}

/** Of a file's bytes, hex. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

let next = 0;

/** A path in the work folder that is not there yet. */
export async function freshFile(): Promise<string> {
  next += 1;
  return join(await workFolder(), `received-${next}.dat`);
}
