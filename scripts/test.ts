/**
 * `npm test`: runs every suite that needs only this clone, four at a time, and prints a summary line. Arguments select
 * suites by name; the longer suites run only when named. `--slow` lists the slowest tests.
 */
import { spawn } from 'node:child_process';
import type { StatsFs } from 'node:fs';
import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { freemem, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROOT } from '../test/harness/node-red';

interface Suite {
  name: string;
  files: string | string[];
  env?: Record<string, string>;
  /** Runs only when named. */
  isLonger?: boolean;
}

/** The folders of test/ that another suite has, or another runner: `npm run test:interop`. What is new belongs to lib. */
const ELSEWHERE =
  'browser|check|cli|client|conformance|docs|folders|interop|journeys|mllp|monitor|nodes|operator|payload|receive|alerts|' +
  'sandbox|send|simulation|specification|store';

/** Those that take longest come first, so that no lane is left with a long one at the end. */
const SUITES: Suite[] = [
  { name: 'journeys (m)', files: 'test/journeys/m*.test.ts' },
  { name: 'nodes on Node-RED 5', files: 'test/nodes/**/*.test.ts', env: { NODE_RED: '5' } },
  { name: 'nodes on Node-RED 4.1', files: 'test/nodes/**/*.test.ts', env: { NODE_RED: '4' } },
  { name: 'journeys (a to l)', files: 'test/journeys/[a-l]*.test.ts' },
  { name: 'journeys (n to z)', files: 'test/journeys/[n-z]*.test.ts' },
  { name: 'store in PostgreSQL', files: 'test/store/{postgres,history,postgres/**/*}.test.ts' },
  { name: 'lib: out', files: 'test/{send,client,payload,folders}/**/*.test.ts' },
  { name: 'lib: in', files: 'test/{receive,mllp,operator,monitor,alerts}/**/*.test.ts' },
  { name: 'store in SQLite and both', files: 'test/store/{!(postgres|history),!(postgres)/**/*}.test.ts' },
  { name: 'lib: the rest', files: `test/!(${ELSEWHERE})/**/*.test.ts` },
  { name: 'tools', files: 'test/{check,cli,conformance,docs,specification}/**/*.test.ts' },
  // In a process of its own: it puts the whole of lib into another world.
  { name: 'simulation', files: 'test/simulation/**/*.test.ts' },
  { name: 'sandbox', files: 'test/sandbox/**/*.test.ts' },
  { name: 'browser on Node-RED 5', files: 'test/browser/**/*.test.ts', env: { NODE_RED: '5' }, isLonger: true },
  { name: 'browser on Node-RED 4.1', files: 'test/browser/**/*.test.ts', env: { NODE_RED: '4' }, isLonger: true },
  {
    name: 'sizes',
    files: ['nodes/statuses', 'nodes/mesh-mllp', 'receive/durable-kill', 'send/outbox-chaos', 'store/history'].map(
      (name) => `test/${name}.test.ts`,
    ),
    env: { MESH_TEST_SIZE: 'full' },
    isLonger: true,
  },
  // The same test as in lib, with as many messages as arrive in a day.
  { name: 'outage', files: 'test/send/outage.test.ts', env: { MESH_OUTAGE_MESSAGES: '10000' }, isLonger: true },
];

/** Suites that run at a time, on two cores: most tests wait for a clock, a disk or another process. */
const LANES = 4;

/** A disk in memory: most tests commit to stores, and would wait for the disk. No test takes power from the machine. */
const MEMORY_DISK = '/dev/shm';
/** Four suites at a time need less, with their large payloads and databases. */
const MEMORY_DISK_BYTES = 6 * 1024 ** 3;

/** Returns the folder for the tests' files: in memory if there is enough of it, else the machine's usual one. */
async function temporaryFolder(): Promise<string> {
  const { bavail = 0, bsize = 0 } = await statfs(MEMORY_DISK).catch((): Partial<StatsFs> => ({}));
  const isLarge = bavail * bsize > MEMORY_DISK_BYTES && freemem() > MEMORY_DISK_BYTES;
  return process.env['TMPDIR'] === undefined && isLarge ? MEMORY_DISK : tmpdir();
}

/** Where Node.js keeps what it has compiled: of a Node-RED's start that is a sixth of the CPU time, and hundreds start. */
const COMPILED = join(ROOT, 'node_modules', '.cache', 'compiled');

/** Time limit of a suite. The longest takes 10 minutes; one that hangs is killed, and its output shows where. */
const MAX_TIME_MS = 30 * 60_000;

interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
}

/** What scripts/test-reporter.cjs writes. */
interface Report {
  failed: Array<{ file: string; title: string }>;
  slow: Array<{ ms: number; title: string }>;
}

interface Run {
  suite: Suite;
  outcome: Outcome;
  report: Report;
}

/** Runs files of a suite and prints their output at the end, because several suites run side by side. */
async function run(suite: Suite, files: readonly string[] = [suite.files].flat()): Promise<Run> {
  process.stdout.write(`${suite.name} …\n`);
  const began = Date.now();
  const temporary = await temporaryFolder();
  const folder = await mkdtemp(join(temporary, 'mesh-test-'));
  const path = join(folder, 'report.json');
  const mocha = join(createRequire(__filename).resolve('mocha/package.json'), '..', 'bin', 'mocha.js');
  const child = spawn(process.execPath, [mocha, '--reporter', join(__dirname, 'test-reporter.cjs'), ...files], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: temporary, NODE_COMPILE_CACHE: COMPILED, ...suite.env, MESH_TEST_REPORT: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: MAX_TIME_MS,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
  const code = await new Promise<number>((resolve) => child.once('close', (exit) => resolve(exit ?? 1)));
  process.stdout.write(`\n== ${suite.name} (${Math.round((Date.now() - began) / 1000)} s)\n${output}`);
  const report = await readFile(path, 'utf8').then(
    (text) => JSON.parse(text) as Report,
    () => ({ failed: [], slow: [] }),
  );
  await rm(folder, { recursive: true, force: true });
  const slow = report.slow.map(({ ms, title }) => `  ${(ms / 1000).toFixed(1)} s  ${title}\n`);
  if (process.argv.includes('--slow')) process.stdout.write(`Slowest tests of ${suite.name}:\n${slow.join('')}`);
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(output)?.[1] ?? 0);
  const outcome = { passed: count('passing'), failed: count('failing'), skipped: count('pending') };
  // A suite that crashes before its summary, or that finds no test, has failed.
  const found = outcome.passed + outcome.skipped > 0;
  if ((code !== 0 || !found) && outcome.failed === 0) outcome.failed = 1;
  return { suite, outcome, report };
}

/** Runs the suites in their order, as many at a time as there are lanes. */
async function sideBySide(suites: readonly Suite[]): Promise<Run[]> {
  const runs: Run[] = [];
  const left = [...suites];
  const runNext = async (): Promise<void> => {
    for (let suite = left.shift(); suite; suite = left.shift()) runs.push(await run(suite));
  };
  await Promise.all(Array.from({ length: LANES }, runNext));
  return runs;
}

/** If more files than this fail, the cause is a fault and not a loaded machine. */
const MAX_FILES_TO_RETRY = 3;

/**
 * Runs the files of failed tests once more, alone. The tests use real servers and processes, and some fail on an
 * overloaded machine. A test that passes alone counts as passed, but is listed as flaky, so that it gets fixed.
 *
 * @returns the titles of the flaky tests.
 */
async function retryAlone({ suite, outcome, report }: Run): Promise<string[]> {
  const files = [...new Set(report.failed.map(({ file }) => file))];
  if (files.length === 0 || files.length > MAX_FILES_TO_RETRY || files.includes('')) return [];
  process.stdout.write(`\nRetrying alone: ${files.map((file) => relative(ROOT, file)).join(', ')}\n`);
  const second = await run(suite, files);
  if (second.outcome.failed > 0) return [];
  outcome.passed += outcome.failed;
  outcome.failed = 0;
  return report.failed.map(({ title }) => `${suite.name}: ${title}`);
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).filter((word) => !word.startsWith('--'));
  const suites = SUITES.filter(({ name, isLonger }) =>
    wanted.length === 0 ? !isLonger : wanted.some((word) => name.startsWith(word)),
  );
  if (suites.length === 0) throw new Error(`Unknown suite. Available: ${SUITES.map((suite) => suite.name).join(', ')}`);
  const runs = await sideBySide(suites);
  const flaky: string[] = [];
  for (const each of runs) flaky.push(...(await retryAlone(each)));
  const sum = (word: keyof Outcome): number => runs.reduce((total, { outcome }) => total + outcome[word], 0);
  for (const title of flaky) process.stdout.write(`\nFlaky: failed alongside other suites, passed alone: ${title}`);
  process.stdout.write(`\nTests: ${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped\n`);
  if (sum('failed') > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
