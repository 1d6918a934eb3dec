/**
 * The common part of the converter nodes: like core csv, xml and json, they convert one property of the message in
 * place.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { onInput } from './on-input';
import { setProperty } from './set-property';
import { sharedText } from './texts';

/** A value to convert: text or bytes in one direction, an object in the other. */
export type Convertible = string | Buffer | Record<string, unknown>;

/**
 * Runs `convert` on the property of every message. A message without the property passes unchanged, as in core nodes.
 */
export function convertProperty(
  RED: NodeAPI,
  node: Node,
  property: string | undefined,
  convert: (value: Convertible, msg: NodeMessage) => unknown,
): void {
  const path = property === undefined || property === '' ? 'payload' : property;
  onInput(RED, node, async (msg, send) => {
    const value = valueAt(RED, msg, path);
    if (value !== undefined && value !== null) {
      if (!isConvertible(value)) throw new InvalidMessageError(sharedText(RED, 'error.not-convertible'));
      setProperty(RED, msg, path, await convert(value, msg));
    }
    node.status({});
    send(msg);
  });
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
