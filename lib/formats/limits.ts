/** Limits that keep a hostile payload from filling the memory. */
import { UnreadableError } from '../errors';

/** Largest payload that a converter accepts, in bytes or characters. Real messages seldom exceed 5 MB. */
export const MAX_CONVERTED_BYTES = 64 * 1024 * 1024;
/**
 * Maximum number of values (fields, elements, components, attributes) of one payload: each takes many times its length.
 */
const MAX_VALUES = 1_000_000;
/** Maximum nesting depth of elements or objects. FHIR's own stays below 30. */
export const MAX_DEPTH = 200;

/** @throws UnreadableError above {@link MAX_CONVERTED_BYTES} */
export function checkSize(payload: string | Buffer, format: string): void {
  if (payload.length > MAX_CONVERTED_BYTES) {
    throw new UnreadableError(
      `The payload is larger than ${MAX_CONVERTED_BYTES / 1024 / 1024} MiB, the maximum for ${format}.`,
    );
  }
}

/** Counts the values of one payload. */
export class ValueBudget {
  #left = MAX_VALUES;

  /** @throws UnreadableError when `count` more values exceed {@link MAX_VALUES} */
  spend(count: number, format: string): void {
    this.#left -= count;
    if (this.#left < 0) throw new UnreadableError(`The payload has more than ${MAX_VALUES} values for ${format}.`);
  }
}

/**
 * Splits a text like String.split; at undefined, and where `at` does not occur, it is one part.
 * @throws UnreadableError before more than {@link MAX_VALUES} parts are made
 */
export function splitBounded(text: string, at: string | undefined): string[] {
  if (at === undefined) return [text];
  const parts: string[] = [];
  let from = 0;
  // String.split takes twice as long for the short texts that messages consist of (measured).
  for (let end = text.indexOf(at); end >= 0; end = text.indexOf(at, from)) {
    parts.push(text.slice(from, end));
    if (parts.length === MAX_VALUES) throw new UnreadableError(`The payload has more than ${MAX_VALUES} values.`);
    from = end + 1;
  }
  parts.push(text.slice(from));
  return parts;
}

/** Counts the occurrences of a character, and stops at `maximum`. */
export function countUpTo(payload: string | Buffer, character: string, maximum: number): number {
  let count = 0;
  for (let at = payload.indexOf(character); at >= 0 && count < maximum; at = payload.indexOf(character, at + 1))
    count += 1;
  return count;
}
