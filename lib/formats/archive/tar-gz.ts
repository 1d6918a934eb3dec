/**
 * Opens tar.gz archives that others have made (the Data Landing Portal's answers, packages of FHIR definitions), and
 * writes them. An archive is hostile until read: its names are no paths here, and limits hold while it is expanded, not
 * after.
 */
import { once } from 'node:events';
import { createGunzip, createGzip, type Gunzip } from 'node:zlib';
import { createTarDecoder, createTarPacker, type ParsedTarEntry, type TarHeader } from 'modern-tar';
import { InvalidMessageError, MeshError, UnreadableError } from '../../errors';
import type { CsvSource } from '../csv/source';

/** What an archive may be at most, and have in it. */
export interface ArchiveLimits {
  /** Entries, folders among them. Default: 1,000. */
  files?: number;
  /** Of all files together, expanded (bytes). Default: 4 GB. */
  bytes?: number;
  /** How many times as large as its compressed bytes it may become. Default: 200; text seldom exceeds 30. */
  ratio?: number;
  /** Characters of a name with its folders. Default: 255. */
  nameLength?: number;
  /** What links, devices and pipes do: the archive is refused (default), or they are not there. */
  links?: 'refuse' | 'skip';
}

/** A file in an archive. */
export interface ArchivedFile {
  /**
   * With `/` between folders, as the archive has it: by a ustar header, GNU's long name or a PAX record. Never absolute,
   * never upwards; not to be used as a path all the same.
   */
  name: string;
  /** Bytes, as the archive says. */
  size: number;
  /** Yields its bytes. To be read before the next file is taken, or not at all. */
  pieces: () => AsyncIterable<Buffer>;
}

/** The limits where none are said. */
export const ARCHIVE_LIMITS: Required<ArchiveLimits> = {
  files: 1000,
  bytes: 4_000_000_000,
  ratio: 200,
  nameLength: 255,
  links: 'refuse',
};
/** The ratio is looked at from here on (bytes): small archives of one repeated character are harmless. */
const RATIO_FROM = 1024 * 1024;
const BLOCK = 512;
/** Files, links, devices, folders and pipes; PAX headers; GNU's long names. */
const KINDS = '\u00000123456xgLK';
const KINDS_WITHOUT_BYTES = '123456';
/** PAX says a size only of a file with more than 8 GiB, or to hide one. */
const NOT_PLAIN = 'has an entry that is no plain file, such as a sparse one, or one of more than 8 GiB';

/**
 * Yields the files of a tar.gz archive, one after the other, as a stream. Several gzip members are one archive (RFC
 * 1952), several tar archives are not: nothing may stand behind its end but zeros.
 * @throws UnreadableError when it is damaged or cut, exceeds a limit, has a link, a device or a sparse file, or a name
 *   that is unsafe or there twice; what `source` throws
 */
export async function* openTarGz(source: CsvSource, limits: ArchiveLimits = {}): AsyncGenerator<ArchivedFile> {
  const allowed = { ...ARCHIVE_LIMITS, ...limits };
  const { readable, writable } = createTarDecoder({ strict: true });
  const reader = readable.getReader();
  const writer = writable.getWriter();
  let failed: unknown;
  const headers = new HeaderWatch();
  const expanding = expand(source, allowed, (bytes) => {
    headers.watch(bytes);
    return writer.write(bytes);
  })
    .then(() => writer.close())
    .catch((error: unknown) => {
      failed ??= error;
      return writer.abort(error).catch(() => undefined);
    });
  const names = new Set<string>();
  try {
    for (;;) {
      const { value: entry, done } = await reader.read();
      if (done) break;
      requireEntry(entry.header, names, allowed);
      if (entry.header.type !== 'file') {
        await drain(entry);
        continue;
      }
      const body = entry.body.getReader();
      const pieces = async function* (): AsyncGenerator<Buffer> {
        for (;;) {
          const { value, done: isOver } = await body.read().catch((error: unknown) => {
            throw unreadable(failed ?? error);
          });
          if (isOver) return;
          yield Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        }
      };
      yield { name: entry.header.name, size: entry.header.size, pieces };
      // What was not read is read over.
      for await (const piece of pieces()) if (piece.length < 0) break;
    }
    await expanding;
    if (failed !== undefined) throw failed;
  } catch (error) {
    throw unreadable(failed ?? error);
  } finally {
    // A consumer that stops early, or an error: nothing more is expanded.
    await reader.cancel().catch(() => undefined);
    await writer.abort().catch(() => undefined);
    await expanding.catch(() => undefined);
  }
}

/** Expands the bytes of an archive, and hands them on as fast as they are taken. */
async function expand(
  source: CsvSource,
  allowed: Required<ArchiveLimits>,
  take: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  const gunzip = createGunzip();
  let compressed = 0;
  let expanded = 0;
  const feeding = feed(source, gunzip, (bytes) => (compressed += bytes));
  feeding.catch((error: unknown) => gunzip.destroy(error as Error));
  for await (const piece of gunzip as AsyncIterable<Buffer>) {
    expanded += piece.length;
    if (expanded > allowed.bytes) throw refused(`becomes larger than ${allowed.bytes} bytes`);
    if (expanded > RATIO_FROM && expanded > compressed * allowed.ratio) {
      throw refused(`becomes more than ${allowed.ratio} times as large as it is`);
    }
    await take(piece);
  }
  await feeding;
}

