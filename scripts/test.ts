/**
 * `npm test`: every suite that needs nothing but this clone, one after the other, and a summary line. Names of suites as
 * arguments run only those.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './node-red';

interface Suite {
  name: string;
  files: string;
  env?: Record<string, string>;
}

const SUITES: Suite[] = [
  {
    name: 'lib',
    files: 'test/{protocol,client,payload,send,receive,mllp,folders,formats,acks,architecture}/**/*.test.ts',
  },
  { name: 'store', files: 'test/store/**/*.test.ts' },
  { name: 'sandbox', files: 'test/sandbox/**/*.test.ts' },
  { name: 'nodes on Node-RED 5', files: 'test/nodes/**/*.test.ts', env: { NODE_RED: '5' } },
  { name: 'nodes on Node-RED 4.1', files: 'test/nodes/**/*.test.ts', env: { NODE_RED: '4' } },
  { name: 'journeys', files: 'test/journeys/**/*.test.ts' },
];

interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

async function run(suite: Suite): Promise<Outcome> {
  process.stdout.write(`${suite.name} …\n`);
  const mocha = join(createRequire(__filename).resolve('mocha/package.json'), '..', 'bin', 'mocha.js');
  const child = spawn(process.execPath, [mocha, suite.files], {
    cwd: ROOT,
    env: { ...process.env, ...suite.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? 1)));
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(output)?.[1] ?? 0);
  // Whole, because two suites run side by side.
  process.stdout.write(`\n== ${suite.name}\n${output}`);
  const outcome = { passed: count('passing'), failed: count('failing'), skipped: count('pending') };
  // A suite that dies before it can count, or that finds no test, has failed.
  if ((code !== 0 || outcome.passed === 0) && outcome.failed === 0) outcome.failed = 1;
  return outcome;
}

/** Two at a time: most tests wait for a clock, a disk or another process. */
async function sideBySide(suites: readonly Suite[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const left = [...suites];
  const line = async (): Promise<void> => {
    for (let suite = left.shift(); suite; suite = left.shift()) outcomes.push(await run(suite));
  };
  await Promise.all([line(), line()]);
  return outcomes;
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2);
  const suites = SUITES.filter((suite) => wanted.length === 0 || wanted.some((word) => suite.name.startsWith(word)));
  if (suites.length === 0) throw new Error(`No such suite. There are: ${SUITES.map((suite) => suite.name).join(', ')}`);
  const total: Outcome = { passed: 0, failed: 0, skipped: 0 };
  const outcomes = await sideBySide(suites);
  for (const outcome of outcomes) {
    total.passed += outcome.passed;
    total.failed += outcome.failed;
    total.skipped += outcome.skipped;
  }
  process.stdout.write(`\nTests: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  if (total.failed > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
