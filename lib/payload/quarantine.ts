/**
 * The quarantine of a spool folder: `quarantine/<uuid>` for each start that found files of ours which no row names. They
 * are deleted after seven days, and put back if a row turns out to name one (docs/design.md, rule 7). The days are
 * counted while a process runs, by a clock that nobody sets: a wrong date deletes nothing.
 */
import { join } from 'node:path';
import { mkdir, readdir, rmdir } from '../files';
import { randomUUID } from '../random';
import { countedTime, noteCountedTime, type CountingClocks } from './counted-time';
import { isSpoolName } from './spool-names';
import { removeWithRetry, renameWithRetry } from './rename-with-retry';
import { syncFolder } from './sync-folder';

const FOLDER = 'quarantine';
const AGE_FILE = 'age.json';
const PART = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** For how long files are kept there (milliseconds). */
export const QUARANTINE_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Returns the paths of the files in a spool folder and in its quarantine whose names are ours and match; none if there
 * is no such folder.
 * @throws the system's error
 */
export async function spooledPaths(folder: string, matches: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    ignoreMissing(error);
    return [];
  });
  const found = entries.filter((entry) => entry.isFile() && isSpoolName(entry.name) && matches(entry.name));
  const parts = await partsOf(quarantineOf(folder));
  return [...found.map(({ name }) => join(folder, name)), ...(await inParts(parts, matches))];
}

/** Returns the folder of the quarantine of a spool folder. */
const quarantineOf = (folder: string): string => join(folder, FOLDER);

async function partsOf(root: string): Promise<string[]> {
  const names = await readdir(root).catch(none);
  return names.filter((name) => PART.test(name)).map((name) => join(root, name));
}

async function inParts(parts: readonly string[], matches: (name: string) => boolean): Promise<string[]> {
  const paths: string[] = [];
  for (const part of parts) {
    for (const name of await readdir(part).catch(none)) {
      if (isSpoolName(name) && matches(name)) paths.push(join(part, name));
    }
  }
  return paths;
}

export class Quarantine {
  readonly #spool: string;
  readonly #root: string;
  readonly #clocks: CountingClocks;
  /** The steady time up to which this process has counted. */
  #counted: number;

  /** `spool`: the folder whose files it takes. */
  constructor(spool: string, clocks: CountingClocks) {
    this.#spool = spool;
    this.#root = quarantineOf(spool);
    this.#clocks = clocks;
    this.#counted = clocks.steady();
  }

  /**
   * Moves files of the spool folder into the quarantine. A file that is gone is ignored.
   * @throws the system's error
   */
  async take(names: readonly string[]): Promise<void> {
    const ours = names.filter(isSpoolName);
    if (ours.length === 0) return;
    const part = join(this.#root, randomUUID());
    await mkdir(part, { recursive: true, mode: 0o700 });
    await noteCountedTime(join(part, AGE_FILE), 0, this.#clocks.now());
    for (const name of ours) await renameWithRetry(join(this.#spool, name), join(part, name)).catch(ignoreMissing);
    for (const folder of [part, this.#root, this.#spool]) await syncFolder(folder);
  }

  /** Moves a file back into the spool folder. Returns whether it was in the quarantine. */
  async putBack(name: string): Promise<boolean> {
    for (const path of await inParts(await partsOf(this.#root), (each) => each === name)) {
      await renameWithRetry(path, join(this.#spool, name));
      await syncFolder(this.#spool);
      return true;
    }
    return false;
  }

  /** Counts the time since the last call, and deletes what has been here for seven days. Call it about once an hour. */
  async age(): Promise<void> {
    const steady = this.#clocks.steady();
    const elapsed = steady - this.#counted;
    this.#counted = steady;
    for (const part of await partsOf(this.#root)) {
      const note = join(part, AGE_FILE);
      const ms = await countedTime(note, elapsed, this.#clocks.now());
      if (ms >= QUARANTINE_MS) await remove(part);
      else await noteCountedTime(note, ms, this.#clocks.now());
    }
  }
}

/** Deletes our files in a part, and the part if nothing else is in it. */
async function remove(part: string): Promise<void> {
  for (const name of await readdir(part)) {
    if (isSpoolName(name) || name.startsWith(AGE_FILE)) await removeWithRetry(join(part, name));
  }
  await rmdir(part).catch(() => undefined);
}

function none(error: unknown): string[] {
  ignoreMissing(error);
  return [];
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
