/** Runs slices of targets in a thread with bounded memory, which can be terminated when it hangs. */
import { parentPort, workerData } from 'node:worker_threads';
import * as fc from 'fast-check';
import { ACKS } from './acks';
import { CSV } from './csv';
import { EDGES } from './edges';
import { FORMATS } from './formats';
import { MEANING } from './meaning';
import { PROTOCOL } from './protocol';
import { SETTINGS } from './settings';
import { STORE } from './store';
import type { Target } from './target';

/** A request to the thread. */
export interface Slice {
  target: number;
  seed: number;
  /** How long to run (milliseconds). Undefined: run only the input at `path`. */
  ms?: number;
  path?: string;
}

/** The thread's reply. */
export interface Done {
  runs: number;
  errors: Record<string, number>;
  failure?: { path: string; input: string; error: string };
}

export const TARGETS: readonly Target[] = [
  ...FORMATS,
  ...CSV,
  ...ACKS,
  ...PROTOCOL,
  ...EDGES,
  ...SETTINGS,
  ...MEANING,
  ...STORE,
];

async function run({ target, seed, ms, path }: Slice, running: Int32Array): Promise<Done> {
  const errors: Record<string, number> = {};
  let runs = 0;
  const property = TARGETS[target]?.property((name) => (errors[name] = (errors[name] ?? 0) + 1));
  if (!property) throw new Error('There is no such target.');
  // Counted in shared memory, so that the main thread knows which input hangs.
  property.beforeEach(() => {
    Atomics.store(running, 0, runs);
    runs += 1;
  });
  const details = await fc.check(property, {
    seed,
    ...(path === undefined ? { numRuns: 1_000_000 } : { path, numRuns: 1 }),
    ...(ms === undefined ? {} : { interruptAfterTimeLimit: ms, markInterruptAsFailure: false }),
  });
  if (!details.failed) return { runs, errors };
  const error = details.errorInstance;
  const failure = {
    path: details.counterexamplePath ?? '',
    input: fc.stringify(details.counterexample).slice(0, 1000),
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  };
  return { runs, errors, failure };
}

const running = new Int32Array(
  (workerData as { running: SharedArrayBuffer } | null)?.running ?? new SharedArrayBuffer(4),
);
async function reply(slice: Slice): Promise<void> {
  const done = await run(slice, running);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(done);
}

parentPort?.on('message', (slice: Slice) => {
  void reply(slice);
});
