/** Makes new names in a folder durable. */
import { constants, open, type FileHandle } from '../files';

/**
 * What a file system says that cannot sync a folder, as some do that are mounted over a network. There is nothing to
 * wait for then; a disk that fails says something else (EIO, ENOSPC).
 */
const CANNOT = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EISDIR']);

/** The system functions, which tests replace. */
export interface SyncParts {
  open(folder: string): Promise<Pick<FileHandle, 'sync' | 'close'>>;
  platform: NodeJS.Platform;
}

const SYSTEM: SyncParts = { open: (folder) => open(folder, constants.O_RDONLY), platform: process.platform };

/**
 * Makes renames and new files in the folder durable. Windows cannot open a folder (EPERM, EISDIR), and does not need it:
 * NTFS journals names.
 * @throws the error of the file system
 */
export async function syncFolder(folder: string, parts: SyncParts = SYSTEM): Promise<void> {
  if (parts.platform === 'win32') return;
  const handle = await parts.open(folder);
  try {
    await handle.sync();
  } catch (error) {
    if (!CANNOT.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}
