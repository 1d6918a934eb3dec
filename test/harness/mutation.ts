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

/** A command that takes longer hangs, as with a fault that lets a file be opened that never ends, and has failed. */
const MAX_MS = 180_000;

/** Whether a command (arguments of this Node.js) succeeds. */
const isPassing = (args: readonly string[]): boolean =>
  spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'ignore', timeout: MAX_MS, killSignal: 'SIGKILL' }).status ===
  0;

/**
 * Returns true if a command (arguments of this Node.js) fails with the fault. The file is restored afterwards, also at
 * Ctrl+C, which ends the child process too.
 */
function isFound({ file, check, without, also }: Mutation, args: readonly string[]): boolean {
  const path = join(ROOT, file);
  const before = readFileSync(path, 'utf8');
  requireCheck(before, { file, check });
  const keep = (): void => undefined;
  process.on('SIGINT', keep);
  try {
    writeFileSync(path, before.replaceAll(check, without));
    if (also) return isFound(also, args);
    return !isPassing(args);
  } finally {
    writeFileSync(path, before);
    process.off('SIGINT', keep);
  }
}

/** Fails unless each check of a mutation is still in its file, as it is written in the list. */
function requireChecks({ also, ...mutation }: Mutation): void {
  requireCheck(readFileSync(join(ROOT, mutation.file), 'utf8'), mutation);
  if (also) requireChecks(also);
}

function requireCheck(text: string, { file, check }: Pick<Mutation, 'file' | 'check'>): void {
  if (!text.includes(check)) throw new Error(`${file} has no such check: ${check}`);
}

/**
 * Returns the arguments that run the tests of a file whose titles contain `title`, up to the first that fails; to find
 * none is a failure.
 */
export function mochaArgs(title: string, test: string, timeoutMs = 20_000): string[] {
  const mocha = require.resolve('mocha/bin/mocha.js');
  return [mocha, '--timeout', String(timeoutMs), '--exit', '--bail', '--fail-zero', '-f', title, test];
}

/**
 * Tries each mutation, or those whose titles contain the command line's words, and prints a line about each and the
 * sums. `BROKEN`: the test fails without the fault too, so that its failure with it proves nothing. A missed or broken
 * one sets exit code 1. With `--check` it only looks whether each check is still in its file.
 */
export function tryAll<Kind extends Mutation>(
  mutations: readonly Kind[],
  titleOf: (mutation: Kind) => string,
  argsOf: (mutation: Kind) => readonly string[],
): void {
  const words = process.argv.slice(2).join(' ');
  if (words === '--check') {
    for (const mutation of mutations) requireChecks(mutation);
    return;
  }
  const counts = { found: 0, MISSED: 0, BROKEN: 0 };
  for (const mutation of mutations.filter((each) => titleOf(each).includes(words))) {
    const args = argsOf(mutation);
    const result = !isFound(mutation, args) ? 'MISSED' : isPassing(args) ? 'found' : 'BROKEN';
    counts[result] += 1;
    if (result !== 'found') process.exitCode = 1;
    process.stdout.write(`${result}: ${titleOf(mutation)} (${mutation.file})\n`);
  }
  process.stdout.write(`${counts.found} found, ${counts.MISSED} missed, ${counts.BROKEN} broken\n`);
}