async function feed(source: CsvSource, gunzip: Gunzip, count: (bytes: number) => void): Promise<void> {
  for await (const piece of source.open(0, source.size)) {
    if (gunzip.destroyed) return;
    count(piece.length);
    if (!gunzip.write(piece)) await Promise.race([once(gunzip, 'drain'), once(gunzip, 'close')]);
  }
  gunzip.end();
}

/**
 * @throws UnreadableError for anything but a file or a folder with a safe name of its own; links are the caller's choice
 */
function requireEntry({ name, type, pax }: TarHeader, names: Set<string>, allowed: Required<ArchiveLimits>): void {
  if (type !== 'file' && type !== 'directory' && allowed.links === 'refuse') {
    throw refused('has a link, a device or a pipe');
  }
  if (Object.keys(pax ?? {}).some((key) => key === 'size' || key.startsWith('GNU.sparse.'))) throw refused(NOT_PLAIN);
  if (!isSafe(name, allowed.nameLength)) {
    throw refused('has a file with a name that leads elsewhere, is too long or cannot be shown');
  }
  if (names.has(name)) throw refused('has a name twice');
  names.add(name);
  if (names.size > allowed.files) throw refused(`has more than ${allowed.files} files`);
}

function isSafe(name: string, maxLength: number): boolean {
  const parts = name.replace(/\/$/, '').split('/');
  return (
    name.length <= maxLength &&
    !/[\p{Cc}\p{Cf}\p{Cs}\\:*?"<>|]/u.test(name) &&
    parts.every((part, index) => part !== '' && part !== '..' && (part !== '.' || index === 0))
  );
}

/**
 * Refuses the kinds of entries that modern-tar takes for plain files: sparse files, volume labels, the rest of a file
 * that began on another volume, and what is yet to be invented. Their bytes are not the bytes of a file.
 */
class HeaderWatch {
  #header = Buffer.alloc(0);
  /** Bytes of the entry that has begun. */
  #toPass = 0;

  /** @throws UnreadableError for an entry of such a kind that begins in these bytes */
  watch(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const passed = Math.min(this.#toPass, bytes.length - at);
      this.#toPass -= passed;
      at += passed;
      const piece = bytes.subarray(at, at + BLOCK - this.#header.length);
      at += piece.length;
      this.#header = Buffer.concat([this.#header, piece]);
      if (this.#header.length < BLOCK) return;
      this.#toPass = bytesOfEntry(this.#header);
      this.#header = Buffer.alloc(0);
    }
  }
}

/** Returns how many bytes stand between a header (POSIX.1-2001; capitals: GNU) and the next. */
function bytesOfEntry(header: Buffer): number {
  const kind = String.fromCharCode(header[156] ?? 0);
  if (!KINDS.includes(kind)) throw refused(NOT_PLAIN);
  if (KINDS_WITHOUT_BYTES.includes(kind)) return 0;
  // Numbers that are too large for octal digits are binary; a file of so many bytes has more than 8 GiB.
  const field = header.subarray(124, 136);
  const isBinary = ((field[0] ?? 0) & 0x80) !== 0;
  const size = isBinary ? Number(field.readBigUInt64BE(4)) : Number.parseInt(field.toString('latin1'), 8) || 0;
  return Math.ceil(size / BLOCK) * BLOCK;
}

async function drain({ body }: ParsedTarEntry): Promise<void> {
  const reader = body.getReader();
  while (!(await reader.read()).done);
}

function refused(what: string): UnreadableError {
  return new UnreadableError(`The archive ${what}. Nothing more was read of it.`, {
    advice: 'Ask the sender how the archive was made. Open it where files are scanned, if it has to be read.',
  });
}

/** Errors of zlib and of the tar reader may quote the archive. Those of the disk say nothing about it. */
function unreadable(error: unknown): Error {
  if (error instanceof MeshError) return error;
  if (error instanceof Error && 'syscall' in error) return error;
  return new UnreadableError('This is no tar.gz archive, or it is damaged or cut.', {
    advice: 'Ask the sender to send it again, and check that it was received whole.',
  });
}

/**
 * Yields the bytes of a tar.gz archive of files.
 * @throws InvalidMessageError for a name that {@link openTarGz} would refuse
 */
export async function* writeTarGz(
  files: Iterable<{ name: string; bytes: Buffer }> | AsyncIterable<{ name: string; bytes: Buffer }>,
): AsyncGenerator<Buffer> {
  const { readable, controller } = createTarPacker();
  const gzip = createGzip();
  const packing = (async (): Promise<void> => {
    const names = new Set<string>();
    for await (const { name, bytes } of files) {
      if (!isSafe(name, ARCHIVE_LIMITS.nameLength) || name.endsWith('/') || names.has(name)) {
        throw new InvalidMessageError('A file of the archive has a name that is unsafe, or there twice.', {
          advice: 'Name files by letters, digits, hyphens and dots, with / between folders.',
        });
      }
      names.add(name);
      const writer = controller.add({ name, size: bytes.length, type: 'file' }).getWriter();
      await writer.write(bytes);
      await writer.close();
    }
    controller.finalize();
  })();
  packing.catch((error: unknown) => controller.error(error));
  const compressing = (async (): Promise<void> => {
    const reader = readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      if (!gzip.write(value)) await once(gzip, 'drain');
    }
    gzip.end();
  })();
  compressing.catch((error: unknown) => gzip.destroy(error as Error));
  yield* gzip as AsyncIterable<Buffer>;
  await packing;
}
