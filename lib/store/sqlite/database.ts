/** Opens the file, takes it for this process alone, and brings it to the newest version. */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigurationError } from '../../errors';
import { asMeshError, isTaken } from './failures';
import { migrate, MIGRATIONS } from './migrations';

export const FILE_NAME = 'mesh.db';

/** What only tests set. */
export interface TestOptions {
  /** Sleeps so long in each commit, as a slow disk would. */
  commitDelayMs?: number;
  /** The file may have so many pages more than it has at the start; then SQLite says that it is full. */
  spareMaxPages?: number;
  /** Opens a store that is marked as one that is not to be used (rows/moved.ts): for the copy only. */
  withMark?: boolean;
}

/** The database of a folder, which is made (0700) if it is not there. */
export function openDatabase(folder: string, test: TestOptions = {}): DatabaseSync {
  const file = join(folder, FILE_NAME);
  makeFile(folder, file);
  let database: DatabaseSync | undefined;
  try {
    // Waits a little for a Node-RED that is just stopping.
    database = new DatabaseSync(file, { timeout: 500, enableForeignKeyConstraints: true });
    prepare(database);
    migrate(database, MIGRATIONS, test);
    if (test.spareMaxPages !== undefined) {
      const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
      database.exec(`PRAGMA max_page_count = ${pages + test.spareMaxPages}`);
    }
    return database;
  } catch (error) {
    database?.close();
    if (!isTaken(error)) throw asMeshError(error);
    throw new ConfigurationError(`Another Node-RED uses the store in ${dirname(file)}.`, {
      advice:
        'Stop the other Node-RED (or what else has mesh.db open), or give this one a user folder of its own. ' +
        'A SQLite store has one owner.',
    });
  }
}

function prepare(database: DatabaseSync): void {
  // Before the first access: then WAL needs no shared memory, and the lock is held from the first read to the close.
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  // Only takes effect while the file is empty. Lets a purge give room back to the disk in small steps.
  database.exec('PRAGMA auto_vacuum = INCREMENTAL');
  database.exec('PRAGMA journal_mode = WAL');
  // FULL: a commit is on the disk, not in the system's cache, when it returns.
  database.exec('PRAGMA synchronous = FULL');
  // What the retention deletes is patient data: overwritten, not only unlinked.
  database.exec('PRAGMA secure_delete = ON');
  database.exec('PRAGMA trusted_schema = OFF');
  // A statement that could fail half-way notes the pages as they were: within a shared commit in a file, but for this
  // (measured, 40 changes a commit: 170 µs each with files, 30 without). No payload comes into a temporary folder either.
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA cache_size = -16000');
  database.exec(`PRAGMA journal_size_limit = ${16 * 1024 * 1024}`);
  database.exec('BEGIN EXCLUSIVE');
  database.exec('COMMIT');
}

/**
 * SQLite would make the file readable for others. It is only ever opened here to be made (`wx`): to open and close it
 * beside SQLite would drop the POSIX locks that this process holds on it (https://sqlite.org/howtocorrupt.html, 2.2).
 */
function makeFile(folder: string, file: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (existsSync(file)) chmodSync(file, 0o600);
    else closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    // Two that start at once: the other one has made it, and SQLite's lock decides.
    if (code === 'EEXIST' && existsSync(file)) return;
    throw new ConfigurationError(`The folder of the store cannot be used: ${folder} (${code}).`, {
      advice: 'Give the user that runs Node-RED the right to write this folder, and see that the disk is not full.',
    });
  }
}
