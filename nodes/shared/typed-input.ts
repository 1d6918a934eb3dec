/** Evaluates a typedInput field: a string, a message property, an expression, … */
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { InvalidMessageError } from '../../lib/index';
import { textSetting } from './settings';
import { sharedText } from './texts';

/** A typedInput as Node-RED stores it: two properties of the node. */
export interface TypedValue {
  /** Name of the field, for errors. */
  field: string;
  value: string | undefined;
  type: string | undefined;
}

/**
 * Returns the value of the field for this message; undefined when it points to nothing.
 * @throws InvalidMessageError when an expression fails
 */
export async function evaluate(RED: NodeAPI, node: Node, msg: NodeMessage, input: TypedValue): Promise<unknown> {
  const { value, field } = input;
  const type = input.type ?? 'str';
  if (value === undefined || value === '') return type === 'str' ? '' : undefined;
  // Node-RED leaves `${VAR}` as it is while VAR is not set: without this it would be sent as a name or a recipient.
  if (type === 'str') return textSetting(RED, value);
  try {
    return await new Promise<unknown>((resolve, reject) => {
      RED.util.evaluateNodeProperty(value, type, node, msg, (error, result: unknown) =>
        error ? reject(error) : resolve(result),
      );
    });
  } catch {
    // Node-RED throws for msg.a.b when msg.a is missing; here that is no value. A failed expression is an error,
    // without its own text, which may quote the message.
    if (type !== 'jsonata') return undefined;
    throw new InvalidMessageError(sharedText(RED, 'error.expression', { field }));
  }
}

/**
 * Evaluates a field that must be a text; empty when it has no value.
 * @throws InvalidMessageError when it is neither a text nor a number
 */
export async function evaluateText(RED: NodeAPI, node: Node, msg: NodeMessage, input: TypedValue): Promise<string> {
  return asText(RED, await evaluate(RED, node, msg, input), input.field);
}

/**
 * Returns the value as trimmed text; empty when it is null or undefined.
 * @throws InvalidMessageError when it is neither a text nor a number
 */
export function asText(RED: NodeAPI, value: unknown, field: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number') return String(value);
  throw new InvalidMessageError(sharedText(RED, 'error.not-text', { field }));
}
