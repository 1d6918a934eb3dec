/**
 * The file that remembers which store was used, and where. It is kept outside the storage, so that it is still there
 * when the storage is not (rules/known-store.ts). A storage that the settings put elsewhere may be a new one.
 */
import { dirname } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from '../errors';
import { readFile } from '../files';
import { writeWholeFile } from '../payload/whole-file';
import { randomUUID } from '../random';
import type { ExpectedStore } from './rules/known-store';
import { fileErrorPasses } from './rules/opening';
import { syncFolder } from '../payload/sync-folder';

const CONTENT = z.object({
  /** A folder, or database and schema. */
  place: z.string().min(1),
  /** The store's own id. */
  store: z.string().min(1),
});

export class KnownStore {
  readonly #file: string;
  readonly #place: string;
  readonly #before: z.output<typeof CONTENT> | undefined;

  private constructor(file: string, place: string, before: z.output<typeof CONTENT> | undefined) {
    this.#file = file;
    this.#place = place;
    this.#before = before;
  }

  /**
   * Reads what the file remembers, for a storage that is about to be opened at a place.
   * @throws ConfigurationError when the file is there and cannot be read, or is damaged
   */
  static async read(file: string, place: string): Promise<KnownStore> {
    return new KnownStore(file, place, await contentOf(file));
  }

  /** The store that must be at the place; undefined if none was used there last. */
  get expected(): ExpectedStore | undefined {
    if (this.#before?.place !== this.#place) return undefined;
    return { id: this.#before.store, rememberedIn: this.#file };
  }

  /** Where the storage was last, if that is another place. */
  get previousPlace(): string | undefined {
    return this.#before?.place === this.#place ? undefined : this.#before?.place;
  }

  /**
   * Remembers the store that was opened at the place.
   * @throws the system's error
   */
  async remember(store: string): Promise<void> {
    if (this.expected?.id === store) return;
    const content = JSON.stringify({ place: this.#place, store } satisfies z.output<typeof CONTENT>);
    await writeWholeFile(this.#file, `${content}\n`, { suffix: `.${randomUUID()}.new`, mode: 0o600 });
    await syncFolder(dirname(this.#file));
  }
}

async function contentOf(file: string): Promise<z.output<typeof CONTENT> | undefined> {
  let cause: unknown;
  try {
    return CONTENT.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    cause = error;
  }
  throw new ConfigurationError(`The file that remembers the store cannot be read, or is damaged: ${file}.`, {
    cause,
    advice: 'Check that the store is where it was (its volume is mounted), and then remove the file.',
    passes: fileErrorPasses((cause as NodeJS.ErrnoException).code),
  });
}
