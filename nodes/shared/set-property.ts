/** Writes a result to the message property that the node's user chose. */
import type { NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { sharedText } from './texts';

/** @throws InvalidMessageError when the property cannot be set, e.g. `payload.x` while the payload is a string. */
export function setProperty(RED: NodeAPI, msg: NodeMessage, property: string | undefined, value: unknown): void {
  const path = property === undefined || property === '' ? 'payload' : property;
  let isSet = false;
  try {
    isSet = RED.util.setMessageProperty(msg, path, value, true);
  } catch {
    // Raised below, as when Node-RED returns false.
  }
  if (!isSet) throw new InvalidMessageError(sharedText(RED, 'error.property'));
}
