/**
 * Two Node-REDs on one PostgreSQL behind a virtual address, by the real clock: one MLLP sender sends one message after
 * the other to the address, the instance behind it is killed in the middle, and the address moves to the one that is
 * ready. Measured: until the next message is accepted, until the sender's lease has moved and MESH has a message
 * that was accepted after the kill, and until a second site has the store from a dump and sends from it.
 * Every message must be at MESH once, in the order of the sender, except one that was on the wire at the kill: it is
 * looked up after the settle wait of three minutes.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort, listenOn, stopServer } from '../harness/ports';
import { RealNodeRed } from '../harness/node-red';
import { findProgram, startPostgres } from '../harness/postgres-server';
import { SandboxProcess } from './cluster-parts';
import { crashFlow } from './crash-flow';
import { enqueueOverMllp, mllpMessage } from './crash-mllp';
import { say, type Key } from './crash-parts';

/** The limit (milliseconds). */
const MAX_FAILOVER_MS = 60_000;
const MESSAGES = 40;
const KILL_AFTER = 20;
/** How often the balancer asks (milliseconds). */
const ASK_EVERY_MS = 500;

interface Site {
  nodeRed: RealNodeRed;
  mllpPort: number;
}

/** A virtual address: new connections go to the first site that is ready, and those to another one are broken. */
class VirtualAddress {
  readonly #server: Server;
  readonly #connections = new Map<Socket, Site>();
  readonly #asking: NodeJS.Timeout;
  active: Site | undefined;
  port = 0;

  constructor(sites: readonly Site[]) {
    this.#server = createServer((socket) => this.#forward(socket));
    this.#asking = setInterval(() => void this.#ask(sites), ASK_EVERY_MS);
  }

