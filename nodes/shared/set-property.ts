/** Puts a result where the node's user wants it. */
import type { NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { sharedText } from './texts';

/** @throws InvalidMessageError where the property cannot be set, e.g. `payload.x` when the payload is a text. */
export function setProperty(RED: NodeAPI, msg: NodeMessage, property: string | undefined, value: unknown): void {
  const path = property === undefined || property === '' ? 'payload' : property;
  let done = false;
  try {
    done = RED.util.setMessageProperty(msg, path, value, true);
  } catch {
    // told below
  }
  if (!done) throw new InvalidMessageError(sharedText(RED, 'error.property'));
}
