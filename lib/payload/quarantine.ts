/**
 * The quarantine of a spool folder: `quarantine/<uuid>` for each start that found files of ours which no row names. They
 * are deleted after seven days, and put back if a row turns out to name one (docs/design.md, rule 7). The days are
 * counted while a process runs, by a clock that nobody sets: a wrong date deletes nothing.
 */
import { join } from 'node:path';
import { mkdir, readdir, readFile, rename, rm, rmdir } from '../files';
import { randomUUID } from '../random';
import { syncFolder } from './file-sink';
import { isSpoolName } from './spool-names';
import { writeWholeFile } from './whole-file';

const FOLDER = 'quarantine';
const AGE_FILE = 'age.json';
const PART = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** For how long files are kept there (milliseconds). */
export const QUARANTINE_MS = 7 * 24 * 60 * 60 * 1000;

/** How long the files of one part have been seen there. */
interface Age {
  /** Milliseconds, counted while processes ran. */
  ms: number;
  /** When that was written (milliseconds since 1970), so that two processes do not count the same hour twice. */
  at: number;
}

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
  const parts = await partsOf(join(folder, FOLDER));
  return [...found.map(({ name }) => join(folder, name)), ...(await inParts(parts, matches))];
}

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

/** The time of day (milliseconds since 1970), and the milliseconds of a clock that nobody sets. */
export interface QuarantineClocks {
  now(): number;
  steady(): number;
}

export class Quarantine {
  readonly #spool: string;
  readonly #root: string;
  readonly #clocks: QuarantineClocks;
  /** The steady time up to which this process has counted. */
  #counted: number;

  /** `spool`: the folder whose files it takes. */
  constructor(spool: string, clocks: QuarantineClocks) {
    this.#spool = spool;
    this.#root = join(spool, FOLDER);
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
    await this.#note(part, 0);
    for (const name of ours) await rename(join(this.#spool, name), join(part, name)).catch(ignoreMissing);
    for (const folder of [part, this.#root, this.#spool]) await syncFolder(folder);
  }

  /** Moves a file back into the spool folder. Returns whether it was in the quarantine. */
  async putBack(name: string): Promise<boolean> {
    for (const path of await inParts(await partsOf(this.#root), (each) => each === name)) {
      await rename(path, join(this.#spool, name));
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
      const before = await readAge(join(part, AGE_FILE));
      // Another process of the same store may have counted a part of this time; a clock that was set back counts none.
      const added = before === undefined ? 0 : Math.max(0, Math.min(elapsed, this.#clocks.now() - before.at));
      const ms = (before?.ms ?? 0) + added;
      if (ms >= QUARANTINE_MS) await remove(part);
      else await this.#note(part, ms);
    }
  }

  async #note(part: string, ms: number): Promise<void> {
    const age: Age = { ms, at: this.#clocks.now() };
    await writeWholeFile(join(part, AGE_FILE), JSON.stringify(age), { suffix: `.${randomUUID()}`, mode: 0o600 });
  }
}

/** Deletes our files in a part, and the part if nothing else is in it. */
async function remove(part: string): Promise<void> {
  for (const name of await readdir(part)) {
    if (isSpoolName(name) || name.startsWith(AGE_FILE)) await rm(join(part, name), { force: true });
  }
  await rmdir(part).catch(() => undefined);
}

/** Returns undefined for a note that is missing or damaged: its part then counts as new. */
async function readAge(path: string): Promise<Age | undefined> {
  try {
    const { ms, at } = JSON.parse(await readFile(path, 'utf8')) as Age;
    return Number.isFinite(ms) && Number.isFinite(at) ? { ms, at } : undefined;
  } catch {
    return undefined;
  }
}

function none(error: unknown): string[] {
  ignoreMissing(error);
  return [];
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}
