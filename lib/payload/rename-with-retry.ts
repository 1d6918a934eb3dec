/** Renames files that other programs may have open for a moment. The only place that renames (docs/windows.md). */
import { pause } from '../clock';
import { rename as fsRename } from '../files';

/**
 * Errors that may pass. On Windows a file that any program has open (a virus scanner, an indexer, a backup, a reader of
 * the file being replaced) cannot be renamed or replaced: MoveFileEx then fails with "access denied" or "sharing
 * violation". On other systems these codes are permanent.
 */
const PASSING = new Set(['EPERM', 'EACCES', 'EBUSY']);
/** 2.5 seconds in all (milliseconds): scanners close files sooner, and a missing permission should be reported soon. */
const WAITS_MS = [10, 20, 40, 80, 160, 320, 640, 1230];

/** The system functions, which tests replace. */
export interface RenameParts {
  rename(from: string | Buffer, to: string): Promise<void>;
  wait(ms: number): Promise<unknown>;
  platform: NodeJS.Platform;
}

const SYSTEM: RenameParts = {
  rename: (from, to) => fsRename(from, to),
  wait: (ms) => pause(ms),
  platform: process.platform,
};

/**
 * Renames a file, replacing an existing one; on Windows it retries.
 * @throws the last error of the file system
 */
export async function renameWithRetry(from: string | Buffer, to: string, parts: RenameParts = SYSTEM): Promise<void> {
  const waits = parts.platform === 'win32' ? WAITS_MS : [];
  for (const ms of waits) {
    try {
      await parts.rename(from, to);
      return;
    } catch (error) {
      if (!PASSING.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
    await parts.wait(ms);
  }
  await parts.rename(from, to);
}
