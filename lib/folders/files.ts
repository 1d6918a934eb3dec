/** File operations that a kill cannot leave half done, and errors that name no file. */
import { readdir, rm, stat, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { StorageError } from '../errors';
import { withoutPath } from '../payload/file-error';
import { syncFolder } from '../payload/file-sink';
import { renameWithRetry } from '../payload/rename-with-retry';
import { writeWholeFile } from '../payload/whole-file';

/** Runs a file operation; its failure is a StorageError without the path, which may carry a patient's name. */
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

const ADVICE: Record<string, string> = {
  EACCES: 'Let the user who runs Node-RED read, write and delete in the folders.',
  EPERM: 'Let the user who runs Node-RED read, write and delete in the folders; or another program has the file open.',
  EXDEV: 'Have in, out, sent, failed and temp on one file system: a move between two cannot be made safe.',
  ENOENT: 'The folder is not there: check its path, and that its drive is connected.',
  ENOSPC: 'The disk is full: make room.',
};

/** Writes a whole file or none: a temporary one beside it, fsync, rename. What was there is replaced. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeWholeFile(path, content, { suffix: '.part', mode: 0o660 });
  await syncFolder(dirname(path));
}

/** Moves a file within one file system, durably. What was there is replaced. */
export async function moveFile(from: string, to: string): Promise<void> {
  await renameWithRetry(from, to);
  await syncFolder(dirname(to));
}

/** Names in a folder, files only; none where the folder is not there. */
export async function fileNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** Names of the folders in a folder; none where it is not there. */
export async function folderNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

/** Whether there is a file or folder of this path. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    },
  );
}

/** Removes a folder and what is in it. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

/**
 * The folders of one mailbox, made where they are not there. The client's installations have them as `in` or `IN`: the one
 * that is there is used.
 */
export async function clientFolders(root: string): Promise<Record<'in' | 'out' | 'sent' | 'failed' | 'temp', string>> {
  await mkdir(root, { recursive: true });
  const there = await folderNames(root);
  const place = async (name: string): Promise<string> => {
    const folder = join(root, there.find((found) => found.toLowerCase() === name) ?? name);
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
