/** Evaluates what a user entered in a typedInput field: a string, a message property, an expression, … */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { textSetting } from './settings';
import { sharedText } from './texts';

/** A typedInput as Node-RED stores it: two properties of the node. */
export interface TypedValue {
  /** The field's name, for errors. */
  field: string;
  value: string | undefined;
  type: string | undefined;
}

/** The value of the field for this message; undefined where it points to nothing. */
export async function evaluate(RED: NodeAPI, node: Node, msg: NodeMessage, input: TypedValue): Promise<unknown> {
  const { value, field } = input;
  const type = input.type ?? 'str';
  if (value === undefined || value === '') return type === 'str' ? '' : undefined;
  // Node-RED leaves `${VAR}` as it is where VAR is not set: it would be sent as a name or a recipient.
  if (type === 'str') return textSetting(RED, value);
  try {
    return await new Promise<unknown>((resolve, reject) => {
      RED.util.evaluateNodeProperty(value, type, node, msg, (error, result: unknown) =>
        error ? reject(error) : resolve(result),
      );
    });
  } catch {
    // msg.a.b where msg.a is missing throws in Node-RED: to us, there is no value. A broken expression is an error, and
    // its own text is not repeated: it may quote the message.
    if (type !== 'jsonata') return undefined;
    throw new InvalidMessageError(sharedText(RED, 'error.expression', { field }));
  }
}

/** The same for a field that must be a text. Empty where there is none. */
export async function evaluateText(RED: NodeAPI, node: Node, msg: NodeMessage, input: TypedValue): Promise<string> {
  return asText(RED, await evaluate(RED, node, msg, input), input.field);
}

/** A text, or a number as one; nothing becomes the empty text. */
export function asText(RED: NodeAPI, value: unknown, field: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number') return String(value);
  throw new InvalidMessageError(sharedText(RED, 'error.not-text', { field }));
}
