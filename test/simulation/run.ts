/**
 * `npm run test:simulation -- --seeds N --seed S --minutes M`: runs the durable lines in simulated worlds, one for each
 * seed (docs/simulation.md). `--seeds` worlds, from `--seed` on; with `--minutes`, as many as fit. A seed that fails is
 * shrunk and printed with its trace; `--seed S` alone runs that one world again, and `--trace` prints it whatever happens.
 * With `--only "kill,disk full"` nothing else goes wrong.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { KINDS, type Kind } from './faults';
import type { Report } from './worker';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

/** Worlds side by side: a world uses one core. */
const WORKERS = 2;

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    trace: { type: 'boolean', default: false },
    /** Kinds of faults, separated by commas: these alone. */
    only: { type: 'string' },
    /** Stops at the first seed that fails, without making it smaller. */
    first: { type: 'boolean', default: false },
  },
});
const ONLY = options.only?.split(',');
const FIRST = Number(options.seed ?? Date.now() % 1_000_000);
const COUNT =
  options.seeds === undefined
    ? options.minutes === undefined
      ? options.seed === undefined
        ? 100
        : 1
      : Infinity
    : Number(options.seeds);
const END = options.minutes === undefined ? Infinity : Date.now() + Number(options.minutes) * 60_000;

interface Totals {
  seeds: number;
  steps: number;
  simulatedMs: number;
  failed: number;
  struck: Map<Kind, number>;
  statuses: Map<number, number>;
}

/** A seed takes a second, or minutes until a failing one is small; then one of its steps does not end (milliseconds). */
const LONGEST_MS = 5 * 60_000;

/** Runs seeds in one thread, until none is left. */
function runSeeds(nextSeed: () => number | undefined, totals: Totals): Promise<void> {
  const worker = new Worker(require.resolve('./worker.ts'), {
    execArgv: [...LOAD_TYPESCRIPT],
    workerData: { withTrace: options.trace, isShrunk: !options.first, only: ONLY },
    // A world makes much that is soon forgotten: measured, a fifth of its time went into collecting it in small pieces.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  return new Promise((resolve, reject) => {
    const next = (): void => {
      const seed = nextSeed();
      if (seed === undefined) {
        void worker.terminate().then(() => resolve());
        return;
      }
      const watch = setTimeout(() => {
        add(totals, endless(seed));
        void worker.terminate().then(() => runSeeds(nextSeed, totals).then(resolve, reject));
      }, LONGEST_MS);
      worker.once('message', (report: Report) => {
        clearTimeout(watch);
        add(totals, report);
        next();
      });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      worker.postMessage(seed);
    };
    worker.once('error', reject);
    next();
  });
}

/** The report on a seed that has not ended. */
function endless(seed: number): Report {
  const lines = [
    `FAILED seed ${seed}: not ended within ${LONGEST_MS / 60_000} minutes. Run it with --first: a step of it does not ` +
      'end, or it fails, and takes long to be made smaller',
  ];
  return { seed, steps: 0, simulatedMs: 0, struck: new Map(), statuses: new Map(), violations: lines, lines };
}

function add(totals: Totals, { seed, steps, simulatedMs, struck, statuses, violations, lines }: Report): void {
  totals.seeds += 1;
  totals.steps += steps;
  totals.simulatedMs += simulatedMs;
  for (const [kind, count] of struck) totals.struck.set(kind, (totals.struck.get(kind) ?? 0) + count);
  for (const [status, count] of statuses) totals.statuses.set(status, (totals.statuses.get(status) ?? 0) + count);
  if (violations.length > 0) totals.failed += 1;
  if (violations.length > 0 || options.trace) process.stdout.write(`${lines.join('\n')}\n`);
  if (violations.length > 0) process.stdout.write(`  again: npm run test:simulation -- --seed ${seed}\n\n`);
}

async function main(): Promise<boolean> {
  const began = Date.now();
  const totals: Totals = { seeds: 0, steps: 0, simulatedMs: 0, failed: 0, struck: new Map(), statuses: new Map() };
  let given = 0;
  const nextSeed = (): number | undefined =>
    given < COUNT && Date.now() < END && !(options.first && totals.failed > 0) ? FIRST + given++ : undefined;
  process.stdout.write(`Seeds from ${FIRST}.\n`);
  await Promise.all(Array.from({ length: Math.min(WORKERS, COUNT) }, () => runSeeds(nextSeed, totals)));
  const seconds = (Date.now() - began) / 1000;
  for (const kind of KINDS)
    if (totals.struck.has(kind)) process.stdout.write(`  ${kind}: ${totals.struck.get(kind)}\n`);
  const statuses = [...totals.statuses].sort(([one], [other]) => one - other);
  process.stdout.write(`  statuses: ${statuses.map(([status, count]) => `${status} (${count})`).join(', ')}\n`);
  const faults = [...totals.struck.values()].reduce((sum, count) => sum + count, 0);
  const days = (totals.simulatedMs / 86_400_000).toFixed(1);
  process.stdout.write(
    `${totals.seeds} seeds, ${totals.steps} steps (${Math.round(totals.steps / seconds)} a second), ${days} simulated ` +
      `days, ${faults} faults, in ${seconds.toFixed(0)} s.\n`,
  );
  process.stdout.write(`\nTests: ${totals.seeds - totals.failed} passed, ${totals.failed} failed, 0 skipped\n`);
  return totals.failed === 0 && totals.seeds > 0;
}

main().then(
  (hasPassed) => (process.exitCode = hasPassed ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    // The other thread may still run.
    process.exit(1);
  },
);
