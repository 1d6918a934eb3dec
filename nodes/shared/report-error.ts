/** The one place where an error becomes what a user sees: the error for done() and Catch, and the node's status. */
import type { Node, NodeAPI } from 'node-red';
import { MeshError } from '../../lib/index';
import { errorStatus } from './status';
import { sharedText } from './texts';

/** An error as Catch nodes and the log get it: `code` is an own property, or Node-RED would not copy it. */
export interface ReportedError extends Error {
  code: string;
}

/**
 * A copy that is fit for logs and flows: message and advice in one text, the code, the stack; no `cause`, which Catch
 * would hand to the flow. The text of an error that is not ours may quote a payload (JSON.parse does) or a path, so
 * only its kind is told.
 */
export function cleanError(RED: NodeAPI, error: unknown): ReportedError {
  const known = error instanceof MeshError;
  const kind = error instanceof Error ? error.name : typeof error;
  const text = known
    ? withAdvice(error.message, error.advice)
    : sharedText(RED, 'error.unexpected', { kind: [kind, systemCode(error)].filter(Boolean).join(' ') });
  const clean = Object.assign(new Error(text), { code: known ? error.code : 'MESH_UNEXPECTED' });
  clean.name = known ? error.name : 'Error';
  clean.stack = [`${clean.name}: ${text}`, ...stackFrames(error)].join('\n');
  return clean;
}

const showingError = new WeakSet<Node>();

/** Whether the node still shows the error of its last message: news of the connection alone may not hide it. */
export function showsError(node: Node): boolean {
  return showingError.has(node);
}

/** The node shows something else now. */
export function errorIsOver(node: Node): void {
  showingError.delete(node);
}

/** Shows the error as the node's status and returns what to give to `done`. */
export function reportError(RED: NodeAPI, node: Node, error: unknown): ReportedError {
  node.status(errorStatus(RED, error));
  showingError.add(node);
  return cleanError(RED, error);
}

/** `error` as plain JSON on a message, for flows that switch on it. */
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

/** `ENOSPC` and the like. */
function systemCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code) ? code : '';
}

/** The lines `at …` only: the first lines of a stack repeat the message. */
function stackFrames(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack.split('\n').filter((line) => /^\s+at /.test(line));
}
