/** Samples published by others, read in place (../shared/reference/samples) and never copied into the repository. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', '..', '..', 'shared', 'reference', 'samples');

/** Returns the sorted paths of the samples of a kind, or none if the samples are not on this machine. */
export function samplesIn(kind: string, ending: string): string[] {
  const folder = join(FOLDER, kind);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .toSorted()
    .map((name) => join(folder, name));
}

/** Returns the bytes of a sample. */
export const sample = (...path: string[]): Buffer => readFileSync(join(FOLDER, ...path));

/** The reason why a test of samples is skipped. */
export const NO_SAMPLES = 'the samples of ../shared/reference are not on this machine';
export const haveSamples = existsSync(FOLDER);
