/**
 * The common part of the converter nodes: like core csv, xml and json, they convert one property of the message in
 * place.
 */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError, type Tolerated } from '../../lib/index';
import { onInput } from './on-input';
import { setProperty } from './set-property';
import { setStatus, sharedStatus } from './status';
import { sharedText } from './texts';
import { reportTolerated } from './tolerated';

/** Several results of one value: each is sent as a message of its own, with `msg.parts` as core's split node sets it. */
export class Several {
  constructor(
    readonly values: readonly unknown[],
    /** Further properties of each message, by its index. */
    readonly properties: (index: number) => Record<string, unknown> = () => ({}),
  ) {}
}

/** A value to convert: text or bytes in one direction, an object in the other. */
export type Convertible = string | Buffer | Record<string, unknown>;

/**
 * Runs `convert` on the property of every message. A message without the property passes unchanged, as in core nodes.
 * What a reader tolerated is reported as a warning, as a status and on `msg.tolerated`.
 * @param convert returns the new value; it hands what it tolerated to its third argument, and a status to its fourth
 */
export function convertProperty(
  RED: NodeAPI,
  node: Node,
  property: string | undefined,
  convert: (
    value: Convertible,
    msg: NodeMessage,
    tolerate: (found: readonly Tolerated[]) => void,
    show: (text: string) => void,
  ) => unknown,
): void {
  const path = property === undefined || property === '' ? 'payload' : property;
  onInput(RED, node, async (msg, send) => {
    const value = valueAt(RED, msg, path);
    const tolerated: Tolerated[] = [];
    let shown: string | undefined;
    if (value !== undefined && value !== null) {
      if (!isConvertible(value)) throw new InvalidMessageError(sharedText(RED, 'error.not-convertible'));
      const converted = await convert(
        value,
        msg,
        (found) => tolerated.push(...found),
        (text) => (shown = text),
      );
      reportTolerated(RED, node, msg, tolerated);
      if (converted instanceof Several) {
        showTolerated(node, tolerated);
        sendParts(RED, msg, path, converted, send);
        return;
      }
      setProperty(RED, msg, path, converted);
    }
    showTolerated(node, tolerated, shown);
    send(msg);
  });
}

function showTolerated(node: Node, tolerated: readonly Tolerated[], shown?: string): void {
  if (tolerated.length > 0) setStatus(node, sharedStatus('yellow', 'dot', 'tolerated'));
  else setStatus(node, shown === undefined ? {} : { fill: 'grey', shape: 'dot', plain: shown });
}

/** Returns the mark of `msg.parts` for a part of a received message: mesh-ack counts those (receive/parts.ts). */
export function markedParts(mesh: unknown): { ofMessage?: string } {
  const messageId = (mesh as { messageId?: unknown } | null | undefined)?.messageId;
  return typeof messageId === 'string' ? { ofMessage: messageId } : {};
}

/** Sends each value as a copy of the message. An earlier node's parts stay within, so that core's join nests. */
function sendParts(
  RED: NodeAPI,
  msg: NodeMessage & { parts?: unknown },
  path: string,
  { values, properties }: Several,
  send: (msg: NodeMessage) => void,
): void {
  const outer = msg.parts === undefined ? {} : { parts: msg.parts };
  const property = path === 'payload' ? {} : { property: path };
  const id = RED.util.generateId();
  const mark = markedParts((msg as { mesh?: unknown }).mesh);
  setProperty(RED, msg, path, null);
  values.forEach((value, index) => {
    const part = RED.util.cloneMessage(msg);
    setProperty(RED, part, path, value);
    const parts = { ...outer, id, type: 'array', count: values.length, len: 1, index, ...property, ...mark };
    send(Object.assign(part, properties(index), { parts }));
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
