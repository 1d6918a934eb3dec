/** The processes of the cluster test: a MESH, and Node-REDs that are killed, paused and restarted. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { TimeLine } from '../../lib/clock';
import type { SandboxMessage } from '../../lib/sandbox';
import type { SandboxReply, SandboxRequest } from './cluster-sandbox';
import { crashFlow } from './crash-flow';
import { RealNodeRed } from '../harness/node-red';
import { freePort } from '../harness/ports';
import { spooledIn } from '../harness/spool-files';

/** A sandbox in a separate process. */
export class SandboxProcess {
  private constructor(
    readonly url: string,
    readonly sharedKey: string,
    private readonly child: ChildProcess,
  ) {}

  /** Starts the sandbox. `probability` applies to each kind of fault (makeFaulty). */
  static async start(trackingLagMs: number, probability: number): Promise<SandboxProcess> {
    const child = fork(join(__dirname, 'cluster-sandbox.ts'), [String(trackingLagMs), String(probability)]);
    const [started] = (await once(child, 'message')) as [SandboxReply];
    if (!('url' in started)) throw new Error('the sandbox did not start');
    return new SandboxProcess(started.url, started.sharedKey, child);
  }

  async messages(): Promise<SandboxMessage[]> {
    const reply = await this.#ask({ ask: 'messages' });
    return 'messages' in reply ? reply.messages : [];
  }

  async clearFaults(): Promise<void> {
    await this.#ask({ ask: 'clear-faults' });
  }

  async close(): Promise<void> {
    const exit = once(this.child, 'exit');
    this.child.disconnect();
    await exit;
  }

  async #ask(request: SandboxRequest): Promise<SandboxReply> {
    this.child.send(request);
    const [reply] = (await once(this.child, 'message')) as [SandboxReply];
    return reply;
  }
}

/** What all instances share. */
export interface SharedOptions {
  folder: string;
  storeUrl: string;
  meshUrl: string;
  sharedKey: string;
  receiverPort: number;
  clock: TimeLine;
}

/** One Node-RED of the cluster. */
export class Instance {
  readonly name: string;
  readonly #shared: SharedOptions;
  readonly #spool: string;
  #port = 0;
  #nodeRed: RealNodeRed | undefined;
  /** Ids of its store, one for each start. */
  readonly ids = new Set<string>();
  /** Whether the instance responds. */
  isRunning = false;

  constructor(name: string, shared: SharedOptions) {
    this.name = name;
    this.#shared = shared;
    this.#spool = join(shared.folder, 'spool');
  }

  get port(): number {
    return this.#port;
  }

  /** Starts the instance. Start one at a time: the new probe file in the spool reveals the id of its store. */
  async start(): Promise<void> {
    const { folder, storeUrl, clock, meshUrl, sharedKey, receiverPort } = this.#shared;
    this.#port ||= await freePort();
    const before = await this.#probes();
    this.#nodeRed = await RealNodeRed.start({
      userDir: join(folder, this.name),
      port: this.#port,
      flows: [],
      clock,
      env: { MESH_STORE_URL: storeUrl, MESH_SPOOL_FOLDER: this.#spool },
    });
    await this.#nodeRed.deploy(crashFlow({ meshUrl, sharedKey, receiverPort, inbox: join(folder, 'received') }));
    for (const end = Date.now() + 30_000; Date.now() < end; await sleep(50)) {
      const probe = [...(await this.#probes())].find((name) => !before.has(name));
      if (probe === undefined) continue;
      this.ids.add(probe.replace('probe-', ''));
      this.isRunning = true;
      return;
    }
    throw new Error(`${this.name} did not open its store:\n${this.#nodeRed.log().slice(-3000)}`);
  }

  async kill(): Promise<void> {
    this.isRunning = false;
    await this.#nodeRed?.stop('SIGKILL');
  }

  /** Sends SIGSTOP, and SIGCONT after `ms`. */
  async pause(ms: number): Promise<void> {
    this.isRunning = false;
    process.kill(this.#nodeRed?.pid ?? 0, 'SIGSTOP');
    await sleep(ms);
    process.kill(this.#nodeRed?.pid ?? 0, 'SIGCONT');
    this.isRunning = true;
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await this.#nodeRed?.stop();
  }

  log(): string {
    return this.#nodeRed?.log() ?? '';
  }

  async #probes(): Promise<Set<string>> {
    const names = await spooledIn(this.#spool).catch(() => []);
    return new Set(names.filter((name) => name.startsWith('probe-')));
  }
}

/** A lease of a mailbox and its owner. */
export interface Lease {
  mailbox: string;
  role: string;
  owner: string;
}

/** Returns the leases that have not expired. */
export async function leases(storeUrl: string): Promise<Lease[]> {
  const client = new Client({ connectionString: storeUrl });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<Lease>(
      `SELECT m.key AS mailbox, l.role, l.owner FROM mesh.mailbox_lease AS l JOIN mesh.mailbox AS m ON m.id = l.mailbox
        WHERE l.until > clock_timestamp()`,
    );
    return rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
