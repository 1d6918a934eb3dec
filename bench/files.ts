/**
 * The payloads of the bench, generated from a seed: the same bytes on every machine. They stay in the system's
 * temporary folder (or BENCH_FOLDER) for the next run; `npm run bench -- --clean` removes them.
 */
import { createCipheriv } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export const MIB = 1024 * 1024;
export const FOLDER = join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'mesh-bench-files');
/** Chunk size of prepared messages (bytes, uncompressed), as the NHS Java client sends them. */
const CHUNK_BYTES = 20_000_000;
const gzipped = promisify(gzip);

/** A range of a file. */
export interface Part {
  file: string;
  start: number;
  end: number;
}

/** Generates `name` if it does not exist yet; an incomplete file ends with .part. */
function once(name: string, make: (handle: number) => void): string {
  mkdirSync(FOLDER, { recursive: true });
  const file = join(FOLDER, name);
  if (existsSync(file)) return file;
  const handle = openSync(`${file}.part`, 'w');
  make(handle);
  closeSync(handle);
  renameSync(`${file}.part`, file);
  return file;
}

/** Generates a file of pieces. */
export function piecesFile(name: string, pieces: Iterable<Buffer>): string {
  return once(name, (handle) => {
    for (const piece of pieces) writeAll(handle, piece);
  });
}

/** Generates bytes that no compressor can shrink and that never repeat: the key stream of AES in counter mode. */
export function randomFile(bytes: number): string {
  return once(`random-${bytes}.bin`, (handle) => {
    const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'bench'), Buffer.alloc(16));
    const zeros = Buffer.alloc(16 * MIB);
    for (let left = bytes; left > 0; left -= zeros.length) {
      writeAll(handle, cipher.update(zeros.subarray(0, Math.min(left, zeros.length))));
    }
  });
}

/** Repeats the first 64 MiB of the random file: cheap to generate, and still random within zlib's window. */
export function repeatedRandomFile(bytes: number): string {
  const block = readPart({ file: randomFile(64 * MIB), start: 0, end: 64 * MIB });
  return once(`repeated-${bytes}.bin`, (handle) => {
    for (let left = bytes; left > 0; left -= block.length)
      writeAll(handle, block.subarray(0, Math.min(left, 64 * MIB)));
  });
}

/** Returns the chunks of a message of repeated random bytes, which a server can serve without storing it whole. */
export function repeatedParts(bytes: number): Part[] {
  const file = randomFile(64 * MIB);
  return Array.from({ length: Math.ceil(bytes / CHUNK_BYTES) }, (_, i) => ({
    file,
    start: 0,
    end: Math.min(CHUNK_BYTES, bytes - i * CHUNK_BYTES),
  }));
}

/**
 * Generates an extract as an NHS trust sends it: one appointment per line. 32 MiB of rows repeat, far beyond zlib's
 * window.
 */
export function csvFile(bytes: number): string {
  return once(`csv-${bytes}.csv`, (handle) => {
    const block = csvRows(Math.min(bytes, 32 * MIB));
    for (let left = bytes; left > 0; left -= block.length)
      writeAll(handle, block.subarray(0, Math.min(left, block.length)));
  });
}

function csvRows(bytes: number): Buffer {
  let state = 20_260_101;
  // xorshift32 (Marsaglia, 2003).
  const next = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const pick = (list: readonly string[]): string => list[next(list.length)] ?? '';
  const digits = (count: number): string => String(next(10 ** count)).padStart(count, '0');
  const date = (firstYear: number, years: number): string =>
    `${firstYear + next(years)}-${String(1 + next(12)).padStart(2, '0')}-${String(1 + next(28)).padStart(2, '0')}`;
  const rows = ['nhs_number,family_name,given_name,born,postcode,appointment,time,clinic,treatment,outcome,tariff\n'];
  let size = rows[0]?.length ?? 0;
  while (size < bytes) {
    const row =
      `999${digits(7)},${pick(FAMILY)},${pick(GIVEN)},${date(1930, 90)},${pick(AREA)}${1 + next(20)} ${next(10)}${pick(INWARD)},` +
      `${date(2023, 3)},${String(8 + next(10)).padStart(2, '0')}:${pick(QUARTER)},${pick(CLINIC)},${pick(LETTER)}${digits(2)}.${next(10)},` +
      `${pick(OUTCOME)},${20 + next(400)}.${digits(2)}\n`;
    rows.push(row);
    size += row.length;
  }
  return Buffer.from(rows.join(''), 'latin1').subarray(0, bytes);
}

