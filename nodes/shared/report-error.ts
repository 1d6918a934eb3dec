/** Turns an error into what a user sees: the error for done() and Catch, and the node's status. */
import type { Node, NodeAPI } from 'node-red';
import { MeshError } from '../../lib/index';
import { errorStatus, setStatus, withPlace } from './status';
import { sharedText } from './texts';

/** An error for Catch nodes and the log. `code` is an own property because Node-RED copies no other. */
export interface ReportedError extends Error {
  code: string;
}

/**
 * Returns a copy that is fit for logs and flows: message and advice in one text, the code, the stack, but no `cause`,
 * which Catch would pass to the flow. The text of a foreign error may quote a payload (JSON.parse does) or a path, so
 * the copy names only its kind.
 * @param node the node that reports it: at a sandbox the text names that
 */
export function cleanError(RED: NodeAPI, error: unknown, node?: Node): ReportedError {
  const isOurs = error instanceof MeshError;
  const kind = error instanceof Error ? error.name : typeof error;
  const plain = isOurs
    ? withAdvice(error.message, error.advice)
    : sharedText(RED, 'error.unexpected', { kind: [kind, systemCode(error)].filter(Boolean).join(' ') });
  const text = node ? withPlace(node, plain) : plain;
  const clean = Object.assign(new Error(text), { code: isOurs ? error.code : 'MESH_UNEXPECTED' });
  clean.name = isOurs ? error.name : 'Error';
  clean.stack = [`${clean.name}: ${text}`, ...stackFrames(error)].join('\n');
  return clean;
}

const showingError = new WeakSet<Node>();

/** True while the node shows the error of its last message, which a change of the connection alone does not hide. */
export function showsError(node: Node): boolean {
  return showingError.has(node);
}

/** Notes that the node shows something else now. */
export function clearError(node: Node): void {
  showingError.delete(node);
}

/** Shows the error as the node's status and returns the error for `done`. */
export function reportError(RED: NodeAPI, node: Node, error: unknown): ReportedError {
  setStatus(node, errorStatus(error));
  showingError.add(node);
  return cleanError(RED, error, node);
}

/** Returns the error as plain JSON, for flows that switch on it and for the admin endpoints. */
export function errorDetails(RED: NodeAPI, error: unknown): { code: string; message: string; advice?: string } {
  if (!(error instanceof MeshError)) {
    const { code, message } = cleanError(RED, error);
    return { code, message };
  }
  const { code, message, advice } = error;
  return advice === undefined ? { code, message } : { code, message, advice };
}

function withAdvice(message: string, advice: string | undefined): string {
  if (advice === undefined || message.includes(advice)) return message;
  return `${/[.!?]$/.test(message) ? message : `${message}.`} ${advice}`;
}

/** Returns the system's code, e.g. `ENOSPC`; empty when there is none. */
function systemCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code) ? code : '';
}

/** Returns the `at …` lines only: the first lines of a stack repeat the message. */
function stackFrames(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split('\n').filter((line) => /^\s+at /.test(line));
}

/** Returns a node's name and id for the errors of others, or its id alone: an id can be searched for in the editor. */
export function nameOf({ name, id }: Pick<Node, 'name' | 'id'>): string {
  return name === undefined || name === '' ? id : `${name}, ${id}`;
}
