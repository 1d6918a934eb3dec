/**
 * Statuses of all nodes, under 20 characters each; at a sandbox its name comes after them. As in core mqtt a yellow ring is connecting, a green dot connected
 * and a red ring disconnected; in addition a blue dot is busy, and a red dot means that the last message failed.
 */
import type { Node, NodeAPI, NodeStatus, NodeStatusFill, NodeStatusShape } from 'node-red';
import { MeshError, type StoredError } from '../../lib/index';
import { sharedText } from './texts';

/** Error codes that have a status text of their own; any other code shows as `failed`. */
const KNOWN_CODES = new Set([
  'MESH_ABORTED',
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

const sandboxNodes = new WeakSet<Node>();

/**
 * Names the sandbox in every status and log line of a node from now on: a sandbox that looks as healthy as MESH must
 * not be taken for it (docs/design.md, rule 16).
 */
export function nameSandbox(node: Node): void {
  sandboxNodes.add(node);
}

/** Returns the text as the node shows it: with the name of the sandbox, if its mailbox is in one. */
export function withPlace(RED: NodeAPI, node: Node, text: string): string {
  return sandboxNodes.has(node) ? `${text} ${sharedText(RED, 'status.sandbox')}` : text;
}

/** Sets the status of a node that uses a mailbox. */
export function setStatus(RED: NodeAPI, node: Node, status: NodeStatus): void {
  node.status(status.text ? { ...status, text: withPlace(RED, node, status.text) } : status);
}

/** Returns a status with a shared text. */
export function sharedStatus(
  RED: NodeAPI,
  fill: NodeStatusFill,
  shape: NodeStatusShape,
  key: string,
  values: Record<string, string | number> = {},
): NodeStatus {
  return { fill, shape, text: sharedText(RED, `status.${key}`, values) };
}

/** Returns the status for an error: a dot when one message failed, a ring when the whole mailbox does not work. */
export function errorStatus(RED: NodeAPI, error: unknown, shape: NodeStatusShape = 'dot'): NodeStatus {
  if (!(error instanceof MeshError) && !isStored(error)) return sharedStatus(RED, 'red', shape, 'failed');
  if (error.code === 'MESH_REJECTED' && error.meshCode !== undefined && /^[\w-]{1,8}$/.test(error.meshCode)) {
    return sharedStatus(RED, 'red', shape, 'rejected-code', { code: error.meshCode });
  }
  return sharedStatus(RED, 'red', shape, KNOWN_CODES.has(error.code) ? error.code : 'failed');
}

/** Returns a count in few characters: 12, 9999, 10k. */
export function shortCount(count: number): string {
  return count < 10_000 ? String(count) : `${Math.floor(count / 1000)}k`;
}

/** True for an error as the outbox stores it. */
function isStored(error: unknown): error is StoredError {
  return typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error;
}
