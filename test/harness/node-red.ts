/**
 * A real Node-RED in its own process, on 127.0.0.1, with this package installed in its user folder: for `npm start`,
 * the demo and the journey tests.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TimeLine } from '../../lib/clock';
import { freePort } from './ports';

export const ROOT = resolve(__dirname, '..', '..');

/** The major versions that the package supports, and the name under which each is installed here. */
export const NODE_RED_PACKAGES = { '4': 'node-red-4', '5': 'node-red' } as const;
export type NodeRedMajor = keyof typeof NODE_RED_PACKAGES;

/** The package's node types in the order of the palette, the configuration of a mailbox first. */
export const NODE_NAMES: readonly string[] = Object.keys(
  (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { 'node-red': { nodes: object } })['node-red'].nodes,
);

/** The config nodes among them, which are not in the palette. */
export const CONFIG_NODES: readonly string[] = ['mesh-config', 'mesh-fhir-profiles', 'mesh-codes'];

/** A node as a flow file has it. */
export type FlowNode = { id: string; type: string; [property: string]: unknown };

export interface NodeRedOptions {
  /** Created if it does not exist. */
  userDir: string;
  /** Default: 5. */
  major?: NodeRedMajor;
  /** Default: a free port. */
  port?: number;
  /** Replaces the flow file. Default: the existing one stays. */
  flows?: unknown[];
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** JavaScript inserted into the settings object, e.g. `functionGlobalContext: {…},`. */
  settings?: string;
  /** True if the user folder has the package already, e.g. from a tarball. Default: it is linked there. */
  installed?: boolean;
  /** Another Node.js and another Node-RED (its red.js) than ours, run as another user. */
  program?: { node: string; red: string; uid?: number; gid?: number };
  /** The package's clock instead of the machine's, so that waits of minutes take seconds. */
  clock?: TimeLine;
  /** Where Node-RED's log goes. Default: it is kept, and returned by `log()`. */
  log?: 'inherit';
}

/** A message in the debug sidebar. */
interface DebugMessage {
  /** The debug node's id. */
  id: string;
  /** The value; an object is parsed from its JSON. */
  value: unknown;
}

/** The status below a node in the editor. */
interface NodeStatus {
  fill?: string;
  shape?: string;
  text?: string;
}

/** A status on its way to the editor: its node, its whole text, and when it arrived (steady milliseconds). */
export interface SentStatus {
  id: string;
  text: string;
  at: number;
}

/** A running Node-RED. */
export class RealNodeRed {
  readonly #process: ChildProcess;
  readonly #debug: DebugMessage[] = [];
  readonly #statuses = new Map<string, NodeStatus>();
  readonly #statusesSent: SentStatus[] = [];
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

  /** Starts a Node-RED and resolves when its flows have started. */
  static async start(options: NodeRedOptions): Promise<RealNodeRed> {
    const port = options.port ?? (await freePort());
    prepareUserDir(options, port);
    const bundled = dirname(require.resolve(`${NODE_RED_PACKAGES[options.major ?? '5']}/package.json`));
    const { node, red, ...user } = options.program ?? { node: process.execPath, red: join(bundled, 'red.js') };
    const folders = ['--userDir', options.userDir, '--settings', settingsFile(options)];
    const { hook, clock } = clockArguments(options);
    const child = spawn(node, [...hook, red, ...clock, ...folders], {
      ...user,
      // Relative paths in flows are below the user folder, as where Node-RED runs as a service.
      cwd: options.userDir,
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

  /** Returns the last million characters of Node-RED's log. */
  log(): string {
    return this.#log;
  }

  /** Presses an inject node's button; `props` replace the node's own. Retries while the flows are starting. */
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

  /**
   * Returns the next message of a debug node that fits, and removes it: each message is returned once.
   * @throws Error with the end of the log when none came within `timeoutMs`, or Node-RED has ended
   */
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

  /**
   * Returns the status of a node as soon as it fits, without the name of the sandbox after it.
   * @throws Error with the last status when none fitted within `timeoutMs`
   */
  async status(id: string, fits: (status: NodeStatus) => boolean, timeoutMs = 15_000): Promise<NodeStatus> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const status = this.#statuses.get(id);
      if (status && fits(status)) return status;
      if (Date.now() > end) throw new Error(`the status of ${id} stayed ${JSON.stringify(status)}`);
      await sleep(10);
    }
  }

  /** Returns every status that the editor's websocket has brought, oldest first. */
  statusesSent(): readonly SentStatus[] {
    return this.#statusesSent;
  }

  /** Returns the last status of each node that has one. */
  statuses(): ReadonlyMap<string, NodeStatus> {
    return this.#statuses;
  }

  /**
   * Replaces the flows, as the editor's Deploy does, and waits until they have started. Credentials are in each node's
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
    // Node-RED responds when the old flows have stopped. A deploy without changes starts nothing.
    const end = Date.now() + 20_000;
    while (this.#timesStarted() === before && Date.now() < end) await sleep(20);
  }

  #timesStarted(): number {
    return this.#log.match(/Started (modified )?(flows|nodes)/g)?.length ?? 0;
  }

  /** Stops Node-RED and waits until it has ended; kills it after 20 s. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#socket?.close();
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill(signal);
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 20_000);
    await exited;
    clearTimeout(timer);
  }

  /** Resolves with the exit code when Node-RED has ended by itself, or with 0 when a signal ended it. */
  async ended(): Promise<number> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit');
    return this.#process.exitCode ?? 0;
  }

