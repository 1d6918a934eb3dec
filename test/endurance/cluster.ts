/**
 * `npm run test:cluster -- --instances 2,3 --messages N --seed S`: real Node-REDs that share a PostgreSQL and a spool
 * folder send and receive N messages, against a MESH in a separate process that drops connections and responds 503.
 * Meanwhile PostgreSQL is restarted and killed, the sender is killed, and paused (SIGSTOP) for less than its lease, for
 * longer than its lease, and for longer than the settle wait. A tenth of the received messages is acknowledged on an
 * instance other than the one that delivered it. At the end every key must be at MESH once, or need a decision because
 * its response was lost; messages that were sent twice after the longest pause must have been reported; and every
 * message must have been delivered to a flow, redeliveries only with a higher count.
 *
 * At last two Node-REDs behind one address, by the real clock (failover.ts); `--instances 0` runs that alone.
 *
 * A faster clock shortens the waits (see crash.ts), and with them the leases, which go by the database's clock.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { SandboxMessage } from '../../lib/sandbox';
import { LEASE_MS } from '../../lib/store/mailbox-lease';
import { fastClock } from '../harness/clocks';
import { startPostgres, type TestPostgres } from '../harness/postgres-server';
import { Instance, leases, SandboxProcess, type Lease } from './cluster-parts';
import {
  enqueue,
  verifyKeys,
  listOutbox,
  newKey,
  report,
  runScript,
  say,
  sayTotal,
  seeded,
  startReceiver,
} from './crash-parts';
import type { Delivery, Key } from './crash-parts';
import { failover } from './failover';

const { values: options } = parseArgs({
  options: {
    instances: { type: 'string', default: '2,3' },
    messages: { type: 'string', default: '5000' },
    seed: { type: 'string' },
    json: { type: 'boolean' },
  },
});

const MESSAGES = Number(options.messages);
const SEED = options.seed ?? String(Date.now() % 1_000_000);
const random = seeded(Number(SEED));
/** How many times faster than real time the clock runs. */
const CLOCK_SPEED = 20;
/** Probability of each kind of fault (makeFaulty) for each request. */
const FAULTS = 0.01;
/** Fraction of the received messages that is not acknowledged after the first delivery. */
const UNACKNOWLEDGED = 0.01;
/** Real milliseconds. The settle wait is lease + time-outs of 140 s and 10 s by the faster clock (lib/mailbox.ts). */
const LEASE = LEASE_MS / CLOCK_SPEED;
const SETTLE_WAIT = (LEASE_MS + 150_000) / CLOCK_SPEED;
/** At the end everything must settle. Maximum time without progress (milliseconds). */
const STALLED_MS = 60_000;
const PRODUCERS = 8;

class Cluster {
  readonly keys: Key[] = [];
  readonly deliveries: Delivery[] = [];
  readonly reportedTwice = new Set<string>();
  readonly takeovers: number[] = [];
  readonly instances: Instance[] = [];
  acknowledgedElsewhere = 0;

  constructor(
    private readonly folder: string,
    private readonly postgres: TestPostgres,
    private readonly sandbox: SandboxProcess,
  ) {}

  async start(count: number, receiverPort: number): Promise<void> {
    const clock = fastClock(CLOCK_SPEED);
    for (let index = 1; index <= count; index += 1) {
      const { url: meshUrl, sharedKey } = this.sandbox;
      const options = { folder: this.folder, storeUrl: this.postgres.url, meshUrl, sharedKey, receiverPort, clock };
      const instance = new Instance(`node-red-${index}`, options);
      this.instances.push(instance);
      await instance.start();
    }
  }

  /** Sends one key after the other, each to any running instance, until there are enough. */
  async produce(): Promise<void> {
    while (this.keys.length < MESSAGES) {
      const kind = (['chunked', 'file'] as const)[Math.floor(random() * 20)] ?? 'small';
      const index = this.keys.length;
      const made = newKey(index, kind, this.folder);
      // Reserves the index before anything is awaited: there are several producers.
      this.keys.length += 1;
      const { key, payload } = await made;
      this.keys[index] = key;
      await enqueue(key, payload, () => this.any().port);
    }
  }

