/**
 * The mark of a spool folder: `mesh-spool.json`, with the id of the store whose payloads are in it. A store uses only a
 * folder with its own mark, so that no store moves or deletes a file of another one's or of somebody else's
 * (docs/design.md, rule 7).
 */
import { join } from 'node:path';
import { mkdir, readdir, readFile } from '../files';
import { randomUUID } from '../random';
import { ConfigurationError, StorageError } from '../errors';
import { writeWholeFile } from './whole-file';
import { syncFolder } from './sync-folder';

const MARK_FILE = 'mesh-spool.json';

/** What a new volume has in it before anybody uses it. */
const OF_THE_SYSTEM = new Set(['lost+found', '.snapshot', '.zfs', 'System Volume Information']);

/**
 * Marks a folder as the store's own, if it is not; creates it (0700) if needed.
 * @param store the store's id
 * @param isExpected whether the store has payloads that should be in the folder; called only if the folder is empty
 * @throws ConfigurationError when the folder belongs to another store, or has files in it and no mark: it is left as it
 *   is. StorageError when the store's payloads should be in it and it is empty
 */
export async function markFolder(
  folder: string,
  store: string,
  isExpected: () => Promise<boolean> = async () => false,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const owner = await readMark(folder);
  if (owner === store) return;
  const line = JSON.stringify({ store });
  if (owner !== undefined) {
    throw new ConfigurationError(`The spool folder ${folder} belongs to another store. It was left as it is.`, {
      advice:
        'Give each store a spool folder of its own. If the store itself was replaced by an empty one: put the old ' +
        'mesh.db back, or move this folder away as well.',
    });
  }
  const found = (await readdir(folder)).filter((name) => !OF_THE_SYSTEM.has(name) && !name.startsWith(MARK_FILE));
  if (found.length > 0) {
    throw new ConfigurationError(
      `The spool folder ${folder} has files in it and no mark that they are this store's. It was left as it is.`,
      {
        advice:
          `Choose an empty folder, or one that does not exist yet. If these are this store's payloads, and only the ` +
          `mark is lost: write ${line} into ${join(folder, MARK_FILE)}.`,
      },
    );
  }
  if (await isExpected()) {
    throw new StorageError(`The spool folder ${folder} is empty, but the store has large payloads.`, {
      advice:
        'Check that its volume is mounted, and that the setting names the folder where the payloads are. If they are ' +
        `lost for good: write ${line} into ${join(folder, MARK_FILE)}; each message without its payload is then reported.`,
    });
  }
  await writeMark(folder, store);
}

/** Writes the mark, whatever mark there was. Several processes may do so at once. */
export async function writeMark(folder: string, store: string): Promise<void> {
  const suffix = `.${randomUUID()}.new`;
  await writeWholeFile(join(folder, MARK_FILE), `${JSON.stringify({ store })}\n`, { suffix, mode: 0o600 });
  await syncFolder(folder);
}

/**
 * Returns the id of the store that a folder belongs to; undefined if it has no mark, or there is no such folder.
 * @throws ConfigurationError when the mark cannot be read
 */
export async function readMark(folder: string): Promise<string | undefined> {
  try {
    const mark: unknown = JSON.parse(await readFile(join(folder, MARK_FILE), 'utf8'));
    const { store } = mark as { store?: unknown };
    if (typeof store === 'string' && store !== '') return store;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code !== undefined) throw error;
  }
  throw new ConfigurationError(`The mark of the spool folder is damaged: ${join(folder, MARK_FILE)}.`, {
    advice: 'Put it back from a backup of this folder.',
  });
}