  async #started(): Promise<void> {
    const end = Date.now() + 60_000;
    for (;;) {
      if (this.#process.exitCode !== null) throw new Error(`Node-RED did not start:\n${this.#log}`);
      const state = await fetch(`${this.url}/flows/state`).catch(() => undefined);
      // Any response, also 404, means that the admin API is up. The flows start a moment later.
      if (state && (await this.#flowsStarted())) break;
      if (Date.now() > end) throw new Error(`Node-RED did not start within 60 s:\n${this.#log}`);
      await sleep(50);
    }
    this.#socket = await subscribe(this.url, {
      debug: (message) => this.#debug.push(message),
      status: (id, status) => {
        this.#statuses.set(id, withoutPlace(status));
        this.#statusesSent.push({ id, text: status.text ?? '', at: performance.now() });
      },
    });
  }

  async #flowsStarted(): Promise<boolean> {
    if (this.#process.stdout === null) return (await fetch(`${this.url}/flows`)).ok;
    return this.#log.includes('Started flows');
  }
}

/** Returns a status without the name of the sandbox, which comes after every one of a mailbox in a sandbox. */
export function withoutPlace<Status extends { text?: string | undefined }>(status: Status): Status {
  return status.text === undefined ? status : { ...status, text: status.text.replace(/ \(sandbox\)$/, '') };
}

/** Subscribes to debug messages and statuses, as the editor does. */
async function subscribe(
  url: string,
  on: { debug: (message: DebugMessage) => void; status: (id: string, status: NodeStatus) => void },
): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/comms`);
  socket.addEventListener('message', (event) => {
    const messages = JSON.parse(String(event.data)) as CommsMessage[];
    for (const { topic, data } of [messages].flat()) {
      if (topic?.startsWith('status/')) on.status(topic.slice('status/'.length), data ?? {});
      if (topic !== 'debug' || !data?.id) continue;
      const isJson = /^(object|array|error)/i.test(data.format ?? '') && typeof data.msg === 'string';
      on.debug({ id: data.id, value: isJson ? (JSON.parse(data.msg as string) as unknown) : data.msg });
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

/** Links this package into the user folder, as `npm link` does, and writes settings and flows. */
function prepareUserDir(options: NodeRedOptions, port: number): void {
  const link = packageFolder(options.userDir);
  mkdirSync(dirname(link), { recursive: true });
  if (!options.installed && !existsSync(link)) {
    rmSync(link, { force: true });
    symlinkSync(ROOT, link, 'junction');
  }
  if (options.flows) writeFileSync(join(options.userDir, 'flows.json'), JSON.stringify(options.flows, null, 2));
  writeFileSync(
    settingsFile(options),
    `// Rewritten at every start.
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

/** A time line in this file of the user folder sets the clock of a Node-RED that was started with a `clock`. */
const SET_CLOCK = 'set-clock.json';

/** Sets the clock of a Node-RED that was started with a `clock`, within 100 ms: no time passes for its waits. */
export function setClockOf(userDir: string, timeLine: TimeLine): void {
  writeFileSync(join(userDir, SET_CLOCK), JSON.stringify(timeLine));
}

/** Returns the arguments that put the package on a time line, for Node.js (`hook`) and for Node-RED (`clock`). */
function clockArguments({ clock: timeLine, userDir }: NodeRedOptions): { hook: string[]; clock: string[] } {
  if (!timeLine) return { hook: [], clock: [] };
  return {
    hook: ['--require', join(__dirname, 'clock-hook.cjs')],
    clock: [
      `--test-clock=${JSON.stringify({ packageFolder: packageFolder(userDir), timeLine, setFile: join(userDir, SET_CLOCK) })}`,
    ],
  };
}

/** Returns the folder of this package in a user folder. */
function packageFolder(userDir: string): string {
  const { name } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { name: string };
  return join(userDir, 'node_modules', name);
}

function settingsFile(options: NodeRedOptions): string {
  return join(options.userDir, 'settings.js');
}

/** Returns the nodes of one or more files in examples/. A node that several files share is returned once. */
export function exampleFlows(...names: string[]): FlowNode[] {
  const nodes = names.flatMap(
    (name) => JSON.parse(readFileSync(join(ROOT, 'examples', `${name}.json`), 'utf8')) as FlowNode[],
  );
  const byId = new Map(nodes.toReversed().map((node) => [node.id, node]));
  return [...byId.values()].toReversed();
}
