/**
 * `npm run test:soak -- --minutes N --seed S`: a real Node-RED continuously sends whole messages and chunks, polls,
 * saves files and acknowledges, against a MESH that drops connections and responds 503. Its memory, handles, files and
 * unsettled rows must not grow, and the messages are verified as in the crash test.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { crashFlow } from './crash-flow';
import {
  enqueue,
  verifyKeys,
  makeFaulty,
  newKey,
  report,
  runScript,
  say,
  sayTotal,
  seeded,
  startReceiver,
  uncollected,
  unsettled,
  type Delivery,
  type Key,
} from './crash-parts';
import { fastClock } from '../harness/clocks';
import { RealNodeRed } from '../harness/node-red';
import { growth, measure, measureFlow, MEASURE_SETTINGS, type Measure } from './soak-measures';

const { values: options } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const MINUTES = Number(options.minutes);
const SEED = options.seed ?? String(Date.now() % 1_000_000);
/** How many times faster than real time the clock runs: ten minutes cover ten hours of leases and tracking. */
const CLOCK_SPEED = 60;
const FAULTS = 0.02;
const SENDERS = 3;
/** At the end everything must settle. Maximum time without progress (milliseconds). */
const STALLED_MS = 120_000;
/** Sending pauses while MESH has more uncollected messages than this; a slow machine would only accumulate them. */
const MAX_UNCOLLECTED = 100;
const random = seeded(Number(SEED));

async function main(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-soak-'));
  const sandbox = await startSandbox({ protocol: 'http', trackingLagMs: 1000 });
  makeFaulty(sandbox, FAULTS);
  const deliveries: Delivery[] = [];
  const receiver = await startReceiver((delivery) => {
    deliveries.push(delivery);
    return 'ok';
  });
  say(`Seed ${SEED}, ${MINUTES} minutes (clock × ${CLOCK_SPEED}), ${FAULTS * 100} % of each fault.`);
  const nodeRed = await startNodeRed(folder, sandbox, receiver.port);
  try {
    const keys: Key[] = [];
    const end = Date.now() + MINUTES * 60_000;
    const senders = Array.from({ length: SENDERS }, () => sendUntil(end, keys, nodeRed, folder, sandbox));
    const measures = await measureUntil(end, nodeRed, join(folder, 'node-red', 'mesh'), () => `${keys.length} sent`);
    await Promise.all(senders);
    sandbox.clearFaults();
    const needsDecision = await waitUntilSettled(nodeRed, sandbox);
    measures.push(await measure(nodeRed, join(folder, 'node-red', 'mesh')));
    print(measures);
    const verified = verifyKeys({
      keys,
      messages: sandbox.messages(),
      deliveries,
      needsDecision,
      maxNeedsDecision: keys.length * 0.1,
    });
    verified.faults.push(...growth(measures));
    // Retention removes nothing in so short a time. Each large payload is there once received and, unless it was sent
    // from a file, once sent. Besides there are the spool, the store and its log, and one file per mailbox for sending.
    const expected = keys.reduce((sum, { kind }) => sum + { small: 0, file: 1, chunked: 2 }[kind], 0) + 4 + 3;
    const files = measures.at(-1)?.files ?? 0;
    if (files > expected) verified.faults.push(`${files} files where ${expected} are expected`);
    return sayTotal([report(verified, `Seed ${SEED}, ${MINUTES} minutes.`)]);
  } finally {
    await nodeRed.stop();
    receiver.close();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function startNodeRed(folder: string, sandbox: Sandbox, receiverPort: number): Promise<RealNodeRed> {
  await mkdir(join(folder, 'node-red'));
  const [tab, ...flow] = crashFlow({
    meshUrl: sandbox.url,
    sharedKey: sandbox.sharedKey,
    receiverPort,
    inbox: join(folder, 'received'),
  });
  const nodeRed = await RealNodeRed.start({
    userDir: join(folder, 'node-red'),
    flows: [],
    settings: MEASURE_SETTINGS,
    clock: fastClock(CLOCK_SPEED, (MINUTES + 60) * 60_000),
    env: { NODE_OPTIONS: '--expose-gc' },
  });
  await nodeRed.deploy([tab, ...flow, ...measureFlow(tab?.id ?? '')]);
  return nodeRed;
}

async function sendUntil(
  end: number,
  keys: Key[],
  nodeRed: RealNodeRed,
  folder: string,
  sandbox: Sandbox,
): Promise<void> {
  while (Date.now() < end) {
    while (uncollected(sandbox) > MAX_UNCOLLECTED && Date.now() < end) await sleep(500);
    const kind = (['small', 'small', 'small', 'chunked', 'file'] as const)[Math.floor(random() * 5)] ?? 'small';
    const { key, payload } = await newKey(keys.length, kind, folder);
    keys.push(key);
    await enqueue(key, payload, () => Number(new URL(nodeRed.url).port));
    await sleep(random() * 100);
  }
}

/** Measures sixty times, or every two seconds in a short run. */
async function measureUntil(end: number, nodeRed: RealNodeRed, store: string, done: () => string): Promise<Measure[]> {
  const measures: Measure[] = [];
  const everyMs = Math.max(2000, (MINUTES * 60_000) / 60);
  while (Date.now() < end) {
    await sleep(everyMs);
    measures.push(await measure(nodeRed, store));
    if (measures.length % 10 === 0) say(`${done()}; ${inWords(measures.at(-1))}`);
  }
  return measures;
}

const inWords = (one: Measure | undefined): string =>
  one
    ? `heap ${mb(one.heap)}, RSS ${mb(one.rss)}, ${one.handles} handles, ${one.descriptors} descriptors, ${one.files} files`
    : '';
const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function print(measures: readonly Measure[]): void {
  const third = Math.floor(measures.length / 3);
  say(`after a third:  ${inWords(measures[third])}`);
  say(`after two:      ${inWords(measures[2 * third])}`);
  say(`at the end:     ${inWords(measures.at(-1))}`);
}

/** Waits until nothing is unsettled. Returns the local ids of the messages that need a decision. */
async function waitUntilSettled(nodeRed: RealNodeRed, sandbox: Sandbox): Promise<Set<string>> {
  const port = Number(new URL(nodeRed.url).port);
  let [fewest, since] = [Infinity, Date.now()];
  for (;;) {
    const { moving, waiting, unknown, open, needsDecision } = await unsettled(port, sandbox);
    if (moving === 0) return needsDecision();
    if (moving < fewest) [fewest, since] = [moving, Date.now()];
    if (Date.now() - since > STALLED_MS) {
      throw new Error(`Not settled: ${waiting} waiting, ${unknown} unknown, ${open} not collected.`);
    }
    await sleep(2000);
  }
}

runScript(main, `Seed ${SEED}`);