  async listen(): Promise<void> {
    this.port = await listenOn(this.#server);
  }

  async #ask(sites: readonly Site[]): Promise<void> {
    const ready = await Promise.all(sites.map(({ nodeRed }) => isReady(nodeRed)));
    this.active = sites.find((_site, index) => ready[index]);
    for (const [socket, site] of this.#connections) if (site !== this.active) socket.destroy();
  }

  #forward(socket: Socket): void {
    const site = this.active;
    socket.on('error', () => undefined);
    if (site === undefined) {
      socket.destroy();
      return;
    }
    const onward = connect(site.mllpPort, '127.0.0.1');
    onward.on('error', () => undefined);
    this.#connections.set(socket, site);
    socket.on('close', () => {
      this.#connections.delete(socket);
      onward.destroy();
    });
    onward.on('close', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  }

  async close(): Promise<void> {
    clearInterval(this.#asking);
    for (const socket of this.#connections.keys()) socket.destroy();
    await stopServer(this.#server);
  }
}

async function isReady({ url }: RealNodeRed): Promise<boolean> {
  const response = await fetch(`${url}/mesh/ready`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
  await response?.text();
  return response?.status === 200;
}

async function untilReady(site: Site): Promise<void> {
  for (const end = Date.now() + 60_000; !(await isReady(site.nodeRed)); await sleep(100)) {
    if (Date.now() > end) throw new Error(`not ready within a minute:\n${site.nodeRed.log().slice(-3000)}`);
  }
}

/** Runs the test, prints the times, and returns whether it holds. */
export async function failover(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-failover-'));
  const sandbox = await SandboxProcess.start(500, 0);
  const [first, second] = [await startPostgres(), await startPostgres()];
  const sites: Site[] = [];
  const address = new VirtualAddress(sites);
  const faults: string[] = [];
  const start = async (name: string, storeUrl: string): Promise<Site> => {
    const mllpPort = await freePort();
    const nodeRed = await RealNodeRed.start({
      userDir: join(folder, name),
      flows: [],
      settings: '  mesh: { ready: true },',
      env: { MESH_STORE_URL: storeUrl, MESH_LARGE_PAYLOADS: 'database' },
    });
    const { url: meshUrl, sharedKey } = sandbox;
    const site = { nodeRed, mllpPort };
    sites.push(site);
    if (await isReady(nodeRed)) faults.push(`${name} is ready before its flows have started`);
    // Nothing is received here: the receiver does not exist.
    await nodeRed.deploy(crashFlow({ meshUrl, sharedKey, receiverPort: 1, inbox: join(folder, 'in'), mllpPort }));
    await untilReady(site);
    return site;
  };
  const atMesh = async (): Promise<string[]> =>
    (await sandbox.messages()).flatMap(({ status, localId }) => (status === 'uploading' ? [] : [localId ?? '']));
  const sent: Key[] = [];
  const send = async (): Promise<void> => {
    const { key, message } = mllpMessage(sent.length);
    sent.push(key);
    await enqueueOverMllp(key, message, address.port);
  };
  const localIdOf = (index: number): string => sent[index]?.confirmed?.localId ?? '';
  const untilAtMesh = async (index: number, began: number): Promise<number> => {
    while (!(await atMesh()).includes(localIdOf(index))) {
      if (performance.now() - began > 5 * MAX_FAILOVER_MS) throw new Error('MESH has no message after five minutes');
      await sleep(100);
    }
    return performance.now() - began;
  };
  const time = (what: string, ms: number): void => {
    say(`  ${what}: ${(ms / 1000).toFixed(1)} s.`);
    if (ms > MAX_FAILOVER_MS) faults.push(`${what} took more than ${MAX_FAILOVER_MS / 1000} s`);
  };

  say('Failover of two Node-REDs behind one address, by the real clock.');
  try {
    await start('site-a', first.url);
    await start('site-b', first.url);
    await address.listen();
    await sleep(2 * ASK_EVERY_MS);
    while (sent.length < KILL_AFTER) await send();
    const killed = address.active;
    if (killed === undefined) throw new Error('no instance is ready');
    const began = performance.now();
    await killed.nodeRed.stop('SIGKILL');
    await send();
    time('The next message was accepted by the other instance', performance.now() - began);
    const afterKill = sent.length - 1;
    while (sent.length < MESSAGES) await send();
    time('MESH had a message that was accepted after the kill', await untilAtMesh(afterKill, began));
    await untilAtMesh(MESSAGES - 1, began);

    const survivor = sites.find((site) => site !== killed);
    const order = await atMesh();
    const expected = sent.map(({ confirmed }) => confirmed?.localId ?? '');
    // One that was on the wire when its sender was killed is looked up after the settle wait.
    const late = expected.filter((localId) => !order.includes(localId));
    const inOrder = expected.filter((localId) => !late.includes(localId));
    if (late.length > 1) faults.push(`${late.length} messages are not at MESH`);
    if (new Set(order).size !== order.length) faults.push('a message is at MESH twice');
    if (order.join(' ') !== inOrder.join(' ')) faults.push('MESH has the messages in another order than the sender');
    say(`  ${order.length} of ${MESSAGES} messages at MESH in the sender’s order, ${late.length} being looked up.`);

    // The site is lost: what is there is a dump of its database.
    await survivor?.nodeRed.stop();
    const listed = await rowsIn(first.url);
    const dump = join(folder, 'mesh.dump');
    const restoring = performance.now();
    execFileSync(findProgram('pg_dump'), ['--format=custom', `--file=${dump}`, first.url]);
    await first.end('SIGKILL');
    execFileSync(findProgram('pg_restore'), ['--no-owner', `--dbname=${second.url}`, dump]);
    sites.length = 0;
    const restored = await rowsIn(second.url);
    if (restored !== listed) faults.push(`the second site has ${restored} messages, not ${listed}`);
    await start('site-c', second.url);
    await sleep(2 * ASK_EVERY_MS);
    await send();
    await untilAtMesh(sent.length - 1, restoring);
    time('A second site sent from the restored database', performance.now() - restoring);
    if (new Set(await atMesh()).size !== (await atMesh()).length) faults.push('the second site sent a message again');
  } finally {
    await address.close();
    await Promise.all(sites.map(({ nodeRed }) => nodeRed.stop()));
    await sandbox.close();
    await Promise.all([first.remove(), second.remove()]);
    await rm(folder, { recursive: true, force: true });
  }
  for (const fault of faults) say(`FAULT: ${fault}`);
  return faults.length === 0;
}

/** Returns how many sent messages a database has. */
async function rowsIn(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM mesh.outgoing');
    return Number(rows[0]?.count);
  } finally {
    await client.end();
  }
}
