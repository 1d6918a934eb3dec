/**
 * Guards the outputs of a node that hands over what must not get lost: received messages, alarms, HL7 v2 requests,
 * files. What Node-RED would lose is not sent: it stays where it is, a person is told once by status, Catch and
 * condition, and it goes on by itself after a deploy that wires the output.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { OutputNotWiredError } from '../shared/errors';
import { FlowChanges, isOnlyShown, isWired, reachesNode } from './reachable-outputs';
import { cleanError } from '../shared/report-error';
import { sharedText } from '../shared/texts';

/** What becomes of a message that is sent to an output now. `starting`: not known before the flows have started. */
export type OutputState = 'delivered' | 'starting' | 'nobody';

/** An output at which something waits because no node that runs is wired to it. Plain JSON. */
export interface BlockedOutput {
  nodeId: string;
  nodeType: string;
  output: string;
}

interface MessageIds {
  messageId?: string;
  mailboxId?: string;
}

export interface OutputGuardOptions {
  /** Id of the mesh-config node whose condition a blocked output is; without it there is no condition. */
  mailbox?: string | undefined;
  /** Names an output in errors. */
  label(output: number): string;
  /** Shows the error as the node's status. */
  onBlocked?(error: OutputNotWiredError): void;
  /** Called after a deploy when every output that was blocked reaches a node again. */
  onUnblocked?(): void;
  /** Called after every start of the flows, when the state of the outputs may be another one. */
  onStarted?(): void;
  /** Called once for each message of `sendOrKeep` that nobody takes, with its `about`: somebody has to be told. */
  onKept?(msg: NodeMessage, about: unknown): void;
}

interface Kept {
  msg: NodeMessage;
  about: unknown;
  /** True once `onKept` was called. */
  isTold: boolean;
}

/** What a blocked output has kept, oldest first; older ones are dropped beyond this. */
const MAX_KEPT = 1000;
/** By node id and output: a full deploy makes the node anew. Kept in memory: the store has what these alarms tell of. */
const keptByOutput = new Map<string, Kept[]>();
/** All guards of running nodes. */
const guards = new Set<OutputGuard>();

/** Returns the outputs of a mailbox's nodes at which something waits for a wire. */
export function blockedOutputs(mailbox: string): BlockedOutput[] {
  return [...guards].filter((guard) => guard.mailbox === mailbox).flatMap((guard) => guard.blocked());
}

/** The outputs of one node. */
export class OutputGuard {
  readonly mailbox: string | undefined;
  readonly #RED: NodeAPI;
  readonly #node: Node;
  readonly #options: OutputGuardOptions;
  readonly #changes: FlowChanges;
  /** Outputs that were found blocked, and reported. */
  readonly #blocked = new Set<number>();
  /** Outputs that had a wire at some time: only these are meant to be used, where using them is optional. */
  readonly #everWired = new Set<number>();
  /** Called when the flows have started, or the node closes. */
  #waiting: Array<() => void> = [];
  #isClosed = false;

