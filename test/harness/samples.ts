/** Other people's samples, read where they are on this machine (../shared/reference/samples). Never copied. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', '..', '..', 'shared', 'reference', 'samples');

/** Paths of the samples of a kind, sorted; empty where they are not on this machine. */
export function samplesIn(kind: string, ending: string): string[] {
  const folder = join(FOLDER, kind);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .toSorted()
    .map((name) => join(folder, name));
}

export const sample = (...path: string[]): Buffer => readFileSync(join(FOLDER, ...path));

/** Why a test of samples is skipped. */
export const NO_SAMPLES = 'the samples of ../shared/reference are not on this machine';
export const haveSamples = existsSync(FOLDER);
