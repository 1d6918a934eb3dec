/**
 * `npm run test:crash -- --kills N --seed S`: kills a real Node-RED with SIGKILL at random times while it sends whole
 * messages and chunks, polls, saves files and acknowledges, against a MESH that drops connections and responds 503. At
 * the end every key must be at MESH exactly once, or need a decision because its response was lost; and every message
 * that was collected from MESH must have been delivered to the flow.
 *
 * The sandbox runs in this process, Node-RED in another. A faster clock shortens Node-RED's waits; it stays behind the
 * real one, so that no upload seems older than its attempt.
 *
 * With `--load` at least 2,000 messages are on their way at each kill: 16 producers offer keys without a pause until there
 * are a quarter more, and fewer requests fail, because a failure makes the sender pause.
 *
 * With `--front mllp` the keys arrive over MLLP, each as the MSH-10 of a message that its sender repeats until the AA.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { startPostgres, type TestPostgres } from '../harness/postgres-server';
import { crashFlow } from './crash-flow';
import { enqueueOverMllp, mllpMessage } from './crash-mllp';
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
  unsettled,
} from './crash-parts';
import type { Delivery, Key } from './crash-parts';
import { fastClock } from '../harness/clocks';
import { median } from '../harness/median';
import { RealNodeRed } from '../harness/node-red';
import { freePort } from '../harness/ports';
import { eventually } from '../harness/until';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '40' },
    seed: { type: 'string' },
    store: { type: 'string', default: 'sqlite' },
    front: { type: 'string', default: 'http' },
    load: { type: 'boolean', default: false },
    json: { type: 'boolean' },
  },
});

const KILLS = Number(options.kills);
const SEED = options.seed ?? String(Date.now() % 1_000_000);
/** How many times faster than real time the clock runs. */
const CLOCK_SPEED = 60;
/** Maximum wait at the end until everything is settled (milliseconds). */
const SETTLE_MS = options.load ? 300_000 : 180_000;
/** Probability of each kind of fault (makeFaulty) for each request. */
const FAULTS = options.load ? 0.002 : 0.05;
const PRODUCERS = options.load ? 16 : 3;
/** Messages that are on their way at a kill, at least; the producers wait while there are a quarter more. */
const ON_THEIR_WAY = options.load ? 2000 : 0;
/** Longest pause of a producer after each key (milliseconds). */
const PAUSE_MS = options.load ? 0 : 150;
/** The kinds of keys over HTTP, chosen at random. */
const KINDS = options.load
  ? (['small', 'small', 'small', 'small', 'small', 'small', 'small', 'small', 'chunked', 'file'] as const)
  : (['small', 'small', 'chunked', 'file'] as const);
/** A kill comes after this time at least, and at most 1.5 s later: under load everything has to flow first. */
const FIRST_KILL_MS = options.load ? 1000 : 100;
const random = seeded(Number(SEED));

