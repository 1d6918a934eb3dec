/**
 * `npm run test:crash -- --kills N --seed S`: a real Node-RED is killed with SIGKILL at random moments while it sends, sends
 * in chunks, polls, saves files and acknowledges, against a MESH that drops connections and answers 503. At the end every
 * key is at MESH exactly once, or held where nobody can know; every message that MESH gave away was handed to the flow.
 *
 * The sandbox runs in this process, Node-RED in its own. Node-RED's waits are shortened by a clock that runs faster; it
 * stays behind the real one, so that no upload seems older than its attempt.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startSandbox, type Sandbox } from '../lib/sandbox';
import { crashFlow } from './crash-flow';
import { freePort, RealNodeRed } from './node-red';

const { values: options } = parseArgs({
  options: { kills: { type: 'string', default: '40' }, seed: { type: 'string' }, json: { type: 'boolean' } },
});

const KILLS = Number(options.kills);
const SEED = options.seed ?? String(Date.now() % 1_000_000);
/** So much faster than the real time. */
const CLOCK_SPEED = 60;
/** How long the harness may wait at the end for everything to be settled (milliseconds). */
const SETTLE_MS = 180_000;
const random = seeded(Number(SEED));

type Kind = 'small' | 'chunked' | 'file';

interface Key {
  key: string;
  kind: Kind;
  sha256: string;
  /** What the outbox answered; missing while it is not confirmed. */
  confirmed?: { id: string; localId: string };
  attempts: number;
}

interface Handed {
  messageId: string;
  sha256: string;
  deliveryCount: number;
}

async function main(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-crash-'));
  const trackingLagMs = Math.round((random() * 180_000) / CLOCK_SPEED);
  const sandbox = await startSandbox({ protocol: 'http', trackingLagMs });
  makeFaulty(sandbox);
  const handed: Handed[] = [];
  const receiver = await startReceiver(handed);
  const harness = new Harness(folder, sandbox, receiver.port);
  say(`Seed ${SEED}, ${KILLS} kills, tracking lags ${trackingLagMs} ms (clock × ${CLOCK_SPEED}).`);
  try {
    await harness.start();
    const producers = [1, 2, 3].map(() => harness.produce());
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await sleep(100 + random() * 1500);
      await harness.kill();
      if (kill % 10 === 0) say(`${kill} kills, ${harness.keys.length} keys, ${handed.length} handed over.`);
    }
    harness.stopProducing();
    await Promise.all(producers);
    sandbox.clearFaults();
    const held = await harness.settle(handed);
    return judge(harness.keys, sandbox, handed, held);
  } finally {
    await harness.stop();
    receiver.close();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  }
}

class Harness {
  readonly keys: Key[] = [];
  #nodeRed: RealNodeRed | undefined;
  #producing = true;
  #port = 0;
  readonly #anchor = Date.now();

  constructor(
    private readonly folder: string,
    private readonly sandbox: Sandbox,
    private readonly receiverPort: number,
  ) {}

  async start(): Promise<void> {
    this.#port ||= await freePort();
    // Behind the real time for an hour of running.
    const begin = this.#anchor - 3_600_000 * CLOCK_SPEED;
    this.#nodeRed = await RealNodeRed.start({
      userDir: join(this.folder, 'node-red'),
      port: this.#port,
      flows: [],
      env: { MESH_TEST_CLOCK: `${this.#anchor},${begin},${CLOCK_SPEED}` },
    });
    await this.#nodeRed.deploy(
      crashFlow({
        meshUrl: this.sandbox.url,
        sharedKey: this.sandbox.sharedKey,
        receiverPort: this.receiverPort,
        inbox: join(this.folder, 'received'),
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

  /** One key after the other; each is repeated, with the same key, until Node-RED has confirmed it. */
  async produce(): Promise<void> {
    while (this.#producing) {
      const kind = (['small', 'small', 'chunked', 'file'] as const)[Math.floor(random() * 4)] ?? 'small';
      const payload = randomBytes(kind === 'small' ? 200 : 120_000).toString('hex');
      const key: Key = {
        key: `K${this.keys.length}-${randomBytes(4).toString('hex')}`,
        kind,
        sha256: createHash('sha256').update(payload).digest('hex'),
        attempts: 0,
      };
      this.keys.push(key);
      const path = join(this.folder, `${key.key}.txt`);
      if (kind === 'file') await writeFile(path, payload);
      await this.#enqueue(key, kind === 'file' ? path : payload);
      await sleep(random() * 150);
    }
  }

  async #enqueue(key: Key, payload: string): Promise<void> {
    while (key.confirmed === undefined) {
      key.attempts += 1;
      try {
        const response = await fetch(`http://127.0.0.1:${this.#port}/enqueue`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ key: key.key, kind: key.kind, payload }),
          signal: AbortSignal.timeout(5000),
        });
        if (response.ok) key.confirmed = (await response.json()) as { id: string; localId: string };
        else await sleep(200);
      } catch {
        await sleep(100);
      }
    }
  }

  /** Waits until nothing moves any more; gives the local ids that are held for a person. */
  async settle(handed: Handed[]): Promise<Set<string>> {
    const end = Date.now() + SETTLE_MS;
    for (;;) {
      const waiting = await this.#list('waiting');
      const unknown = await this.#list('unknown');
      const open = this.sandbox.messages().filter((message) => message.status === 'accepted').length;
      const undone = unknown.filter((message) => !message.held).length + waiting.length + open;
      if (undone === 0 || Date.now() > end) {
        if (undone > 0) say(`Not settled after ${SETTLE_MS / 1000} s: ${waiting.length} wait, ${open} not collected.`);
        return new Set([...unknown, ...(await this.#list('held'))].map((message) => message.localId));
      }
      say(
        `Settling: ${waiting.length} wait, ${unknown.length} unknown, ${open} not collected, ${handed.length} handed over.`,
      );
      await sleep(3000);
    }
  }

  async #list(what: string): Promise<Array<{ localId: string; held: boolean }>> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/list?what=${what}`);
    if (!response.ok) throw new Error(`list ${what}: status ${response.status}: ${await response.text()}`);
    return (await response.json()) as Array<{ localId: string; held: boolean }>;
  }
}

/** 5 % dropped before the effect, 5 % after it, 5 % answered 503: of everything that MESH does. */
function makeFaulty(sandbox: Sandbox): void {
  const common = { operation: '*', times: Infinity, probability: 0.05 } as const;
  sandbox.fault({ ...common, effect: { kind: 'drop', when: 'before' } });
  sandbox.fault({ ...common, effect: { kind: 'drop', when: 'after' } });
  sandbox.fault({ ...common, effect: { kind: 'status', status: 503 } });
}

/** Where the flow puts what it received, before it acknowledges. */
async function startReceiver(handed: Handed[]): Promise<{ port: number; close: () => void }> {
  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      handed.push(await receive(request));
      response.end('ok');
    };
    answer().catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: address.port, close };
}

