/**
 * Opens files by their paths: only regular files, never what a symbolic link points to, and never a pipe or a device
 * (docs/design.md, rule 8). Whoever may write into a folder could put a link there to a file that only we may read.
 */
import { constants, lstat, open, type FileHandle } from '../files';
import { withoutPath } from './file-error';

/** Identifies one state of a file. */
export interface FileStamp {
  /** Bytes. */
  size: number;
  mtimeMs: number;
  ino: number;
  /** When content, owner or mode changed last: unlike mtimeMs, nobody can set it. Missing in a stamp without it. */
  ctimeMs?: number;
}

/** `not-a-file` is the code of an error for a link, folder, pipe or device. */
const NOT_A_FILE = 'not-a-file';

/** Whether the error says that the path is no regular file. */
export function isNotAFile(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === NOT_A_FILE;
}

/**
 * Returns the stamp of a file, without opening it.
 * @throws an error without the path: the system's, or one that is `isNotAFile`
 */
export async function stampOf(path: string): Promise<FileStamp> {
  return stampFrom(
    await lstat(path).catch((error: unknown) => {
      throw withoutPath(error);
    }),
  );
}

/**
 * Opens a file for reading, and returns its stamp as the open file has it.
 * @throws an error without the path: the system's, or one that is `isNotAFile`
 */
export async function openRegularFile(path: string): Promise<{ handle: FileHandle; stamp: FileStamp }> {
  // Windows has neither flag. O_NONBLOCK: opening a pipe without a writer would wait for one.
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants> & { O_RDONLY: number };
  if (O_NOFOLLOW === 0) await stampOf(path);
  const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    // ELOOP: a link (EMLINK on FreeBSD). ENXIO: a socket.
    throw code === 'ELOOP' || code === 'EMLINK' || code === 'ENXIO' ? notAFile() : withoutPath(error);
  });
  try {
    return { handle, stamp: stampFrom(await handle.stat()) };
  } catch (error) {
    await handle.close();
    throw withoutPath(error);
  }
}

/** Whether both stamps are of one state of one file. A stamp without ctimeMs is compared without it. */
export function isSameState(one: FileStamp, other: FileStamp): boolean {
  return (
    one.size === other.size &&
    one.mtimeMs === other.mtimeMs &&
    one.ino === other.ino &&
    (one.ctimeMs === undefined || other.ctimeMs === undefined || one.ctimeMs === other.ctimeMs)
  );
}

/** @throws an error that is `isNotAFile` */
function stampFrom(found: { isFile(): boolean } & Required<FileStamp>): FileStamp {
  if (!found.isFile()) throw notAFile();
  const { size, mtimeMs, ino, ctimeMs } = found;
  return { size, mtimeMs, ino, ctimeMs };
}

function notAFile(): NodeJS.ErrnoException {
  return Object.assign(new Error('Not a regular file'), { code: NOT_A_FILE });
}
