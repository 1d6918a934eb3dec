/** A small file, whole or not at all. */
import { open } from 'node:fs/promises';
import { renameWithRetry } from './rename-with-retry';

/**
 * Writes `content` to `path` by way of `<path><suffix>`: fsync, then rename, so that a kill leaves the old file or the new
 * one. What was there is replaced. The folder's own fsync, which makes the rename durable, is the caller's: he may have
 * several. Rejects with the system's error.
 * @param mode of a new file
 */
export async function writeWholeFile(
  path: string,
  content: string | Uint8Array,
  { suffix, mode }: { suffix: string; mode: number },
): Promise<void> {
  const temporary = `${path}${suffix}`;
  const handle = await open(temporary, 'w', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await renameWithRetry(temporary, path);
}