  any(): Instance {
    const running = this.instances.filter(({ isRunning }) => isRunning);
    const [first] = this.instances;
    const chosen = running[Math.floor(random() * running.length)] ?? first;
    if (!chosen) throw new Error('no instance was started');
    return chosen;
  }

  /** Takes a delivery from a flow. A tenth is acknowledged on any instance. */
  take(delivery: Delivery, mesh: Record<string, unknown>): string {
    this.deliveries.push(delivery);
    // Simulates a flow that stops: the message is redelivered when the lease ends.
    if (delivery.deliveryCount === 1 && random() < UNACKNOWLEDGED) return 'unacknowledged';
    if (random() > 0.1) return 'ok';
    this.acknowledgedElsewhere += 1;
    fetch(`http://127.0.0.1:${this.any().port}/acknowledge`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(mesh),
      signal: AbortSignal.timeout(10_000),
      // If it fails, the message is redelivered.
    }).catch(() => undefined);
    return 'elsewhere';
  }

  /** Waits until this fraction (0 to 1) of the messages is confirmed. */
  async reached(part: number): Promise<void> {
    while (this.keys.filter((key) => key?.confirmed).length < MESSAGES * part) await sleep(50);
  }

  /** Waits for the instance that sends from the mailbox, and returns it with the leases that are held. */
  async sender(): Promise<{ instance: Instance; held: Lease[] }> {
    for (;;) {
      const held = await leases(this.postgres.url).catch((): Lease[] => []);
      const owner = held.find(({ mailbox, role }) => role === 'sender' && mailbox.endsWith('X26ABC1'))?.owner ?? '';
      const instance = this.instances.find(({ ids, isRunning }) => isRunning && ids.has(owner));
      if (instance) return { instance, held };
      await sleep(20);
    }
  }

  /** Waits until other instances have taken over the leases of `from`; prints and records the time (milliseconds). */
  async waitForTakeover(from: Instance, held: readonly Lease[], why: string): Promise<void> {
    const began = performance.now();
    const lost = held.filter(({ owner }) => from.ids.has(owner));
    const isTaken = (now: readonly Lease[]): boolean =>
      lost.every(({ mailbox, role }) =>
        now.some((each) => each.mailbox === mailbox && each.role === role && !from.ids.has(each.owner)),
      );
    while (!isTaken(await leases(this.postgres.url).catch(() => []))) await sleep(20);
    const took = Math.round(performance.now() - began);
    this.takeovers.push(took);
    say(`  ${from.name} ${why}: its ${lost.length} leases were taken over after ${took} ms.`);
  }

  /** Waits until nothing is unsettled. Returns the messages at MESH and the local ids that need a decision. */
  async settle(): Promise<{ messages: SandboxMessage[]; needsDecision: Set<string> }> {
    let fewest = Infinity;
    for (let end = 0; ; await sleep(1000)) {
      const messages = await this.sandbox.messages();
      const atMesh = new Set(messages.flatMap(({ localId, status }) => (status === 'uploading' ? [] : [localId])));
      const { port } = this.any();
      const unknown = await listOutbox(port, 'unknown');
      const lost = new Set(unknown.map(({ localId }) => localId));
      const waiting = (await listOutbox(port, 'waiting')).filter(({ localId }) => !lost.has(localId));
      // An unknown message that MESH has is found by lookup; one that it has not needs a decision after 40 minutes.
      const found = unknown.filter(({ localId }) => atMesh.has(localId));
      const open = messages.filter(({ status }) => status === 'accepted').length;
      const delivered = new Set(this.deliveries.map(({ messageId }) => messageId));
      const due = messages.filter(
        ({ status, messageId }) => status === 'acknowledged' && !delivered.has(messageId),
      ).length;
      const unsettled = waiting.length + found.length + open + due;
      if (unsettled < fewest) end = Date.now() + STALLED_MS;
      fewest = Math.min(fewest, unsettled);
      if (unsettled > 0 && Date.now() < end) continue;
      if (unsettled > 0)
        say(`Not settled: ${waiting.length} waiting, ${found.length} unknown, ${open} + ${due} not received.`);
      const undecided = [...unknown, ...(await listOutbox(port, 'held'))];
      return { messages, needsDecision: new Set(undecided.map(({ localId }) => localId)) };
    }
  }
}

