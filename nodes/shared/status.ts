/**
 * Statuses of all nodes, under 20 characters each; at a sandbox its name comes after them. As in core mqtt a yellow ring
 * is connecting, a green dot connected and a red ring disconnected; in addition a blue dot is busy, and a red dot means
 * that the last message failed.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Node, NodeAPI, NodeStatusFill, NodeStatusShape } from 'node-red';
import { MeshError, type StoredError } from '../../lib/index';
import { sharedKey, sharedText } from './texts';

/** Error codes that have a status text of their own; any other code shows as `failed`. */
const KNOWN_CODES = new Set([
  'MESH_ABORTED',
  'MESH_ALERT',
  'MESH_AUTHENTICATION',
  'MESH_CONFIGURATION',
  'MESH_CONNECTION',
  'MESH_DECODING',
  'MESH_DOWNLOAD',
  'MESH_FOLDER',
  'MESH_FORGOTTEN',
  'MESH_GONE',
  'MESH_INVALID_MESSAGE',
  'MESH_KEY_REUSED',
  'MESH_LOCAL_ID_NOT_UNIQUE',
  'MESH_MESSAGE_COMPLETE',
  'MESH_NEGATIVE_ANSWER',
  'MESH_NOT_ACKNOWLEDGED',
  'MESH_NOT_FOUND',
  'MESH_NOT_SENT',
  'MESH_OFFERED_AGAIN',
  'MESH_OUTBOX_FULL',
  'MESH_OUTPUT_NOT_WIRED',
  'MESH_DUPLICATE',
  'MESH_OVERDUE',
  'MESH_PAYLOAD',
  'MESH_PROTOCOL',
  'MESH_REJECTED',
  'MESH_STORAGE',
  'MESH_TLS',
  'MESH_TOO_LARGE',
  'MESH_UNAVAILABLE',
  'MESH_UNDELIVERED',
  'MESH_UNKNOWN_COMMIT',
  'MESH_UNKNOWN_OUTCOME',
  'MLLP_CLOSED',
  'MLLP_CONNECTION',
  'MLLP_FRAME',
  'MLLP_INVALID_MESSAGE',
  'MLLP_LISTEN',
  'MLLP_NOT_ANSWERED',
  'MLLP_NO_ANSWER',
  'MLLP_QUEUE_FULL',
  'MLLP_TLS',
  'MESH_UNREADABLE',
]);

/** What a node shows below its name. Its text is looked up only when it is shown: a node under load replaces most. */
export interface Status {
  fill?: NodeStatusFill;
  shape?: NodeStatusShape;
  /** The text's key in the catalogues, e.g. `mesh-ack.status.answered`, and the values for its `__name__`s. */
  key?: string;
  values?: Readonly<Record<string, string | number>>;
  /** Comes after that text, or stands alone. */
  plain?: string;
}

/** In each second (milliseconds) a node shows at most two statuses of its work and one new problem. */
const WINDOW_MS = 1000;
/** A busy node shows its newest status this often (milliseconds). */
const EVERY_MS = 500;
/** A node that starts is connecting, then connected: these two count for nothing. */
const AT_START = 2;

/**
 * Shows the statuses of one node. Node-RED sends each to every open editor, at most 50 in 50 ms, and queues the rest
 * without limit: so a node that handles thousands of messages shows at most three in a second, each time the newest, and
 * always the last one. A problem does not wait behind counts.
 */
class StatusDisplay {
  readonly #RED: NodeAPI;
  readonly #node: Node;
  isSandbox = false;
  #wanted: Status = {};
  #shown: Status | undefined;
  #timesShown = 0;
  /** When the last two statuses of its work, and the last new problem, were shown: by the machine's steady clock. */
  #workAt: readonly [number, number] = [-Infinity, -Infinity];
  #problemAt = -Infinity;
  #turn: { at: number; timer: NodeJS.Timeout } | undefined;
  #isClosed = false;

