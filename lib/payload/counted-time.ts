/**
 * Time that is counted while processes run, by a clock that nobody sets, and noted in a file: for what is deleted after
 * days, so that a wrong date deletes nothing.
 */
import { machineNow, machineSteady } from '../clock';
import { readFile } from '../files';
import { randomUUID } from '../random';
import { writeWholeFile } from './whole-file';

/** The time of day (milliseconds since 1970), and the milliseconds of a clock that nobody sets. */
export interface CountingClocks {
  now(): number;
  steady(): number;
}

export const MACHINE_CLOCKS: CountingClocks = { now: machineNow, steady: machineSteady };

interface Note {
  /** Milliseconds, counted while processes ran. */
  ms: number;
  /** When that was written (milliseconds since 1970), so that two processes do not count the same hour twice. */
  at: number;
}

/**
 * Returns the time that a note has counted, with what has passed since (both in milliseconds). Of a note that is missing
 * or damaged, nothing: what it is about then counts as new.
 */
export async function countedTime(path: string, elapsedMs: number, now: number): Promise<number> {
  const before = await readNote(path);
  if (before === undefined) return 0;
  // Another process may have counted a part of this time; a clock that was set back counts none.
  return before.ms + Math.max(0, Math.min(elapsedMs, now - before.at));
}

/**
 * Notes how much time was counted.
 * @throws the system's error
 */
export async function noteCountedTime(path: string, ms: number, now: number): Promise<void> {
  const note: Note = { ms, at: now };
  await writeWholeFile(path, JSON.stringify(note), { suffix: `.${randomUUID()}`, mode: 0o600 });
}

async function readNote(path: string): Promise<Note | undefined> {
  try {
    const { ms, at } = JSON.parse(await readFile(path, 'utf8')) as Note;
    return Number.isFinite(ms) && Number.isFinite(at) ? { ms, at } : undefined;
  } catch {
    return undefined;
  }
}
