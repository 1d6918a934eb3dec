/** Renaming where others may have the file open for a moment. The one place that renames (docs/windows.md). */
import { rename as fsRename } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * On Windows a file that anybody has open (a virus scanner, an indexer, a backup, whoever reads the one that gives way) cannot
 * be renamed or replaced: MoveFileEx then says "access denied" or "sharing violation". Elsewhere these codes are for good.
 */
const PASSING = new Set(['EPERM', 'EACCES', 'EBUSY']);
/** Together 2.5 seconds: scanners let go sooner, and a folder without permission should be told soon (milliseconds). */
const WAITS_MS = [10, 20, 40, 80, 160, 320, 640, 1230];

/** What tests put in the place of the system's own. */
export interface RenameParts {
  rename(from: string, to: string): Promise<void>;
  wait(ms: number): Promise<unknown>;
  platform: NodeJS.Platform;
}

const SYSTEM: RenameParts = {
  rename: (from, to) => fsRename(from, to),
  wait: (ms) => delay(ms),
  platform: process.platform,
};

/** Renames, over a file that is there; on Windows several times if need be. Throws the last error of the file system. */
export async function renameWithRetry(from: string, to: string, parts: RenameParts = SYSTEM): Promise<void> {
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
