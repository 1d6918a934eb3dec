/**
 * Which store may be used at a place where one was used before. An empty folder there is a volume that is not mounted,
 * and an empty database one that has not been restored: a new store would hide what waits in the one that is away.
 */
import { ConfigurationError, StorageError } from '../../errors';

/** The store that was used at a place. */
export interface ExpectedStore {
  /** The store's own id. */
  id: string;
  /** The file that remembers it (lib/store/known-store.ts). */
  rememberedIn: string;
}

/** What must be at the place of a store that is opened. Without either, an empty place gets a new store. */
export interface RequiredStore {
  /** This store, and no other. */
  expected?: ExpectedStore | undefined;
  /** Any store: for the tools that copy from one or erase in one. */
  mustExist?: boolean | undefined;
}

/**
 * Refuses a place that has no store, before one is made there.
 * @param place as a person finds it: a folder, or database and schema
 * @throws StorageError, which passes by itself, when a store was used there; ConfigurationError when one must be there
 */
export function requireStoreBeforeMaking(place: string, { expected, mustExist }: RequiredStore): void {
  if (expected) {
    throw new StorageError(`The store that was used before is not there: ${place}. No new one was made.`, {
      advice:
        'Check that its volume is mounted, or its database restored, and that Node-RED may read it. To begin with an ' +
        `empty store there, and leave what waits in the old one behind: remove the file ${expected.rememberedIn}.`,
      passes: true,
    });
  }
  if (mustExist) {
    throw new ConfigurationError(`There is no store in ${place}.`, {
      advice: 'Check the folder or the URL, and that its volume is mounted.',
    });
  }
}

/**
 * Refuses another store than the one that was used at its place.
 * @param id the id of the store that is there
 * @throws StorageError, which passes by itself
 */
export function requireExpectedStore(id: string, place: string, { expected }: RequiredStore): void {
  if (!expected || expected.id === id) return;
  throw new StorageError(`Another store than the one that was used before is there: ${place}. It was left as it is.`, {
    advice:
      'Check that the right volume is mounted, and that the URL leads to the right database. To use the store that is ' +
      `there from now on: remove the file ${expected.rememberedIn}.`,
    passes: true,
  });
}
