/** File operations that a kill cannot leave half done, with errors that do not name files. */
import { dirname, join } from 'node:path';
import { mkdir, open, readdir, rmdir, stat, type FileHandle } from '../files';
import { StorageError } from '../errors';
import type { FolderEntry } from './pairing';
import { withoutPath } from '../payload/file-error';
import { openRegularFile, stampOf } from '../payload/regular-file';
import { OVERWRITE, writeWholeFile } from '../payload/whole-file';
import { removeWithRetry, renameWithRetry } from '../payload/rename-with-retry';
import { syncFolder } from '../payload/sync-folder';

/**
 * Runs a file operation.
 * @throws StorageError when it fails, without the path, which may contain a patient's name
 */
export async function onDisk<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const cause = withoutPath(error);
    throw new StorageError(
      `A file of the MESH Client's folders could not be read, written or moved (${cause.message}).`,
      {
        cause,
        advice: ADVICE[cause.code ?? ''] ?? 'Check the folders, their permissions and the disk.',
      },
    );
  }
}

const COPY_BYTES = 1024 * 1024;

const ADVICE: Record<string, string> = {
  EACCES: 'Allow the user who runs Node-RED to read, write and delete in the folders.',
  EPERM:
    'Allow the user who runs Node-RED to read, write and delete in the folders; or another program has the file open.',
  EXDEV: 'Put in, out, sent, failed and temp on one file system: a move between file systems is not safe.',
  ENOENT: 'The folder does not exist: check its path, and that its drive is connected.',
  ENOSPC: 'The disk is full: free some space.',
  'not-a-file': 'A file is a symbolic link, a folder or a pipe: it is not followed. Replace it by the file itself.',
};

/** Writes a file atomically and durably, by way of a temporary file beside it. An existing file is replaced. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeWholeFile(path, content, { suffix: '.part', mode: 0o660 });
  await syncFolder(dirname(path));
}

/** Moves a file within one file system, durably. An existing file is replaced. */
export async function moveFile(from: string | Buffer, to: string): Promise<void> {
  await renameWithRetry(from, to);
  await syncFolder(dirname(to));
}

/**
 * Moves a regular file, or copies it if it is on another file system: its bytes are on the disk afterwards. An existing
 * file is replaced. What a link points to is never taken.
 */
export async function takeFile(from: string, to: string): Promise<void> {
  const { handle, stamp } = await openRegularFile(from);
  try {
    const isMoved = await renameWithRetry(from, to).then(
      () => true,
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === 'EXDEV') return false;
        throw error;
      },
    );
    if (!isMoved) await copyDurably(handle, to);
    else {
      // Somebody may have put another file, or a link, in its place meanwhile.
      if ((await stampOf(to)).ino !== stamp.ino) throw Object.assign(new Error('replaced'), { code: 'EBUSY' });
      // Windows syncs only what is open for writing; its files were written through by whoever made them, or not.
      if (process.platform !== 'win32') await handle.sync();
    }
  } finally {
    await handle.close();
  }
}

async function copyDurably(from: FileHandle, to: string): Promise<void> {
  const copy = await open(to, OVERWRITE, 0o660);
  try {
    const buffer = Buffer.allocUnsafeSlow(COPY_BYTES);
    for (let at = 0; ;) {
      const { bytesRead } = await from.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      await copy.writeFile(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    await copy.sync();
  } finally {
    await copy.close();
  }
}

/** Returns the names of the files in a folder; none if the folder does not exist. */
export async function fileNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** Returns the names of the folders in a folder; none if it does not exist. */
export async function folderNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Whether a file or folder exists. */
export async function pathExists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    },
  );
}

/** Returns the entries of a folder by the bytes of their names; none if the folder does not exist. */
export async function folderEntries(folder: string): Promise<FolderEntry[]> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.map((entry) => ({ bytes: entry.name, isFile: entry.isFile() }));
}

/** Returns the path of a name whose bytes may be no UTF-8. */
export function pathOf(folder: string, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(join(folder, '/')), name]);
}

/** Deletes these files of a folder of ours, and the folder if nothing else is in it. */
export async function removeOwn(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await removeWithRetry(join(folder, name));
  await rmdir(folder).catch(() => undefined);
}

/**
 * Returns the folders of one mailbox, creating those that do not exist. Installations of the client name them `in` or
 * `IN`: an existing one is used.
 */
export async function clientFolders(root: string): Promise<Record<'in' | 'out' | 'sent' | 'failed' | 'temp', string>> {
  await mkdir(root, { recursive: true });
  const existing = await folderNames(root);
  const place = async (name: string): Promise<string> => {
    const folder = join(root, existing.find((found) => found.toLowerCase() === name) ?? name);
    await mkdir(folder, { recursive: true });
    return folder;
  };
  return {
    in: await place('in'),
    out: await place('out'),
    sent: await place('sent'),
    failed: await place('failed'),
    temp: await place('temp'),
  };
}
