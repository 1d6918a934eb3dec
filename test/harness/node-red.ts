/**
 * A real Node-RED in a process of its own, with this package installed in a user folder: for `npm start`, the demo and the
 * journey tests. Loopback only.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = resolve(__dirname, '..', '..');

/** The majors that the package supports, and the name under which each is installed here. */
export const NODE_RED_PACKAGES = { '4': 'node-red-4', '5': 'node-red' } as const;
export type NodeRedMajor = keyof typeof NODE_RED_PACKAGES;

/** How to start. */
export interface NodeRedOptions {
  /** Made if it is not there. */
  userDir: string;
  /** Default: 5. */
  major?: NodeRedMajor;
  /** Default: a free one. */
  port?: number;
  /** Written as the flow file if given; else the one that is there stays. */
  flows?: unknown[];
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** JavaScript put into the settings object, e.g. `functionGlobalContext: {…},`. */
  settings?: string;
  /** True where the package is installed in the user folder already, e.g. from a tarball. Default: it is linked there. */
  installed?: boolean;
  /** Another Node.js and Node-RED (its red.js) than ours, as another user. */
  program?: { node: string; red: string; uid?: number; gid?: number };
  /** Where Node-RED's log goes. Default: kept, and given back by `log()`. */
  log?: 'inherit';
}

/** What the debug sidebar shows. */
export interface DebugMessage {
  /** The debug node's id. */
  id: string;
  /** The value, read from JSON where it is an object. */
  value: unknown;
}

/** What stands below a node in the editor. */
export interface NodeStatus {
  fill?: string;
  shape?: string;
  text?: string;
}

/** A running Node-RED. */
export class RealNodeRed {
  readonly #process: ChildProcess;
  readonly #debug: DebugMessage[] = [];
  readonly #statuses = new Map<string, NodeStatus>();
  #socket: WebSocket | undefined;
  #log = '';

  private constructor(
    process: ChildProcess,
    readonly url: string,
  ) {
    this.#process = process;
    for (const stream of [process.stdout, process.stderr]) {
      stream?.on('data', (piece: Buffer) => {
        this.#log = (this.#log + piece.toString()).slice(-1_000_000);
      });
    }
  }

  /** Starts one and resolves when its flows have started. */
  static async start(options: NodeRedOptions): Promise<RealNodeRed> {
    const port = options.port ?? (await freePort());
    prepareUserDir(options, port);
    const bundled = dirname(require.resolve(`${NODE_RED_PACKAGES[options.major ?? '5']}/package.json`));
    const { node, red, ...user } = options.program ?? { node: process.execPath, red: join(bundled, 'red.js') };
    const child = spawn(node, [red, '--userDir', options.userDir, '--settings', settingsFile(options)], {
      ...user,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', options.log ?? 'pipe', options.log ?? 'pipe'],
    });
    const nodeRed = new RealNodeRed(child, `http://127.0.0.1:${port}`);
    try {
      await nodeRed.#started();
    } catch (error) {
      await nodeRed.stop();
      throw error;
    }
    return nodeRed;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Node-RED's log so far, its last million characters. */
  log(): string {
    return this.#log;
  }

  /** Presses an inject node's button; `props` replace what the node would inject. Waits for flows that are just starting. */
  async inject(id: string, props?: Array<{ p: string; v: string; vt: string }>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(`${this.url}/inject/${id}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(props ? { __user_inject_props__: props } : {}),
      });
      if (response.ok) return;
      if (response.status !== 404 || attempt > 300) throw new Error(`inject ${id}: status ${response.status}`);
      await sleep(50);
    }
  }

  /** The next message of a debug node that nobody has taken yet and that fits. Rejects after `timeoutMs`. */
  async debug(id: string, timeoutMs = 30_000, fits: (value: unknown) => boolean = () => true): Promise<unknown> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const index = this.#debug.findIndex((message) => message.id === id && fits(message.value));
      if (index >= 0) return this.#debug.splice(index, 1)[0]?.value;
      if (Date.now() > end || this.#process.exitCode !== null) {
        throw new Error(
          `debug node ${id} showed nothing within ${timeoutMs} ms. Node-RED's log ends:\n${this.#log.slice(-3000)}`,
        );
      }
      await sleep(10);
    }
  }

  /** The status of a node as soon as it fits. Rejects after `timeoutMs`. */
  async status(id: string, fits: (status: NodeStatus) => boolean, timeoutMs = 15_000): Promise<NodeStatus> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const status = this.#statuses.get(id);
      if (status && fits(status)) return status;
      if (Date.now() > end) throw new Error(`the status of ${id} stayed ${JSON.stringify(status)}`);
      await sleep(10);
    }
  }

  /** The last status of each node that has one. */
  statuses(): ReadonlyMap<string, NodeStatus> {
    return this.#statuses;
  }

  /**
   * Replaces the flows, as the editor's Deploy does, and waits until they have started; credentials stand in the nodes'
   * `credentials`.
   */
  async deploy(flows: unknown[], type: 'full' | 'nodes' | 'flows' = 'full'): Promise<void> {
    const before = this.#timesStarted();
    const response = await fetch(`${this.url}/flows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'node-red-deployment-type': type },
      body: JSON.stringify(flows),
    });
    if (!response.ok) throw new Error(`deploy: status ${response.status}: ${await response.text()}`);
    // Node-RED answers when the old flows have stopped. A deploy that changes nothing starts nothing.
    const end = Date.now() + 20_000;
    while (this.#timesStarted() === before && Date.now() < end) await sleep(20);
  }

  #timesStarted(): number {
    return this.#log.match(/Started (modified )?(flows|nodes)/g)?.length ?? 0;
  }

  /** Ends it and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#socket?.close();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill(signal);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 20_000);
    await exited;
    clearTimeout(timer);
  }

  /** Resolves with its exit code when it has ended by itself; 0 where a signal ended it. */
  async ended(): Promise<number> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit');
    return this.#process.exitCode ?? 0;
  }

  async #started(): Promise<void> {
    const end = Date.now() + 60_000;
    for (;;) {
      if (this.#process.exitCode !== null) throw new Error(`Node-RED did not start:\n${this.#log}`);
      const state = await fetch(`${this.url}/flows/state`).catch(() => undefined);
      // Without runtime state, 404 once the admin API is up; the flows are started a moment later, so the nodes are asked.
      if (state && (await this.#flowsStarted())) break;
      if (Date.now() > end) throw new Error(`Node-RED did not start within 60 s:\n${this.#log}`);
      await sleep(50);
    }
    this.#socket = await subscribe(this.url, {
      debug: (message) => this.#debug.push(message),
      status: (id, status) => this.#statuses.set(id, status),
    });
  }

  async #flowsStarted(): Promise<boolean> {
    if (this.#process.stdout === null) return (await fetch(`${this.url}/flows`)).ok;
    return this.#log.includes('Started flows');
  }
}

