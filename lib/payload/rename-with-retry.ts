/**
 * Renames and deletes files that other programs may have open for a moment. The only place that renames or deletes a
 * file of ours (docs/windows.md).
 */
import { pause } from '../clock';
import { rename as fsRename, rm } from '../files';

/**
 * Errors that may pass. On Windows a file that any program has open (a virus scanner, an indexer, a backup, a reader of
 * the file being replaced) cannot be renamed, replaced or deleted: the system then says "access denied" or "sharing
 * violation". On other systems these codes are permanent.
 */
const PASSING = new Set(['EPERM', 'EACCES', 'EBUSY']);
/** 2.5 seconds in all (milliseconds): scanners close files sooner, and a missing permission should be reported soon. */
const WAITS_MS = [10, 20, 40, 80, 160, 320, 640, 1230];

/** How long to wait, and where; tests replace them. */
interface RetryParts {
  wait(ms: number): Promise<unknown>;
  platform: NodeJS.Platform;
}

/** The system functions, which tests replace. */
export interface RenameParts extends RetryParts {
  rename(from: string | Buffer, to: string): Promise<void>;
}

/** As {@link RenameParts}. */
export interface RemoveParts extends RetryParts {
  remove(path: string): Promise<void>;
}

const WAITING: RetryParts = { wait: (ms) => pause(ms), platform: process.platform };
const RENAME: RenameParts = { ...WAITING, rename: (from, to) => fsRename(from, to) };
const REMOVE: RemoveParts = { ...WAITING, remove: (path) => rm(path, { force: true }) };

/**
 * Renames a file, replacing an existing one; on Windows it retries.
 * @throws the last error of the file system
 */
export function renameWithRetry(from: string | Buffer, to: string, parts: RenameParts = RENAME): Promise<void> {
  return retried(() => parts.rename(from, to), parts);
}

/**
 * Deletes a file, if it is there; on Windows it retries.
 * @throws the last error of the file system
 */
export function removeWithRetry(path: string, parts: RemoveParts = REMOVE): Promise<void> {
  return retried(() => parts.remove(path), parts);
}

async function retried(work: () => Promise<void>, parts: RetryParts): Promise<void> {
  const waits = parts.platform === 'win32' ? WAITS_MS : [];
  for (const ms of waits) {
    try {
      await work();
      return;
    } catch (error) {
      if (!PASSING.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    await parts.wait(ms);
  }
  await work();
}
