/** Takes a check out of a file of this repository, for as long as something is run to see whether it misses it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

/** A fault that is made on purpose. */
export interface Mutation {
  /** Below the root, e.g. `lib/payload/expand.ts`. */
  file: string;
  /** The check, as it stands there, and what stands in its place: at every place where it stands. */
  check: string;
  without: string;
  /** A second guard against the same: both have to go. */
  also?: Mutation;
}

/**
 * Whether a command (arguments of this Node.js) fails with the fault. The file is put back, also at Ctrl+C: the child gets that
 * too and ends.
 */
export function isFound({ file, check, without, also }: Mutation, args: readonly string[]): boolean {
  const path = join(ROOT, file);
  const before = readFileSync(path, 'utf8');
  if (!before.includes(check)) throw new Error(`${file} has no such check: ${check}`);
  const keep = (): void => undefined;
  process.on('SIGINT', keep);
  try {
    writeFileSync(path, before.replaceAll(check, without));
    if (also) return isFound(also, args);
    return spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'ignore' }).status !== 0;
  } finally {
    writeFileSync(path, before);
    process.off('SIGINT', keep);
  }
}

/** Tries each, says what is found and what is missed, and ends with an error where one is missed. */
export function tryAll<Kind extends Mutation>(
  mutations: readonly Kind[],
  titleOf: (mutation: Kind) => string,
  argsOf: (mutation: Kind) => readonly string[],
): void {
  const wanted = process.argv.slice(2).join(' ');
  for (const mutation of mutations.filter((each) => titleOf(each).includes(wanted))) {
    const found = isFound(mutation, argsOf(mutation));
    if (!found) process.exitCode = 1;
    process.stdout.write(`${found ? 'found' : 'MISSED'}: ${titleOf(mutation)} (${mutation.file})\n`);
  }
}
