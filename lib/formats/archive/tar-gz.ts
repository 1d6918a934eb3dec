/**
 * Opens tar.gz archives that others have made (the Data Landing Portal answers with one), and writes them. An archive is
 * hostile until read: its names are no paths here, it has files only, and limits hold while it is expanded, not after.
 */
import { once } from 'node:events';
import { createGunzip, createGzip, type Gunzip } from 'node:zlib';
import { createTarDecoder, createTarPacker, type ParsedTarEntry, type TarHeader } from 'modern-tar';
import { InvalidMessageError, MeshError, UnreadableError } from '../../errors';
import type { CsvSource } from '../csv/source';

/** What an archive may be at most. */
export interface ArchiveLimits {
  /** Default: 1,000. */
  files?: number;
  /** Of all files together, expanded. Default: 4 GiB. */
  bytes?: number;
  /** How many times as large as its compressed bytes it may become. Default: 200; text seldom exceeds 30. */
  ratio?: number;
}

/** A file in an archive. */
export interface ArchivedFile {
  /** With `/` between folders. Never absolute, never upwards; not to be used as a path all the same. */
  name: string;
  /** Bytes, as the archive says. */
  size: number;
  /** Yields its bytes. To be read before the next file is taken, or not at all. */
  pieces: () => AsyncIterable<Buffer>;
}

const DEFAULTS: Required<ArchiveLimits> = { files: 1000, bytes: 4 * 1024 ** 3, ratio: 200 };
/** The ratio is looked at from here on (bytes): small archives of one repeated character are harmless. */
const RATIO_FROM = 1024 * 1024;
const MAX_NAME = 255;

/**
 * Yields the files of a tar.gz archive, one after the other, as a stream.
 * @throws UnreadableError when it is damaged or cut, exceeds a limit, has a link or device, or a name that is unsafe or
 *   there twice; what `source` throws
 */
export async function* openTarGz(source: CsvSource, limits: ArchiveLimits = {}): AsyncGenerator<ArchivedFile> {
  const allowed = { ...DEFAULTS, ...limits };
  const { readable, writable } = createTarDecoder({ strict: true });
  const reader = readable.getReader();
  const writer = writable.getWriter();
  let failed: unknown;
  const expanding = expand(source, allowed, (bytes) => writer.write(bytes))
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
      requireFile(entry.header, names, allowed.files);
      if (entry.header.type === 'directory') {
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

/** @throws UnreadableError for anything but a file or folder with a safe name of its own */
function requireFile({ name, type = 'file' }: TarHeader, names: Set<string>, maxFiles: number): void {
  if (type !== 'file' && type !== 'directory') throw refused('has a link, a device or a pipe');
  if (!isSafe(name)) throw refused('has a file with a name that leads elsewhere or cannot be shown');
  if (names.has(name)) throw refused('has a name twice');
  names.add(name);
  if (names.size > maxFiles) throw refused(`has more than ${maxFiles} files`);
}

function isSafe(name: string): boolean {
  const parts = name.replace(/\/$/, '').split('/');
  return (
    name.length <= MAX_NAME &&
    !/[\p{Cc}\p{Cf}\p{Cs}\\:*?"<>|]/u.test(name) &&
    parts.every((part, index) => part !== '' && part !== '..' && (part !== '.' || index === 0))
  );
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

/** Errors of zlib and of the tar reader may quote the archive. */
function unreadable(error: unknown): Error {
  if (error instanceof MeshError) return error;
  return new UnreadableError('The payload is no tar.gz archive, or it is damaged or cut.', {
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
      if (!isSafe(name) || name.endsWith('/') || names.has(name)) {
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
