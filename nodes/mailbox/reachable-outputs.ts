/**
 * Whether Node-RED would hand a message that leaves an output to a node that runs. `send()` to a disabled node, a
 * deleted id, a link without a target or a junction without wires loses the message without an error, so a node that
 * must not lose one looks first.
 *
 * The running nodes are walked, not the flow file, because only they are what `send()` uses: Node-RED changes their
 * wires live at a deploy of modified nodes, a disabled node or tab has none, a node whose constructor failed is absent,
 * and the inner nodes of a subflow are wired to what follows its instance (@node-red/runtime/lib/flows/Flow.js
 * `handlePreRoute` and Subflow.js `updateWires`, the same in 4.1 and 5.0). A direct wire costs two look-ups.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';

/** The parts of a running node that Node-RED itself uses to deliver. */
interface RunningNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  /** The ids of the nodes that a Complete node listens to. */
  readonly scope?: readonly string[];
  readonly wires?: ReadonlyArray<readonly string[]>;
  readonly _flow?: RunningFlow;
  receive?(msg: NodeMessage): void;
}

/** The tab or subflow instance that a running node belongs to. */
interface RunningFlow {
  readonly TYPE?: string;
  /** The definition, in which a subflow's inner nodes already have the ids of the instance. */
  readonly flow?: { id?: string; nodes?: Record<string, NodeDefinition> };
  getNode(id: string): unknown;
  getActiveNodes?(): Record<string, unknown>;
}

/** The properties that running nodes do not keep: `mode` of `link out`, the others of `link call`. */
interface NodeDefinition extends Readonly<Record<string, unknown>> {
  type?: string;
  mode?: string;
  links?: string | string[];
  linkType?: string;
}

/** Link calls within link calls; more is a loop. */
const MAX_CALLS = 20;

/** Returns true if an output of a running node has a wire, wherever it leads. */
export function isWired(node: Node, output: number): boolean {
  return wiresOf(node as unknown as RunningNode, output).length > 0;
}

/**
 * Returns true if at least one running node would receive what `node` sends to the output now. The walk passes through
 * junctions, link nodes, link calls and subflow instances, which only hand messages on.
 * @param msg the message to send, whose `target` a dynamic link call reads
 */
export function reachesNode(RED: NodeAPI, node: Node, output: number, msg?: NodeMessage): boolean {
  return new Walk(RED, msg).fromWires(node as unknown as RunningNode, output, []);
}

/**
 * Returns true if an output is wired to `debug` nodes only, running or not: such wires show messages, and carry none.
 */
export function isOnlyShown(node: Node, output: number): boolean {
  const from = node as unknown as RunningNode;
  // The definition has the disabled nodes too.
  return wiresOf(from, output).every((id) => from._flow?.flow?.nodes?.[id]?.type === 'debug');
}

/**
 * Returns true if what `node` sends to the output may come to a running node that `isWanted`, however many nodes are in
 * between: through their wires, links and subflows, and through the Complete nodes that listen to them, but not through
 * Catch: what only a failure leads to is not reached when all goes well. A dynamic link call may lead anywhere. What another flow starts, e.g. by MQTT or a queue, is not followed.
 */
export function mayLeadTo(RED: NodeAPI, node: Node, output: number, isWanted: (found: FoundNode) => boolean): boolean {
  const from = node as unknown as RunningNode;
  const seen = new Set<RunningNode>();
  const next = targetsOf(RED, from, output);
  for (let found = next.pop(); found !== undefined; found = next.pop()) {
    if (seen.has(found)) continue;
    seen.add(found);
    const definition = definitionOf(found) ?? {};
    if (isWanted({ type: found.type, definition })) return true;
    if (found.type === 'link call') {
      if (definition.linkType === 'dynamic') return true;
      const { links = [] } = definition;
      for (const id of [links].flat()) next.push(...runningNodes([RED.nodes.getNode(id)]));
    }
    next.push(...targetsOf(RED, found, 'all'), ...completeNodesOf(found));
  }
  return false;
}

/** A running node, with its settings as the flow file has them. */
export interface FoundNode {
  type: string;
  definition: Readonly<Record<string, unknown>>;
}

function targetsOf(RED: NodeAPI, from: RunningNode, output: number | 'all'): RunningNode[] {
  return runningNodes(wiresOf(from, output).map((id) => (from._flow ? from._flow.getNode(id) : RED.nodes.getNode(id))));
}

function runningNodes(found: readonly unknown[]): RunningNode[] {
  return found.map(running).filter((node) => node !== undefined);
}

/** Returns the Complete nodes that listen to a node: they are in its flow, and name it by its own id. */
function completeNodesOf({ id, _flow: flow }: RunningNode): RunningNode[] {
  return runningNodes(Object.values(flow?.getActiveNodes?.() ?? {})).filter(
    ({ type, scope = [] }) => type === 'complete' && scope.includes(id),
  );
}

class Walk {
  readonly #RED: NodeAPI;
  readonly #msg: NodeMessage | undefined;
  /** Nodes that were passed, with the link calls that led there: a loop of links ends here. */
  readonly #passed = new Set<string>();

  constructor(RED: NodeAPI, msg: NodeMessage | undefined) {
    this.#RED = RED;
    this.#msg = msg;
  }

