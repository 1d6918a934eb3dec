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

/** Does work while a fault is in the source. The file is restored afterwards, also at Ctrl+C, which ends a child too. */
export function withFault<Result>({ file, check, without, also }: Mutation, work: () => Result): Result {
  const path = join(ROOT, file);
  const before = readFileSync(path, 'utf8');
  requireCheck(before, { file, check });
  const keep = (): void => undefined;
  process.on('SIGINT', keep);
  try {
    writeFileSync(path, before.replaceAll(check, without));
    return also ? withFault(also, work) : work();
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
 * What came of a mutation. `BROKEN`: the test fails without the fault too, so that its failure with it proves nothing.
 */
export type Tried = 'found' | 'MISSED' | 'BROKEN';

/** Tries each mutation by a command: arguments of this Node.js, which succeeds without the fault. See `tryEach`. */
export function tryAll<Kind extends Mutation>(
  mutations: readonly Kind[],
  titleOf: (mutation: Kind) => string,
  argsOf: (mutation: Kind) => readonly string[],
): void {
  tryEach(mutations, titleOf, (mutation) => {
    const args = argsOf(mutation);
    if (withFault(mutation, () => isPassing(args))) return { result: 'MISSED' };
    return { result: isPassing(args) ? 'found' : 'BROKEN' };
  });
}

/**
 * Tries each mutation, or those whose titles contain the command line's words, and prints a line about each and the
 * sums. A missed or broken one sets exit code 1. With `--check` it only looks whether each check is still in its file.
 */
export function tryEach<Kind extends Mutation>(
  mutations: readonly Kind[],
  titleOf: (mutation: Kind) => string,
  attempt: (mutation: Kind) => { result: Tried; by?: string },
): void {
  const words = process.argv.slice(2).join(' ');
  if (words === '--check') {
    for (const mutation of mutations) requireChecks(mutation);
    return;
  }
  const counts = { found: 0, MISSED: 0, BROKEN: 0 };
  for (const mutation of mutations.filter((each) => titleOf(each).includes(words))) {
    const { result, by } = attempt(mutation);
    counts[result] += 1;
    if (result !== 'found') process.exitCode = 1;
    process.stdout.write(`${result}: ${titleOf(mutation)} (${mutation.file})${by === undefined ? '' : `: ${by}`}\n`);
  }
  process.stdout.write(`${counts.found} found, ${counts.MISSED} missed, ${counts.BROKEN} broken\n`);
}
