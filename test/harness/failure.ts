/** The error of something that has to fail. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';

// Only its prototype counts: the base class MeshError has a protected constructor.
type Kind<E> = { prototype: E; name: string; [Symbol.hasInstance](value: unknown): boolean };

/** The error, which has to be of this class; fails if there is none. */
export async function failure<E extends Error>(kind: Kind<E>, doing: Promise<unknown>): Promise<E> {
  const outcome = await doing.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  assert.ok(outcome, `${kind.name} was expected, and nothing failed`);
  if (outcome.error instanceof kind) return outcome.error as E;
  throw new Error(`${kind.name} was expected`, { cause: outcome.error });
}

/** The same for what fails at once. */
export function thrown<E extends Error>(kind: Kind<E>, doing: () => unknown): E {
  try {
    doing();
  } catch (error) {
    if (error instanceof kind) return error as E;
    throw new Error(`${kind.name} was expected`, { cause: error });
  }
  return assert.fail(`${kind.name} was expected, and nothing failed`);
}

/**
 * Everything that an error says, its causes included: messages, stacks, and all own properties, as a log, a Catch
 * node or the console would have them.
 */
export function everythingSaid(error: unknown): string {
  const said: string[] = [inspect(error, { depth: 6 })];
  const seen = new Set<unknown>();
  for (let each: unknown = error; each instanceof Error && !seen.has(each); each = each.cause) {
    seen.add(each);
    said.push(each.message, each.stack ?? '', ownProperties(each));
    if (each instanceof AggregateError) said.push(...each.errors.map(everythingSaid));
  }
  return said.join('\n');
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