/** What a browser does for the debug sidebar and the nodes' status. */
async function subscribe(
  url: string,
  take: { debug: (message: DebugMessage) => void; status: (id: string, status: NodeStatus) => void },
): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/comms`);
  socket.addEventListener('message', (event) => {
    const messages = JSON.parse(String(event.data)) as CommsMessage[];
    for (const { topic, data } of [messages].flat()) {
      if (topic?.startsWith('status/')) take.status(topic.slice('status/'.length), data ?? {});
      if (topic !== 'debug' || !data?.id) continue;
      const isJson = /^(object|array|error)/i.test(data.format ?? '') && typeof data.msg === 'string';
      take.debug({ id: data.id, value: isJson ? (JSON.parse(data.msg as string) as unknown) : data.msg });
    }
  });
  await once(socket, 'open');
  for (const topic of ['debug', 'status/#']) socket.send(JSON.stringify({ subscribe: topic }));
  return socket;
}

interface CommsMessage {
  topic?: string;
  data?: NodeStatus & { id?: string; msg?: unknown; format?: string };
}

/** Installs this package into the user folder by a link, as `npm link` does, and writes settings and flows. */
function prepareUserDir(options: NodeRedOptions, port: number): void {
  const { name } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string };
  const link = join(options.userDir, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  if (!options.installed && !existsSync(link)) {
    rmSync(link, { force: true });
    symlinkSync(ROOT, link, 'junction');
  }
  if (options.flows) writeFileSync(join(options.userDir, 'flows.json'), JSON.stringify(options.flows, null, 2));
  writeFileSync(
    settingsFile(options),
    `// Written anew at every start.
module.exports = {
  uiHost: '127.0.0.1',
  uiPort: ${port},
  flowFile: 'flows.json',
  flowFilePretty: true,
  credentialSecret: 'only the sandbox is configured here',
  diagnostics: { enabled: false },
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, projects: { enabled: false } },
  logging: { console: { level: 'info', metrics: false, audit: false } },
  ${options.settings ?? ''}
};
`,
  );
}

function settingsFile(options: NodeRedOptions): string {
  return join(options.userDir, 'settings.js');
}

/** A port of this machine that nobody listens on now: any, or the given one. Rejects with EADDRINUSE if it is taken. */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** The flows of one or more files in examples/, as one flow file: what several share is there once. */
export function exampleFlows(...names: string[]): Array<{ id: string; type: string; [property: string]: unknown }> {
  const nodes = names.flatMap(
    (name) =>
      JSON.parse(readFileSync(join(ROOT, 'examples', `${name}.json`), 'utf8')) as Array<{ id: string; type: string }>,
  );
  const byId = new Map(nodes.toReversed().map((node) => [node.id, node]));
  return [...byId.values()].toReversed();
}
