/** The errors of calls that must fail. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';

// Only the prototype matters: the base class MeshError has a protected constructor.
type ErrorClass<E> = { prototype: E; name: string; [Symbol.hasInstance](value: unknown): boolean };

/**
 * Returns the error with which a promise rejects.
 * @throws Error when the promise resolves, or rejects with another class
 */
export async function failure<E extends Error>(kind: ErrorClass<E>, action: Promise<unknown>): Promise<E> {
  const outcome = await action.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  assert.ok(outcome, `${kind.name} was expected, but nothing failed`);
  if (outcome.error instanceof kind) return outcome.error as E;
  throw new Error(`${kind.name} was expected`, { cause: outcome.error });
}

/**
 * Returns the error that a function throws.
 * @throws Error when it throws none, or one of another class
 */
export function thrown<E extends Error>(kind: ErrorClass<E>, action: () => unknown): E {
  try {
    action();
  } catch (error) {
    if (error instanceof kind) return error as E;
    throw new Error(`${kind.name} was expected`, { cause: error });
  }
  return assert.fail(`${kind.name} was expected, but nothing failed`);
}

/**
 * Returns all text of an error and its causes: messages, stacks and own properties, as a log, a Catch node or the
 * console would show them.
 */
export function fullErrorText(error: unknown): string {
  const texts: string[] = [inspect(error, { depth: 6 })];
  const seen = new Set<unknown>();
  for (let each: unknown = error; each instanceof Error && !seen.has(each); each = each.cause) {
    seen.add(each);
    texts.push(each.message, each.stack ?? '', ownProperties(each));
    if (each instanceof AggregateError) texts.push(...each.errors.map(fullErrorText));
  }
  return texts.join('\n');
}

function ownProperties(error: Error): string {
  const own = Object.fromEntries(Object.getOwnPropertyNames(error).map((name) => [name, Reflect.get(error, name)]));
  const seen = new Set<unknown>();
  return JSON.stringify(own, (_key, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return undefined;
    seen.add(value);
    return value;
  });
}