async function main(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-crash-'));
  const trackingLagMs = Math.round((random() * 180_000) / CLOCK_SPEED);
  const sandbox = await startSandbox({ protocol: 'http', trackingLagMs });
  makeFaulty(sandbox, FAULTS);
  const deliveries: Delivery[] = [];
  const receiver = await startReceiver((delivery) => {
    deliveries.push(delivery);
    return 'ok';
  });
  const postgres = options.store === 'postgres' ? await startPostgres() : undefined;
  const harness = new Harness(folder, sandbox, receiver.port, postgres);
  say(
    `Seed ${SEED}, ${KILLS} kills, tracking lags ${trackingLagMs} ms (clock × ${CLOCK_SPEED}), ` +
      `${options.store}, keys over ${options.front}.`,
  );
  try {
    await harness.start();
    /** Messages that were on their way at each kill. */
    const atKill: number[] = [];
    const producers = Array.from({ length: PRODUCERS }, () => harness.produce());
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await sleep(FIRST_KILL_MS + random() * 1500);
      await eventually('enough messages on their way', () => harness.onTheirWay() >= ON_THEIR_WAY, 60_000);
      atKill.push(harness.onTheirWay());
      await harness.kill();
      if (kill % 10 === 0) say(`${kill} kills, ${harness.keys.length} keys, ${deliveries.length} delivered.`);
    }
    harness.stopProducing();
    await Promise.all(producers);
    sandbox.clearFaults();
    const needsDecision = await harness.settle(deliveries);
    const maxNeedsDecision = 2 * KILLS + harness.keys.length * 2 * FAULTS;
    const verified = verifyKeys({
      keys: harness.keys,
      messages: sandbox.messages(),
      deliveries,
      needsDecision,
      maxNeedsDecision,
    });
    const isGood = sayTotal([
      report(
        verified,
        `Seed ${SEED}, ${KILLS} kills, ${options.store}; at a kill ${Math.min(...atKill)} on their way at least, ${median(atKill)} in the median.`,
      ),
    ]);
    if (options.json) {
      const { counts, faults } = verified;
      say(JSON.stringify({ seed: SEED, kills: KILLS, store: options.store, ...counts, faults: faults.length }));
    }
    return isGood;
  } finally {
    await harness.stop();
    receiver.close();
    await sandbox.close();
    await postgres?.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

class Harness {
  readonly keys: Key[] = [];
  #nodeRed: RealNodeRed | undefined;
  #producing = true;
  #port = 0;
  #mllpPort = 0;
  #counted = { at: 0, collected: 0 };
  readonly #clock = fastClock(CLOCK_SPEED);

  constructor(
    private readonly folder: string,
    private readonly sandbox: Sandbox,
    private readonly receiverPort: number,
    private readonly postgres: TestPostgres | undefined,
  ) {}

  async start(): Promise<void> {
    this.#port ||= await freePort();
    this.#mllpPort ||= await freePort();
    this.#nodeRed = await RealNodeRed.start({
      userDir: join(this.folder, 'node-red'),
      port: this.#port,
      flows: [],
      clock: this.#clock,
      ...(this.postgres && {
        env: { MESH_STORE_URL: this.postgres.url, MESH_SPOOL_FOLDER: join(this.folder, 'shared-spool') },
      }),
    });
    await this.#nodeRed.deploy(
      crashFlow({
        meshUrl: this.sandbox.url,
        sharedKey: this.sandbox.sharedKey,
        receiverPort: this.receiverPort,
        inbox: join(this.folder, 'received'),
        mllpPort: this.#mllpPort,
      }),
    );
  }

  async kill(): Promise<void> {
    await this.#nodeRed?.stop('SIGKILL');
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#nodeRed?.stop();
  }

  stopProducing(): void {
    this.#producing = false;
  }

  /** Returns how many keys are neither collected nor given up; the count is at most 100 ms old. */
  onTheirWay(): number {
    if (Date.now() - this.#counted.at > 100) {
      const collected = this.sandbox.messages().filter(({ status }) => status === 'acknowledged').length;
      this.#counted = { at: Date.now(), collected };
    }
    return this.keys.length - this.#counted.collected;
  }

  /** Sends one key after the other, each repeatedly until Node-RED has confirmed it. */
  async produce(): Promise<void> {
    while (this.#producing) {
      if (options.load && this.onTheirWay() > 1.25 * ON_THEIR_WAY) {
        await sleep(50);
        continue;
      }
      if (options.front === 'mllp') {
        const { key, message } = mllpMessage(this.keys.length);
        this.keys.push(key);
        await enqueueOverMllp(key, message, this.#mllpPort);
        await sleep(random() * PAUSE_MS);
        continue;
      }
      const kind = KINDS[Math.floor(random() * KINDS.length)] ?? 'small';
      const { key, payload } = await newKey(this.keys.length, kind, this.folder);
      this.keys.push(key);
      await enqueue(key, payload, () => this.#port);
      await sleep(random() * PAUSE_MS);
    }
  }

  /** Waits until nothing is unsettled. Returns the local ids of the messages that need a decision. */
  async settle(deliveries: readonly Delivery[]): Promise<Set<string>> {
    const end = Date.now() + SETTLE_MS;
    for (;;) {
      const { moving, waiting, unknown, open, needsDecision } = await unsettled(this.#port, this.sandbox);
      if (moving === 0 || Date.now() > end) {
        if (moving > 0) say(`Not settled after ${SETTLE_MS / 1000} s: ${waiting} waiting, ${open} not collected.`);
        return needsDecision();
      }
      say(`Settling: ${waiting} waiting, ${unknown} unknown, ${open} not collected, ${deliveries.length} delivered.`);
      await sleep(3000);
    }
  }
}

runScript(main, `Seed ${SEED}`);
