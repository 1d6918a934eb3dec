/**
 * Reads FHIR packages: npm's form, a gzipped tar (https://confluence.hl7.org/display/FHIR/NPM+Package+Specification).
 * Nothing is written to a disk; the limits keep a hostile archive from filling the memory.
 */
import { gunzipSync } from 'node:zlib';

/** A regular file of an archive. */
export interface ArchiveFile {
  /** As in the archive: `package/StructureDefinition-UKCore-Patient.json`. */
  name: string;
  bytes: Buffer;
}

/** Largest package, compressed (bytes). HL7's own for R4 has 5 MB. */
export const MAX_ARCHIVE_BYTES = 64 * 1024 * 1024;
/** Largest package, expanded (bytes). */
const MAX_EXPANDED_BYTES = 512 * 1024 * 1024;
/** Expanded bytes for each compressed byte, above which it is not a package. Definitions reach about 20. */
const MAX_RATIO = 200;
/** A ratio says nothing about small archives. */
const RATIO_COUNTS_FROM = 16 * 1024 * 1024;
const MAX_FILES = 20_000;
const BLOCK = 512;

/**
 * Returns the regular files of a gzipped tar.
 * @throws Error that says which limit it exceeds, or where it is damaged
 */
export function readArchive(gzipped: Buffer): ArchiveFile[] {
  if (gzipped.length > MAX_ARCHIVE_BYTES) {
    throw new Error(`The archive is larger than ${MAX_ARCHIVE_BYTES / 1024 / 1024} MiB.`);
  }
  const limit = Math.min(MAX_EXPANDED_BYTES, Math.max(RATIO_COUNTS_FROM, gzipped.length * MAX_RATIO));
  const tar = expand(gzipped, limit);
  const files: ArchiveFile[] = [];
  let entries = 0;
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= tar.length;) {
    const header = tar.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    const size = octal(header, 124, 12);
    const type = String.fromCharCode(header[156] ?? 0);
    const bytes = tar.subarray(at + BLOCK, at + BLOCK + size);
    if (!isChecksumRight(header) || bytes.length < size) throw new Error('The archive is damaged or cut off.');
    entries += 1;
    if (entries > MAX_FILES) throw new Error(`The archive has more than ${MAX_FILES} entries.`);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    if (type === 'L' || type === 'x') {
      // GNU's and POSIX's ways to write names of more than 100 characters stand before their file.
      longName = type === 'L' ? cString(bytes) : (paxPath(bytes) ?? longName);
      continue;
    }
    const name = longName ?? headerName(header);
    longName = undefined;
    // Folders, links and devices hold no definitions.
    if (type !== '0' && type !== '\0') continue;
    if (name.startsWith('/') || name.includes('\\') || name.split('/').includes('..')) {
      throw new Error('The archive has a file whose name leads out of it.');
    }
    files.push({ name, bytes });
  }
  return files;
}

function expand(gzipped: Buffer, limit: number): Buffer {
  try {
    return gunzipSync(gzipped, { maxOutputLength: limit });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new Error('The archive is not gzip, or it is damaged.', { cause: error });
    }
    throw new Error(`The archive expands to more than ${Math.floor(limit / 1024 / 1024)} MiB.`, { cause: error });
  }
}

function octal(header: Buffer, start: number, length: number): number {
  const digits = cString(header.subarray(start, start + length)).trim();
  if (!/^[0-7]*$/.test(digits)) throw new Error('The archive is damaged: a size is not a number.');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** The sum of the header's bytes, its own field counted as spaces. */
function isChecksumRight(header: Buffer): boolean {
  let sum = 0;
  for (const [at, byte] of header.entries()) sum += at >= 148 && at < 156 ? 32 : byte;
  return sum === octal(header, 148, 8);
}

function headerName(header: Buffer): string {
  const isUstar = header.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar ? cString(header.subarray(345, 500)) : '';
  const name = cString(header.subarray(0, 100));
  return prefix === '' ? name : `${prefix}/${name}`;
}

function paxPath(bytes: Buffer): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(bytes.toString('utf8'))?.[1];
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}
