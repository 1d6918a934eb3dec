/** Bounds that keep a hostile payload from filling the memory. */
import { UnreadableError } from '../errors';

/** Largest payload that a converter takes, in bytes or characters. A message of this kind is seldom above 5 MB. */
export const MAX_SIZE = 64 * 1024 * 1024;
/** Most values (fields, elements, components, attributes) of one payload: each costs many times its own length. */
export const MAX_VALUES = 1_000_000;
/** Deepest nesting of elements or objects. FHIR's own nesting stays below 30. */
export const MAX_DEPTH = 200;

/** @throws UnreadableError above {@link MAX_SIZE}. */
export function checkSize(payload: string | Buffer, format: string): void {
  if (payload.length > MAX_SIZE) {
    throw new UnreadableError(
      `The payload is larger than the ${MAX_SIZE / 1024 / 1024} MiB that are read as ${format}.`,
    );
  }
}

/** Counts the values of one payload. */
export class ValueBudget {
  #left = MAX_VALUES;

  /** @throws UnreadableError when `count` more values are too many. */
  spend(count: number, format: string): void {
    this.#left -= count;
    if (this.#left < 0) throw new UnreadableError(`The payload has more than ${MAX_VALUES} values for ${format}.`);
  }
}

/**
 * The parts of a text, as split() gives them.
 * @throws UnreadableError before more than {@link MAX_VALUES} of them are made
 */
export function splitBounded(text: string, at: string): string[] {
  const parts = text.split(at, MAX_VALUES + 1);
  if (parts.length > MAX_VALUES) throw new UnreadableError(`The payload has more than ${MAX_VALUES} values.`);
  return parts;
}