  /** @param calls the link calls that wait for a `link out` in mode `return`, the innermost last */
  fromWires(from: RunningNode, output: number | 'all', calls: readonly RunningNode[]): boolean {
    return wiresOf(from, output).some((id) => this.#takes(this.#target(from, id), calls));
  }

  #takes(node: RunningNode | undefined, calls: readonly RunningNode[]): boolean {
    if (node === undefined) return false;
    const isPassage = PASSAGES.has(node.type) || node.type.startsWith('subflow:');
    // The status output of a subflow shows a message; nothing takes it.
    if (!isPassage) return node.type !== 'subflow-status';
    const key = [node, ...calls].map(({ id }) => id).join(' ');
    if (this.#passed.has(key)) return false;
    this.#passed.add(key);
    if (node.type === 'link call') return this.#call(node, calls);
    if (node.type === 'link out' && definitionOf(node)?.mode === 'return') {
      const caller = calls.at(-1);
      return caller !== undefined && this.fromWires(caller, 'all', calls.slice(0, -1));
    }
    return this.fromWires(node, 'all', calls);
  }

  #call(node: RunningNode, calls: readonly RunningNode[]): boolean {
    const { links, linkType } = definitionOf(node) ?? {};
    const target = linkType === 'dynamic' ? this.#named(node) : this.#linkIn(Array.isArray(links) ? links[0] : links);
    return target !== undefined && calls.length < MAX_CALLS && this.#takes(target, [...calls, node]);
  }

  /** Resolves `msg.target` as core's 60-link.js does: an id, a name in this flow, or a name that only one flow has. */
  #named(node: RunningNode): RunningNode | undefined {
    const { target } = (this.#msg ?? {}) as { target?: unknown };
    if (typeof target !== 'string' || target === '') return undefined;
    const byId = this.#linkIn(target);
    if (byId) return byId;
    const named: RunningNode[] = [];
    this.#RED.nodes.eachNode((def) => {
      const { id, type, name } = def as { id: string; type?: string; name?: string };
      const found = type === 'link in' && name === target ? this.#linkIn(id) : undefined;
      if (found) named.push(found);
    });
    const here = named.filter((each) => each._flow?.flow?.id === node._flow?.flow?.id);
    if (here.length === 1) return here[0];
    const elsewhere = named.filter((each) => each._flow?.TYPE !== 'subflow');
    return elsewhere.length === 1 ? elsewhere[0] : undefined;
  }

  #linkIn(id: string | undefined): RunningNode | undefined {
    const found = id === undefined ? undefined : running(this.#RED.nodes.getNode(id));
    return found?.type === 'link in' ? found : undefined;
  }

  /** Resolves an id as Node-RED does when it delivers: in the node's own flow first. */
  #target(from: RunningNode, id: string): RunningNode | undefined {
    return running(from._flow ? from._flow.getNode(id) : this.#RED.nodes.getNode(id));
  }
}

/** Node types that only hand a message on. */
const PASSAGES = new Set(['junction', 'link in', 'link out', 'link call']);

function wiresOf({ wires = [] }: RunningNode, output: number | 'all'): readonly string[] {
  return output === 'all' ? wires.flat() : (wires[output] ?? []);
}

function definitionOf(node: RunningNode): NodeDefinition | undefined {
  return node._flow?.flow?.nodes?.[node.id];
}

/** Node-RED also keeps `true` or a subflow that is starting under an id. */
function running(found: unknown): RunningNode | undefined {
  const node = found as Partial<RunningNode> | null | undefined;
  return typeof node === 'object' && typeof node?.receive === 'function' ? (node as RunningNode) : undefined;
}

/** A start that takes longer has failed, e.g. because a node's type is missing: Node-RED says nothing then. */
const MAX_START_MS = 30_000;

type FlowEvents = NodeAPI['events'];

/** One for each Node-RED; it stays for the life of the process. */
const known = new WeakMap<FlowEvents, FlowChanges>();

/**
 * The starts of the flows of one Node-RED. While they are being started or deployed, nodes are missing that will run in a
 * moment: a node created earlier, or one that a deploy leaves alone, must not send to them yet.
 */
export class FlowChanges {
  readonly #listeners = new Set<() => void>();
  #waiting: Array<() => void> = [];
  #timer: NodeJS.Timeout | undefined;

  /** Returns the one of this Node-RED. Call it while a node is created: nodes are created only while flows start. */
  static whileStarting(RED: NodeAPI): FlowChanges {
    const { events } = RED;
    let changes = known.get(events);
    if (changes === undefined) {
      changes = new FlowChanges(events);
      known.set(events, changes);
      changes.#begin();
    }
    return changes;
  }

  private constructor(events: FlowEvents) {
    for (const event of ['flows:stopping', 'flows:starting']) events.on(event, () => this.#begin());
    events.on('flows:started', () => this.#end());
  }

  /** True until all nodes of the flows run. */
  get isStarting(): boolean {
    return this.#timer !== undefined;
  }

  /** Resolves when all nodes of the flows run, or they are stopped before: at once, unless they are being started. */
  async settled(): Promise<void> {
    if (this.isStarting) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Calls `listener` after each start. Returns a function that ends that. */
  onStarted(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #begin(): void {
    this.#release();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), MAX_START_MS).unref();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const listener of this.#listeners) listener();
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