async function run(count: number): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-cluster-'));
  const postgres = await startPostgres();
  const sandbox = await SandboxProcess.start(500, FAULTS);
  const cluster = new Cluster(folder, postgres, sandbox);
  const receiver = await startReceiver(
    (delivery, mesh) => cluster.take(delivery, mesh),
    (code, id) => void (code === 'MESH_DUPLICATE' && cluster.reportedTwice.add(id)),
  );
  const began = performance.now();
  say(`${count} instances, ${MESSAGES} messages, seed ${SEED}; lease ${LEASE} ms, settle wait ${SETTLE_WAIT} ms.`);
  try {
    await cluster.start(count, receiver.port);
    const producing = Promise.all(Array.from({ length: PRODUCERS }, () => cluster.produce()));
    const twiceBefore = await disturb(cluster, postgres, sandbox);
    await producing;
    await sandbox.clearFaults();
    const { messages, needsDecision } = await cluster.settle();
    const { keys, deliveries, reportedTwice } = cluster;
    const verified = verifyKeys({
      keys,
      messages,
      deliveries,
      needsDecision,
      maxNeedsDecision: 20 + keys.length * FAULTS * 5,
      reportedTwice,
    });
    verified.faults.push(
      ...twiceBefore.map((localId) => `${localId} was sent twice although no pause was long enough`),
    );
    const seconds = Math.round((performance.now() - began) / 1000);
    return report(
      verified,
      `${reportedTwice.size} reported as sent twice, ${cluster.acknowledgedElsewhere} acknowledged elsewhere, ` +
        `takeovers after ${cluster.takeovers.join(', ')} ms. ${count} instances, ${seconds} s, seed ${SEED}.`,
    );
  } finally {
    await Promise.all(cluster.instances.map((instance) => instance.stop()));
    receiver.close();
    await sandbox.close();
    await postgres.remove();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Disturbs the cluster step by step. Returns the local ids that were sent twice before the longest pause. */
async function disturb(cluster: Cluster, postgres: TestPostgres, sandbox: SandboxProcess): Promise<string[]> {
  await cluster.reached(0.1);
  say('  PostgreSQL is restarted.');
  await postgres.end('SIGINT');
  await postgres.start();

  await cluster.reached(0.2);
  const brief = await cluster.sender();
  say(`  ${brief.instance.name} is paused for less than its lease.`);
  await brief.instance.pause(LEASE * 0.6);

  await cluster.reached(0.35);
  const dead = await cluster.sender();
  await dead.instance.kill();
  await cluster.waitForTakeover(dead.instance, dead.held, 'was killed');
  await dead.instance.start();

  await cluster.reached(0.5);
  const slow = await cluster.sender();
  const pausing = slow.instance.pause(LEASE + SETTLE_WAIT / 2);
  await cluster.waitForTakeover(slow.instance, slow.held, 'is paused for longer than its lease');
  await pausing;

  await cluster.reached(0.65);
  say('  PostgreSQL is killed.');
  await postgres.end('SIGKILL');
  await sleep(1000);
  await postgres.start();

  await cluster.reached(0.8);
  const twice = sentTwice(await sandbox.messages());
  const longest = await cluster.sender();
  const pausingLongest = longest.instance.pause(LEASE + SETTLE_WAIT * 1.3);
  await cluster.waitForTakeover(longest.instance, longest.held, 'is paused for longer than the settle wait');
  await pausingLongest;
  return twice;
}

function sentTwice(messages: readonly SandboxMessage[]): string[] {
  const whole = messages.filter(({ status, localId }) => status !== 'uploading' && localId !== undefined);
  const byLocalId = Map.groupBy(whole, ({ localId }) => localId);
  return [...byLocalId].flatMap(([localId = '', found]) => (found.length > 1 ? [localId] : []));
}

async function main(): Promise<boolean> {
  const runs: boolean[] = [];
  for (const count of options.instances.split(',').map(Number)) if (count > 0) runs.push(await run(count));
  runs.push(await failover());
  return sayTotal(runs);
}

runScript(main, `Seed ${SEED}`);
