/** Removes a check from a source file while tests run, to see whether they notice. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './node-red';

/** A deliberate fault. */
export interface Mutation {
  /** Path from the root, e.g. `lib/payload/expand.ts`. */
  file: string;
  /** The check as the source has it, and its replacement. Every occurrence is replaced. */
  check: string;
  without: string;
  /** A second guard against the same fault, which is removed as well. */
  also?: Mutation;
}

/**
 * Returns true if a command (arguments of this Node.js) fails with the fault. The file is restored afterwards, also at
 * Ctrl+C, which ends the child process too.
 */
function isFound({ file, check, without, also }: Mutation, args: readonly string[]): boolean {
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

/** Returns the arguments that run the tests of a file whose titles contain `title`. */
export function mochaArgs(title: string, test: string, timeoutMs = 20_000): string[] {
  return [require.resolve('mocha/bin/mocha.js'), '--timeout', String(timeoutMs), '--exit', '-f', title, test];
}

/** Tries each mutation, or those whose titles contain the command line's words. A missed one sets exit code 1. */
export function tryAll<Kind extends Mutation>(
  mutations: readonly Kind[],
  titleOf: (mutation: Kind) => string,
  argsOf: (mutation: Kind) => readonly string[],
): void {
  const words = process.argv.slice(2).join(' ');
  for (const mutation of mutations.filter((each) => titleOf(each).includes(words))) {
    const found = isFound(mutation, argsOf(mutation));
    if (!found) process.exitCode = 1;
    process.stdout.write(`${found ? 'found' : 'MISSED'}: ${titleOf(mutation)} (${mutation.file})\n`);
  }
}
