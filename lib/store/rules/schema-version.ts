/**
 * The number of the schema, and what is refused because of it. The first release has not been made: there are no
 * migrations. A change of either schema (sqlite/schema.ts, postgres/schema.ts; the lists of lib/message-states.ts are
 * part of both) is made in place and raises the number, so that a store of any other number is refused as it is instead
 * of being misread.
 */
import { ConfigurationError } from '../../errors';

/**
 * The schema that this code reads and writes, in both back ends. A test compares it with a digest of the schemas'
 * texts.
 */
export const SCHEMA_VERSION = 110;

/**
 * Marks: numbers in `schema_version` that are no schema's. A store that is being copied to, or that was copied
 * elsewhere, has one beside its version and is refused by every program, so that a message is never sent from two
 * stores.
 */
export const COPYING = 1_000_001;
export const MOVED = 1_000_002;

/** The mark among the numbers of `schema_version`, if there is one. */
export function markOf(numbers: readonly number[]): number | undefined {
  return numbers.find((number) => number >= COPYING);
}

/**
 * Refuses a store that this code must not use.
 * @param numbers the rows of `schema_version`; none for what is not empty and has no version
 * @param place where the store is, as a person finds it: a file's path, or database and schema
 * @param options `emptyPlace`: how a person makes room for an empty store, as an imperative. `withMark`: a mark is no
 *   reason, for the tools that set it
 * @throws ConfigurationError when the store was copied elsewhere, is being copied to, or has another version
 */
export function requireVersion(
  numbers: readonly number[],
  place: string,
  { emptyPlace, withMark = false }: { emptyPlace: string; withMark?: boolean },
): void {
  const mark = markOf(numbers);
  if (mark !== undefined && !withMark) throw markedError(mark);
  if (numbers.length === 0) {
    throw new ConfigurationError(
      `This is not a store of this program, or not a complete one: ${place}. It was left as it is.`,
      {
        advice: `${emptyPlace}; then this release begins with an empty store.`,
      },
    );
  }
  const version = Math.max(0, ...numbers.filter((number) => number < COPYING));
  if (version === SCHEMA_VERSION) return;
  const release = version > SCHEMA_VERSION ? 'A newer release' : 'An older release';
  throw new ConfigurationError(
    `The store has version ${version}, this release needs version ${SCHEMA_VERSION}: ${place}. It was left as it is.`,
    {
      advice:
        `${release} has made this store: install that release again to use it. ` +
        `Otherwise: ${emptyPlace}; then this release begins with an empty store.`,
    },
  );
}

function markedError(mark: number): ConfigurationError {
  if (mark === MOVED) {
    return new ConfigurationError('This store was copied to another one, and is no longer used.', {
      advice: 'Use the other store. To come back, copy it back with nhs-mesh store into an empty place.',
    });
  }
  return new ConfigurationError('A store is being copied to this one, and it is not complete yet.', {
    advice: 'Run nhs-mesh store again, to its end.',
  });
}
