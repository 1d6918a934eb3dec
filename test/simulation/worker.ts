/** Runs worlds in a thread of its own, and reports on each. */
import { parentPort, workerData } from 'node:worker_threads';
import { NOTHING_LEFT_OUT, type Kind } from './faults';
import { history, shrink } from './shrink';
import { simulate } from './world';

/** What became of a seed. */
export interface Report {
  seed: number;
  steps: number;
  simulatedMs: number;
  struck: ReadonlyMap<Kind, number>;
  statuses: ReadonlyMap<number, number>;
  violations: readonly string[];
  /** What a person reads of a failure. */
  lines: string[];
}

async function run(seed: number): Promise<Report> {
  const { withTrace, isShrunk, only } = workerData as { withTrace: boolean; isShrunk: boolean; only?: Kind[] };
  const leftOut = only ? { ...NOTHING_LEFT_OUT, only } : NOTHING_LEFT_OUT;
  const outcome = await simulate(seed, leftOut);
  const { steps, simulatedMs, struck, statuses, violations, trace } = outcome;
  const report = { seed, steps, simulatedMs, struck, statuses, violations };
  if (violations.length === 0) return { ...report, lines: withTrace ? [...trace] : [] };
  const smallest = isShrunk ? (await shrink(outcome, leftOut)).outcome : outcome;
  const faults = smallest.strikes.join(', ') || 'none';
  return {
    ...report,
    lines: [
      `FAILED seed ${seed}: ${smallest.violations.join('; ')}`,
      `  after these faults alone: ${faults}`,
      ...(withTrace ? trace : history(smallest)),
    ],
  };
}

/** A world that cannot even be run has failed. */
function notRun(seed: number, error: unknown): Report {
  const lines = [`FAILED seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`];
  return { seed, steps: 0, simulatedMs: 0, struck: new Map(), statuses: new Map(), violations: lines, lines };
}

parentPort?.on('message', (seed: number) => {
  void run(seed)
    .catch((error: unknown) => notRun(seed, error))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    .then((report) => parentPort?.postMessage(report));
});