  /** Makes the guard and ends it with the node. */
  constructor(RED: NodeAPI, node: Node, options: OutputGuardOptions) {
    this.#RED = RED;
    this.#node = node;
    this.#options = options;
    this.mailbox = options.mailbox;
    this.#changes = FlowChanges.whileStarting(RED);
    this.#noteWires();
    guards.add(this);
    const stop = this.#changes.onStarted(() => this.#started());
    node.on('close', (removed: boolean, done: () => void) => {
      this.#isClosed = true;
      stop();
      guards.delete(this);
      this.#release();
      if (removed) for (const output of this.#everWired) keptByOutput.delete(this.#key(output));
      done();
    });
  }

  /** Returns what would become of a message at the output at this moment. */
  state(output: number, msg?: NodeMessage): OutputState {
    if (reachesNode(this.#RED, this.#node, output, msg)) {
      this.#everWired.add(output);
      // A wire that has come back without a deploy of this node.
      if (this.#blocked.delete(output) && this.#blocked.size === 0) this.#options.onUnblocked?.();
      return 'delivered';
    }
    return this.#changes.isStarting ? 'starting' : 'nobody';
  }

  /** Resolves when the flows are not being started or deployed, or when the node closes. */
  async settled(): Promise<void> {
    if (!this.#changes.isStarting || this.#isClosed) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Waits for a start of the flows that is under way, then checks that a node takes what is sent to the output.
   * @throws OutputNotWiredError when none does; the caller reports it
   */
  async check(output: number, { ids = {}, msg }: { ids?: MessageIds; msg?: NodeMessage } = {}): Promise<void> {
    if (this.state(output, msg) === 'delivered') return;
    await this.settled();
    const state = this.state(output, msg);
    if (state === 'delivered') return;
    // While the node closes it is not known: its successor decides.
    if (state === 'nobody' && !this.#isClosed) this.#blocked.add(output);
    throw this.#error(output, ids);
  }

  /**
   * Like `check`, for what nobody else reports: status and Catch are told once for each output, since one error for each
   * message of a full inbox would flood the Catch node.
   * @throws OutputNotWiredError when no node takes what is sent to the output
   */
  async require(output: number, ids: MessageIds = {}): Promise<void> {
    const wasBlocked = this.#blocked.has(output);
    try {
      await this.check(output, { ids });
    } catch (error) {
      if (this.#blocked.has(output)) this.#report(error as OutputNotWiredError, wasBlocked, ids);
      throw error;
    }
  }

  /**
   * Like `check`, for an output that need not be wired: one without wires, or whose wires only show messages (`debug`),
   * passes.
   * @throws OutputNotWiredError when the output's wires reach no node that runs
   */
  async checkIfWired(output: number, msg: NodeMessage): Promise<void> {
    if (!isWired(this.#node, output) || isOnlyShown(this.#node, output)) return;
    await this.check(output, { msg });
  }

  /** True if the output has a wire, or had one since the node was made: it is meant to be used. */
  isUsed(output: number): boolean {
    this.#noteWires();
    return this.#everWired.has(output);
  }

  /**
   * Sends an alarm to an output that need not be wired; does nothing if the output has never had a wire. While no node
   * takes it, the alarm is kept, and sent after the deploy that wires the output again.
   * @param about passed to `onKept`
   */
  sendOrKeep(output: number, msg: NodeMessage, about?: unknown): void {
    if (!this.isUsed(output)) return;
    const kept = keptByOutput.get(this.#key(output)) ?? [];
    keptByOutput.set(this.#key(output), [...kept, { msg, about, isTold: false }].slice(-MAX_KEPT));
    this.#sendKept(output);
  }

  /** Returns the outputs that are blocked still. */
  blocked(): BlockedOutput[] {
    if (this.#changes.isStarting) return [];
    const { id, type } = this.#node;
    return [...this.#blocked]
      .filter((output) => !reachesNode(this.#RED, this.#node, output))
      .map((output) => ({ nodeId: id, nodeType: type, output: this.#options.label(output) }));
  }

  #started(): void {
    if (this.#isClosed) return;
    this.#noteWires();
    // Each state clears an output that reaches a node again.
    for (const output of this.#blocked) this.state(output);
    this.#release();
    this.#options.onStarted?.();
    for (const output of this.#everWired) this.#sendKept(output);
  }

  #sendKept(output: number): void {
    const kept = keptByOutput.get(this.#key(output)) ?? [];
    const state = kept.length === 0 ? 'starting' : this.state(output);
    if (state === 'delivered') {
      keptByOutput.delete(this.#key(output));
      for (const { msg } of kept) this.#send(output, msg);
    } else if (state === 'nobody') {
      const wasReported = this.#blocked.has(output);
      this.#blocked.add(output);
      this.#report(this.#error(output, {}), wasReported, {});
      for (const each of kept.filter(({ isTold }) => !isTold)) {
        each.isTold = true;
        this.#options.onKept?.(each.msg, each.about);
      }
    }
  }

  #send(output: number, msg: NodeMessage): void {
    const outputs: Array<NodeMessage | null> = Array.from({ length: output + 1 }, () => null);
    outputs[output] = msg;
    this.#node.send(outputs);
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #noteWires(): void {
    const { wires = [] } = this.#node as Node & { wires?: unknown[][] };
    wires.forEach((_wires, output) => {
      if (isWired(this.#node, output)) this.#everWired.add(output);
    });
  }

  #report(error: OutputNotWiredError, wasReported: boolean, mesh: MessageIds): void {
    this.#options.onBlocked?.(error);
    if (!wasReported)
      this.#node.error(cleanError(this.#RED, error, this.#node), mesh.messageId === undefined ? {} : { mesh });
  }

  #error(output: number, ids: MessageIds): OutputNotWiredError {
    const label = this.#options.label(output);
    const key = isWired(this.#node, output) ? 'nobody-there' : 'not-wired';
    return new OutputNotWiredError(sharedText(this.#RED, `error.${key}`, { output: label }), {
      ...ids,
      advice: sharedText(this.#RED, `advice.${key}`),
    });
  }

  #key(output: number): string {
    return `${this.#node.id} ${output}`;
  }
}
