/**
 * `npm run test:fuzz -- --seconds N --seed S`: random and mutated inputs for every parser and header reader. They may
 * throw only their documented errors, whatever can be read has to round-trip, and no input may take long or much
 * memory. The targets take turns in time slices. A failure prints how to run its input alone: `--target NAME --seed S
 * --path P`.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { TARGETS, type Done, type Slice } from './worker';
import { LOAD_TYPESCRIPT } from '../harness/typescript';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    /** Only targets whose name contains this. */
    target: { type: 'string', default: '' },
    path: { type: 'string' },
  },
});
const SEED = Number(options.seed ?? Date.now() % 1_000_000);
const SLICE_MS = 500;
/** A slice that takes longer than this hangs, on any machine (milliseconds). */
const HANGS_MS = 60_000;
/** Maximum heap of the thread (MB); the whole process may use half as much again. */
const MAX_MB = 768;

interface Tally {
  name: string;
  runs: number;
  errors: Record<string, number>;
  failed: boolean;
}

class Runner {
  readonly #running = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | undefined;

  /** Runs a slice. A thread that hangs or runs out of memory is a failure; the next slice gets a new thread. */
  async run(slice: Slice): Promise<Done> {
    this.#worker ??= new Worker(require.resolve('./worker.ts'), {
      execArgv: [...LOAD_TYPESCRIPT],
      resourceLimits: { maxOldGenerationSizeMb: MAX_MB },
      workerData: { running: this.#running.buffer },
    });
    const worker = this.#worker;
    let timer: NodeJS.Timeout | undefined;
    let stopListening = (): unknown => undefined;
    try {
      return await new Promise<Done>((resolve, reject) => {
        worker.on('message', resolve).on('error', reject);
        stopListening = () => worker.off('message', resolve).off('error', reject);
        timer = setTimeout(() => reject(new Error(`The slice did not end within ${HANGS_MS} ms.`)), HANGS_MS);
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        worker.postMessage(slice);
      });
    } catch (error) {
      await this.close();
      const path = slice.path ?? String(Atomics.load(this.#running, 0));
      return { runs: 0, errors: {}, failure: { path, input: '(not shrunk)', error: String(error) } };
    } finally {
      clearTimeout(timer);
      stopListening();
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }
}

async function main(): Promise<boolean> {
  const wanted = [...TARGETS.entries()].filter(([, { name }]) => name.includes(options.target));
  if (wanted.length === 0) throw new Error('There is no such target.');
  const tallies = new Map<number, Tally>(
    wanted.map(([number, { name }]) => [number, { name, runs: 0, errors: {}, failed: false }]),
  );
  const runner = new Runner();
  const end = Date.now() + Number(options.seconds) * 1000;
  process.stdout.write(`Seed ${SEED}, ${options.seconds} s over ${wanted.length} targets.\n`);
  for (let round = 0; round === 0 || (Date.now() < end && options.path === undefined); round += 1) {
    for (const [number, tally] of tallies) {
      if (tally.failed || (round > 0 && Date.now() > end)) continue;
      const seed = options.path === undefined ? (SEED + round * 7919) | 0 : SEED;
      const extent = options.path === undefined ? { ms: SLICE_MS } : { path: options.path };
      const { runs, errors, failure } = await runner.run({ target: number, seed, ...extent });
      tally.runs += runs;
      for (const [name, count] of Object.entries(errors)) tally.errors[name] = (tally.errors[name] ?? 0) + count;
      if (!failure) continue;
      tally.failed = true;
      process.stdout.write(
        `\nFAILED ${tally.name}\n  again: npm run test:fuzz -- --target '${tally.name}' --seed ${seed} --path ${failure.path}\n  input: ${failure.input}\n  ${failure.error}\n\n`,
      );
    }
  }
  await runner.close();
  return report([...tallies.values()]);
}

function report(tallies: Tally[]): boolean {
  for (const { name, runs, errors, failed } of tallies) {
    const counts = Object.entries(errors).map(([kind, count]) => `${kind} ${count}`);
    process.stdout.write(`${failed ? 'FAILED' : 'ok    '} ${name}: ${runs} runs; ${counts.join(', ') || 'no error'}\n`);
  }
  const megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
  const isBounded = megabytes <= MAX_MB * 1.5;
  process.stdout.write(`${isBounded ? 'ok    ' : 'FAILED'} memory: ${megabytes} MB at most\n`);
  const failed = tallies.filter((tally) => tally.failed || tally.runs === 0).length + (isBounded ? 0 : 1);
  process.stdout.write(`\nTests: ${tallies.length + 1 - failed} passed, ${failed} failed, 0 skipped\n`);
  return failed === 0;
}

main().then(
  (hasPassed) => (process.exitCode = hasPassed ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