  constructor(RED: NodeAPI, node: Node) {
    this.#RED = RED;
    this.#node = node;
    node.on('close', () => {
      this.#isClosed = true;
      clearTimeout(this.#turn?.timer);
    });
  }

  /** Shows a status at once or at the node's next turn, unless another one replaces it before. */
  show(status: Status): void {
    if (this.#isClosed) return;
    this.#wanted = status;
    const at = this.#nextTurn();
    if (this.#turn !== undefined && this.#turn.at <= at) return;
    clearTimeout(this.#turn?.timer);
    this.#turn = undefined;
    const now = performance.now();
    if (at <= now) this.#showWanted(now);
    else this.#turn = { at, timer: setTimeout(() => this.#takeTurn(), at - now) };
  }

  #nextTurn(): number {
    if (this.#timesShown < AT_START) return -Infinity;
    if (this.#isNewProblem()) return this.#problemAt + WINDOW_MS;
    const [secondLast, last] = this.#workAt;
    // A node that was quiet shows two at once: that it is busy, and that it is done.
    return Math.min(Math.max(secondLast + WINDOW_MS, last + EVERY_MS), secondLast + WINDOW_MS + EVERY_MS);
  }

  #isNewProblem(): boolean {
    const problem = problemOf(this.#wanted);
    return problem !== undefined && problem !== problemOf(this.#shown);
  }

  #takeTurn(): void {
    this.#turn = undefined;
    // Not what the timer was started for, but the newest one, which may have to wait longer.
    this.show(this.#wanted);
  }

  #showWanted(now: number): void {
    if (isDeepStrictEqual(this.#wanted, this.#shown)) return;
    this.#timesShown += 1;
    if (this.#timesShown > AT_START && this.#isNewProblem()) this.#problemAt = now;
    else if (this.#timesShown > AT_START) this.#workAt = [this.#workAt[1], now];
    this.#shown = this.#wanted;
    const { key, values, plain, ...form } = this.#shown;
    const text = (key === undefined ? '' : this.#RED._(key, values)) + (plain ?? '');
    this.#node.status(text === '' ? form : { ...form, text: this.withPlace(text) });
  }

  /** Returns the text with the name of the sandbox after it, if the node's mailbox is in one. */
  withPlace(text: string): string {
    return this.isSandbox ? namingSandbox(this.#RED, text) : text;
  }
}

const displays = new WeakMap<Node, StatusDisplay>();

function displayOf(node: Node): StatusDisplay {
  const display = displays.get(node);
  if (display === undefined) throw new Error('createNode has not created this node');
  return display;
}

/** Prepares the statuses of a new node, until it closes. */
export function prepareStatus(RED: NodeAPI, node: Node): void {
  displays.set(node, new StatusDisplay(RED, node));
}

/**
 * Names the sandbox in every status, log line and error of a node from now on: a sandbox that looks as healthy as MESH
 * must not be taken for it (docs/design.md, rule 16).
 */
export function nameSandbox(node: Node): void {
  displayOf(node).isSandbox = true;
}

/** Returns the text as the node shows it: with the name of the sandbox, if its mailbox is in one. */
export function withPlace(node: Node, text: string): string {
  return displayOf(node).withPlace(text);
}

/** Returns the text with the name of the sandbox. */
export function namingSandbox(RED: NodeAPI, text: string): string {
  return `${text} ${sharedText(RED, 'status.sandbox')}`;
}

/**
 * Shows a status: a new problem at once, anything else at most twice a second, the last one always. Does
 * nothing once the node closes, since Node-RED has cleared its status by then.
 */
export function setStatus(node: Node, status: Status): void {
  displayOf(node).show(status);
}

/** Returns a status with a text of mesh-config's catalogue, which all nodes share. */
export function sharedStatus(
  fill: NodeStatusFill,
  shape: NodeStatusShape,
  key: string,
  values?: Status['values'],
): Status {
  return { fill, shape, key: sharedKey(`status.${key}`), ...(values && { values }) };
}

/** The status texts of errors that have one of their own, by key after `status.cause-` in mesh-config's catalogue. */
const causes = new WeakMap<object, string>();

/** Gives an error a status that says its cause, where its code alone would say "check settings". Returns the error. */
export function withCause<Kind extends MeshError>(error: Kind, cause: string): Kind {
  causes.set(error, cause);
  return error;
}

/** Returns the status for an error: a dot when one message failed, a ring when the whole mailbox does not work. */
export function errorStatus(error: unknown, shape: NodeStatusShape = 'dot'): Status {
  if (!(error instanceof MeshError) && !isStored(error)) return sharedStatus('red', shape, 'failed');
  const cause = causes.get(error);
  if (cause !== undefined) return sharedStatus('red', shape, `cause-${cause}`);
  if (error.code === 'MESH_REJECTED' && error.meshCode !== undefined && /^[\w-]{1,8}$/.test(error.meshCode)) {
    return sharedStatus('red', shape, 'rejected-code', { code: error.meshCode });
  }
  return sharedStatus('red', shape, KNOWN_CODES.has(error.code) ? error.code : 'failed');
}

/** Returns the form of a problem, which is red or yellow; undefined for a node that is well, busy or not. */
function problemOf({ fill, shape }: Pick<Status, 'fill' | 'shape'> = {}): string | undefined {
  return fill === 'red' || fill === 'yellow' ? `${fill} ${shape}` : undefined;
}
/** Returns a count in few characters: 12, 9999, 10k. */
export function shortCount(count: number): string {
  return count < 10_000 ? String(count) : `${Math.floor(count / 1000)}k`;
}

/** True for an error as the outbox stores it. */
function isStored(error: unknown): error is StoredError {
  return typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error;
}
