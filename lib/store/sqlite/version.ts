/** The version of a SQLite file: looked at before anything is written, and made if the file is empty. */
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { machineNow } from '../../clock';
import { existsSync } from '../../files';
import { randomUUID } from '../../random';
import { requireStoreBeforeMaking, type RequiredStore } from '../rules/known-store';
import { newSpoolKey } from '../rules/spool-key';
import { requireVersion, SCHEMA_VERSION } from '../rules/schema-version';
import { openFile, type Database } from './driver';
import { SCHEMA } from './schema';

const EMPTY_PLACE =
  'Move mesh.db away (with mesh.db-wal, if it is there, and the spool folder), and mesh-store.json in the Node-RED user ' +
  'folder, or choose another folder';

/** The numbers in `schema_version`; undefined if the database is empty. */
export function versionNumbers(database: Database): number[] | undefined {
  const tables = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all();
  if (tables.length === 0) return undefined;
  if (!tables.some(({ name }) => name === 'schema_version')) return [];
  return database
    .prepare('SELECT version FROM schema_version')
    .all()
    .map(({ version }) => Number(version));
}

/**
 * Refuses a file that is a store of another version, and leaves it byte for byte as it is. `immutable` makes SQLite
 * take no lock and make no -wal or -shm beside the file; it also reads past a -wal. So a file that cannot be read this
 * way, or that is empty but for its -wal (killed before SQLite's first checkpoint), is not refused here: `makeSchema`
 * looks again under the lock.
 * @throws ConfigurationError when the store has another version or is marked
 */
export function requireVersionOnDisk(file: string, options: { withMark?: boolean }): void {
  if (!existsSync(file)) return;
  let numbers: number[] | undefined;
  try {
    const url = pathToFileURL(file);
    url.searchParams.set('immutable', '1');
    const database = openFile(url, { readOnly: true });
    try {
      numbers = versionNumbers(database);
    } finally {
      database.close();
    }
  } catch {
    // Damaged, no database at all, or another process is writing: opening it says which.
    return;
  }
  if (numbers) requireVersion(numbers, file, { emptyPlace: EMPTY_PLACE, ...options });
}

/**
 * Makes the schema of an empty database, in one transaction together with its number: a kill in between leaves it
 * empty.
 * @throws ConfigurationError when the database has another version or is marked, or when it is empty and a store must be
 *   there
 */
export function makeSchema(
  database: Database,
  file: string,
  options: RequiredStore & { withMark?: boolean } = {},
): void {
  const numbers = versionNumbers(database);
  if (numbers) {
    requireVersion(numbers, file, { emptyPlace: EMPTY_PLACE, ...options });
    return;
  }
  requireStoreBeforeMaking(dirname(file), options);
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec(SCHEMA);
    database.prepare('INSERT INTO schema_version VALUES (?, ?)').run(SCHEMA_VERSION, machineNow());
    const identity = [randomUUID(), randomUUID(), newSpoolKey()];
    database.prepare('INSERT INTO store_identity (id, generation, spool_key) VALUES (?, ?, ?)').run(...identity);
    database.exec('COMMIT');
    // Into the file itself: if its -wal is lost later, the store still is the one that its send marks are about.
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Returns the store's own id. */
export function storeIdentity(database: Database): string {
  return String(database.prepare('SELECT id FROM store_identity').get()?.['id']);
}