const FAMILY =
  'SMITH JONES TAYLOR BROWN WILLIAMS WILSON JOHNSON DAVIES PATEL ROBINSON WRIGHT THOMPSON EVANS WALKER WHITE KHAN ROBERTS GREEN HALL WOOD'.split(
    ' ',
  );
const GIVEN =
  'OLIVIA AMELIA ISLA AVA IVY FREYA LILY FLORENCE MIA WILLOW NOAH MUHAMMAD GEORGE OLIVER LEO ARTHUR OSCAR THEODORE FREDDIE HARRY'.split(
    ' ',
  );
const AREA = ['LS', 'M', 'B', 'SW', 'EC', 'BS', 'NE', 'CF', 'EX', 'YO'];
const INWARD = ['AB', 'DE', 'FG', 'HJ', 'LN', 'PQ', 'RS', 'TU', 'WX', 'YZ'];
const QUARTER = ['00', '15', '30', '45'];
const CLINIC = ['CARDIOLOGY', 'DERMATOLOGY', 'ENT', 'OPHTHALMOLOGY', 'ORTHOPAEDICS', 'PAEDIATRICS', 'RHEUMATOLOGY'];
const LETTER = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];
const OUTCOME = [
  'ATTENDED',
  'DID NOT ATTEND',
  'CANCELLED BY PATIENT',
  'CANCELLED BY HOSPITAL',
  'FOLLOW UP',
  'DISCHARGED',
];

/** Cuts a file into the chunks of a message. */
export function partsOf(file: string, chunkBytes = CHUNK_BYTES): Part[] {
  const { size } = statSync(file);
  return Array.from({ length: Math.ceil(size / chunkBytes) }, (_, i) => ({
    file,
    start: i * chunkBytes,
    end: Math.min(size, (i + 1) * chunkBytes),
  }));
}

/** Cuts a file into chunks, each gzipped by itself at zlib's default level, as today's senders do. */
export async function gzippedPartsOf(file: string): Promise<Part[]> {
  mkdirSync(FOLDER, { recursive: true });
  const target = `${file}.gz-chunks`;
  const sizes: number[] = [];
  const parts = partsOf(file);
  if (!existsSync(target)) {
    const handle = openSync(`${target}.part`, 'w');
    for (const part of parts) writeAll(handle, await gzipped(readPart(part)));
    closeSync(handle);
    renameSync(`${target}.part`, target);
  }
  // The header of each gzip member marks its start: magic, deflate, no flags, no time, no extra flags.
  const bytes = readPart({ file: target, start: 0, end: statSync(target).size });
  const magic = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0]);
  for (let at = 0; at >= 0 && at < bytes.length;) {
    const next = bytes.indexOf(magic, at + magic.length);
    sizes.push((next < 0 ? bytes.length : next) - at);
    at = next;
  }
  if (sizes.length !== parts.length) throw new Error(`${target}: ${sizes.length} members of ${parts.length}`);
  let start = 0;
  return sizes.map((size) => ({ file: target, start, end: (start += size) }));
}

/** Reads the bytes of a part. */
export function readPart({ file, start, end }: Part): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  const handle = openSync(file, 'r');
  let done = 0;
  while (done < bytes.length) done += readSync(handle, bytes, done, bytes.length - done, start + done);
  closeSync(handle);
  return bytes;
}

function writeAll(handle: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += writeSync(handle, bytes, done);
}

/** Returns the free disk space where the files are (GiB). */
export async function freeGiB(): Promise<number> {
  mkdirSync(FOLDER, { recursive: true });
  const { bavail, bsize } = await statfs(FOLDER);
  return (bavail * bsize) / 1024 ** 3;
}

/** Removes all generated files. */
export function removeFiles(): void {
  rmSync(FOLDER, { recursive: true, force: true });
}
