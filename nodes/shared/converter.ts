/**
 * The common part of the converter nodes: like core csv, xml and json, they convert one property of the message in
 * place.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError, type Tolerated } from '../../lib/index';
import { onInput } from './on-input';
import { setProperty } from './set-property';
import { sharedStatus } from './status';
import { sharedText } from './texts';

/** A value to convert: text or bytes in one direction, an object in the other. */
export type Convertible = string | Buffer | Record<string, unknown>;

/**
 * Runs `convert` on the property of every message. A message without the property passes unchanged, as in core nodes.
 * What a reader tolerated is reported as a warning, as a status and on `msg.tolerated`.
 * @param convert returns the new value; it hands what it tolerated to its third argument
 */
export function convertProperty(
  RED: NodeAPI,
  node: Node,
  property: string | undefined,
  convert: (value: Convertible, msg: NodeMessage, tolerate: (found: readonly Tolerated[]) => void) => unknown,
): void {
  const path = property === undefined || property === '' ? 'payload' : property;
  onInput(RED, node, async (msg, send) => {
    const value = valueAt(RED, msg, path);
    const tolerated: Tolerated[] = [];
    if (value !== undefined && value !== null) {
      if (!isConvertible(value)) throw new InvalidMessageError(sharedText(RED, 'error.not-convertible'));
      setProperty(RED, msg, path, await convert(value, msg, (found) => tolerated.push(...found)));
      report(RED, node, msg, tolerated);
    }
    node.status(tolerated.length === 0 ? {} : sharedStatus(RED, 'yellow', 'dot', 'tolerated'));
    send(msg);
  });
}

function report(RED: NodeAPI, node: Node, msg: NodeMessage, tolerated: Tolerated[]): void {
  for (const { message, count } of tolerated) node.warn(sharedText(RED, 'warning.tolerated', { message, count }));
  if (tolerated.length > 0) Object.assign(msg, { tolerated });
  // That of an earlier converter says nothing of this conversion.
  else delete (msg as { tolerated?: unknown }).tolerated;
}

function valueAt(RED: NodeAPI, msg: NodeMessage, path: string): unknown {
  try {
    return RED.util.getMessageProperty(msg, path) as unknown;
  } catch {
    return undefined;
  }
}

function isConvertible(value: unknown): value is Convertible {
  return typeof value === 'string' || (typeof value === 'object' && value !== null && !Array.isArray(value));
}