async function receive(request: IncomingMessage): Promise<Handed> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = JSON.parse(Buffer.concat(pieces).toString()) as {
    mesh: { messageId: string; deliveryCount: number };
    text?: string;
    file?: string;
  };
  const bytes = body.file === undefined ? Buffer.from(body.text ?? '') : await readFile(body.file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { messageId: body.mesh.messageId, deliveryCount: body.mesh.deliveryCount, sha256 };
}

/** The two promises, counted. */
function judge(keys: Key[], sandbox: Sandbox, handed: Handed[], held: Set<string>): boolean {
  const faults: string[] = [];
  const atMesh = new Map<string, string[]>();
  for (const { localId = '', messageId, status } of sandbox.messages()) {
    if (status !== 'uploading') atMesh.set(localId, [...(atMesh.get(localId) ?? []), messageId]);
  }
  const counts = {
    keys: keys.length,
    once: 0,
    held: 0,
    heldAtMesh: 0,
    twice: 0,
    lost: 0,
    redelivered: 0,
    repeatedKeys: 0,
  };
  for (const { key, kind, confirmed, attempts, sha256 } of keys) {
    const found = atMesh.get(confirmed?.localId ?? '') ?? [];
    const isHeld = held.has(confirmed?.localId ?? '');
    if (attempts > 1) counts.repeatedKeys += 1;
    if (isHeld) counts.held += 1;
    if (isHeld && found.length > 0) {
      counts.heldAtMesh += 1;
      faults.push(`${key} (${kind}) is held although MESH has it`);
    }
    if (found.length > 1) {
      counts.twice += 1;
      faults.push(`${key} (${kind}) was sent ${found.length} times`);
    }
    if (found.length === 0 && !isHeld) {
      counts.lost += 1;
      faults.push(`${key} (${kind}) is neither at MESH nor held`);
    }
    if (found.length === 1) {
      counts.once += 1;
      const deliveries = handed.filter((delivery) => delivery.messageId === found[0]);
      if (deliveries.length === 0) faults.push(`${key} (${kind}) was never handed to the flow`);
      if (deliveries.some((delivery) => delivery.sha256 !== sha256))
        faults.push(`${key} (${kind}) came back different`);
      if (deliveries.filter((delivery) => delivery.deliveryCount === 1).length > 1) {
        faults.push(`${key} (${kind}) was delivered twice, both times as the first`);
      }
      if (deliveries.length > 1) counts.redelivered += 1;
    }
  }
  const uncollected = sandbox.messages().filter((message) => message.status === 'accepted').length;
  if (uncollected > 0) faults.push(`${uncollected} messages were not collected`);
  if (counts.held > 2 * KILLS + keys.length * 0.1) faults.push('more are held than kills and lost answers explain');
  for (const fault of faults.slice(0, 20)) say(`FAULT: ${fault}`);
  say(
    `${counts.keys} keys (${counts.repeatedKeys} repeated): ${counts.once} once at MESH, ${counts.held} held, ${counts.twice} twice, ` +
      `${counts.lost} lost; ${counts.redelivered} redelivered with their count. Seed ${SEED}, ${KILLS} kills.`,
  );
  say(`Tests: ${faults.length === 0 ? 1 : 0} passed, ${faults.length} failed, 0 skipped`);
  if (options.json) say(JSON.stringify({ seed: SEED, kills: KILLS, ...counts, faults: faults.length }));
  return faults.length === 0;
}

/** mulberry32: the same moments for the same seed, as far as a process can be killed at the same moment. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().then(
  (good) => process.exit(good ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\nSeed ${SEED}\n`);
    process.exit(1);
  },
);
