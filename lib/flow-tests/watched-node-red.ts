/**
 * A Node-RED in this process, in a user folder of its own, with the flow under test. Its hooks see every message that
 * goes from node to node; nothing in the flow is changed for it.
 */
import { EventEmitter, once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isEnd, type FlowNode } from './test-flow';

/** A message that left an output of a node, or came into one. */
export interface SeenMessage {
  /** The node's id in the flow file. */
  node: string;
  /** 1 is the first output; 0: it came in. */
  output: number;
  /** It was for something outside Node-RED, and was caught. */
  isOutside?: true;
  msg: Record<string, unknown>;
}
/** An error that no Catch node took. */
export interface SeenError {
  node: string;
  message: string;
}
export interface SeenStatus {
  fill?: string;
  text?: string;
}

interface RuntimeNode {
  id: string;
  type: string;
  /** In an instance of a subflow: the node's id in the flow file. */
  _alias?: string;
  receive(msg: object): void;
  send(msg: object): void;
}
interface SendEvent {
  msg: Record<string, unknown>;
  source: { id: string; node: RuntimeNode; port: number };
}
interface ReceiveEvent {
  msg: Record<string, unknown>;
  destination: { id: string; node: RuntimeNode };
}
interface CompleteEvent {
  msg: Record<string, unknown> | undefined;
  node: { node: RuntimeNode };
  error?: unknown;
}
interface Red {
  init(server: Server, settings: object): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  events: EventEmitter;
  hooks: { add(name: string, hook: (event: never) => boolean | void): void };
  nodes: { getNode(id: string): RuntimeNode | undefined; eachNode(each: (node: { id: string }) => void): void };
  util: { cloneMessage<T>(msg: T): T };
}

export interface WatchedOptions {
  /** The package.json of Node-RED. */
  nodeRed: string;
  /** The folder with the node_modules whose nodes the flow uses; undefined: this package's nodes alone. */
  userDir: string | undefined;
  flow: FlowNode[];
}

/** The folder of this package, as it is built: dist/lib/flow-tests is below it. */
const PACKAGE = join(__dirname, '..', '..', '..');

export class WatchedNodeRed {
  readonly seen: SeenMessage[] = [];
  readonly errors: SeenError[] = [];
  readonly statuses = new Map<string, SeenStatus>();
  /** The ids of the nodes that a message has reached or left. */
  readonly reached = new Set<string>();
  /** The message ids that a mesh-ack has finished. */
  readonly finished = new Set<string>();
  /** What an end responds with, by its id. */
  readonly answers = new Map<string, Record<string, unknown>>();
  /** When something was last seen (milliseconds of the machine's performance.now). */
  lastSeenAt = 0;
  readonly #red: Red;
  readonly #server: Server;
  readonly #folder: string;

  private constructor(red: Red, server: Server, folder: string) {
    this.#red = red;
    this.#server = server;
    this.#folder = folder;
  }

  /** Starts Node-RED, and resolves when the flow has started. */
  static async start({ nodeRed, userDir, flow }: WatchedOptions): Promise<WatchedNodeRed> {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-flow-test-'));
    await makeModules(folder, userDir);
    await writeFile(join(folder, 'flows.json'), JSON.stringify(flow));
    // The code of the flow resolves relative paths below the user folder, as where Node-RED runs as a service.
    process.chdir(folder);
    const red = require(dirname(nodeRed)) as Red;
    const server = createServer();
    const watched = new WatchedNodeRed(red, server, folder);
    red.init(server, watched.#settings());
    watched.#watch();
    const started = once(red.events, 'flows:started');
    await red.start();
    await started;
    return watched;
  }

  #settings(): object {
    const handler = () => (line: { level: number; id?: string; msg?: unknown }) => {
      if (line.level !== ERROR || line.id === undefined) return;
      const message = line.msg instanceof Error ? line.msg.message : String(line.msg);
      this.errors.push({ node: this.#fileId(line.id), message });
      this.#note();
    };
    return {
      userDir: this.#folder,
      flowFile: 'flows.json',
      credentialSecret: 'a flow test has no secrets',
      httpAdminRoot: false,
      uiHost: '127.0.0.1',
      diagnostics: { enabled: false },
      telemetry: { enabled: false, updateNotification: false },
      logging: { console: { level: 'warn' }, test: { level: 'error', metrics: false, handler } },
    };
  }

  #watch(): void {
    const { hooks, events, util } = this.#red;
    hooks.add('onSend.flowTest', (sent: never) => {
      // An output with several wires sends one message several times.
      const once_ = new Map((sent as SendEvent[]).map((event) => [event.msg, event]));
      for (const { msg, source } of once_.values()) {
        const node = idOf(source.node);
        this.reached.add(node);
        this.seen.push({ node, output: source.port + 1, msg: util.cloneMessage(msg) });
      }
      this.#note();
    });
    hooks.add('onReceive.flowTest', (received: never) => {
      const { msg, destination } = received as ReceiveEvent;
      const node = idOf(destination.node);
      this.reached.add(node);
      this.#note();
      const isOutside = isEnd(destination.node.type);
      this.seen.push({ node, output: 0, msg: util.cloneMessage(msg), ...(isOutside && { isOutside }) });
      if (!isOutside) return true;
      const answer = this.answers.get(node);
      if (answer) setImmediate(() => destination.node.send({ ...msg, ...answer }));
      return false;
    });
    hooks.add('onComplete.flowTest', (completed: never) => {
      const { msg, node, error } = completed as CompleteEvent;
      const { messageId } = (msg?.mesh ?? {}) as { messageId?: unknown };
      if (node.node.type === 'mesh-ack' && !error && typeof messageId === 'string') this.finished.add(messageId);
      this.#note();
    });
    events.on('node-status', ({ id, status }: { id: string; status: SeenStatus }) => {
      this.statuses.set(this.#fileId(id), status);
      this.#note();
    });
  }

  #note(): void {
    this.lastSeenAt = performance.now();
  }

  #fileId(id: string): string {
    const node = this.#red.nodes.getNode(id);
    return node ? idOf(node) : id;
  }

  /** Hands a message to a node, as a wire would. @throws Error when the node is not running */
  receive(id: string, msg: object): void {
    const node = this.#red.nodes.getNode(id);
    if (!node) throw new Error(`The node ${id} did not start. Is its type installed?`);
    node.receive(msg);
  }

  /** Stops Node-RED and removes its folder. */
  async stop(): Promise<void> {
    await this.#red.stop();
    this.#server.close();
    process.chdir(tmpdir());
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Node-RED's level of an error. */
const ERROR = 20;

const idOf = ({ id, _alias }: RuntimeNode): string => _alias ?? id;

/** Gives the user folder the nodes of another one, or this package's alone. */
async function makeModules(folder: string, userDir: string | undefined): Promise<void> {
  if (userDir !== undefined) {
    await symlink(join(userDir, 'node_modules'), join(folder, 'node_modules'), 'junction');
    return;
  }
  const { name } = require(join(PACKAGE, 'package.json')) as { name: string };
  const link = join(folder, 'node_modules', name);
  await mkdir(dirname(link), { recursive: true });
  await symlink(PACKAGE, link, 'junction');
}
