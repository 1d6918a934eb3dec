/** Writes a small file atomically. */
import { constants, open } from '../files';
import { renameWithRetry } from './rename-with-retry';

/** Creates or empties a file for writing, and fails if it is a symbolic link (on Windows it would be followed). */
export const OVERWRITE =
  constants.O_WRONLY |
  constants.O_CREAT |
  constants.O_TRUNC |
  ((constants as Partial<typeof constants>).O_NOFOLLOW ?? 0);

/**
 * Writes `content` to `path` by way of `<path><suffix>`, fsync and rename, so that a kill leaves the old file or the
 * new one. An existing file is replaced. The caller syncs the folder, which makes the rename durable, once for several
 * files.
 * @param mode permissions of a new file
 * @throws the system's error
 */
export async function writeWholeFile(
  path: string,
  content: string | Uint8Array,
  { suffix, mode }: { suffix: string; mode: number },
): Promise<void> {
  const temporary = `${path}${suffix}`;
  const handle = await open(temporary, OVERWRITE, mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameWithRetry(temporary, path);
}
