/** Opens the file for this process alone. */
import { dirname, join } from 'node:path';
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from '../../files';
import { ConfigurationError, StorageError } from '../../errors';
import { openFile, type Database } from './driver';
import { requireExpectedStore, requireStoreBeforeMaking, type RequiredStore } from '../rules/known-store';
import { fileErrorPasses } from '../rules/opening';
import { asMeshError, isTaken } from './failures';
import { makeSchema, requireVersionOnDisk, storeIdentity } from './version';

const FILE_NAME = 'mesh.db';

/** Set by tests only. */
export interface TestOptions {
  /** Milliseconds to sleep in each commit, as a slow disk would. */
  commitDelayMs?: number;
  /** Pages that the file may grow by; then SQLite reports that it is full. */
  spareMaxPages?: number;
}

/** How a database is opened. */
export interface OpenOptions extends RequiredStore {
  /** Opens a store that is marked as not to be used (rules/schema-version.ts): for the tools that copy and erase. */
  withMark?: boolean;
  test?: TestOptions;
}

/**
 * Opens the database of a folder; makes folder (0700) and file if they are not there, unless a store must be there.
 * @throws ConfigurationError when another process has it open, it is a store of another version, or the folder cannot
 *   be used; StorageError when the file is damaged, the disk is full, or the store that must be there is not
 */
export function openDatabase(folder: string, options: OpenOptions = {}): Database {
  const file = join(folder, FILE_NAME);
  const { test = {} } = options;
  requireVersionOnDisk(file, options);
  if (!existsSync(file)) requireStoreBeforeMaking(folder, options);
  makeFile(folder, file);
  let database: Database | undefined;
  try {
    // Waits a little for a Node-RED that is just stopping.
    database = openFile(file, { timeout: 500, enableForeignKeyConstraints: true });
    prepare(database);
    makeSchema(database, file, options);
    requireExpectedStore(storeIdentity(database), folder, options);
    rewriteLog(`${file}-wal`);
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
        'Stop the other Node-RED (or the program that has mesh.db open), or give this one a user folder of its own. ' +
        'A SQLite store has one owner.',
      // It may be the process that is just ending.
      passes: true,
    });
  }
}

function prepare(database: Database): void {
  // Before the first access: then WAL needs no shared memory, and the lock is held from the first read to the close.
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  // Lets a purge give space back to the disk in small steps. Takes effect only while the file is empty, and writes into
  // every other one too, also into a store of another version that is then refused.
  if (database.prepare('PRAGMA page_count').get()?.['page_count'] === 0) {
    database.exec('PRAGMA auto_vacuum = INCREMENTAL');
  }
  database.exec('PRAGMA journal_mode = WAL');
  // FULL: when a commit returns it is on the disk, not in the system's cache.
  database.exec('PRAGMA synchronous = FULL');
  // The retention deletes patient data: it is overwritten, not only unlinked.
  database.exec('PRAGMA secure_delete = ON');
  database.exec('PRAGMA trusted_schema = OFF');
  // A statement that could fail half-way saves the pages as they were; within a shared commit it would do so in a file
  // (measured, 40 changes a commit: 170 µs each with files, 30 in memory). No payload gets into a temporary folder
  // either.
  database.exec('PRAGMA temp_store = MEMORY');
  database.exec('PRAGMA cache_size = -16000');
  database.exec(`PRAGMA journal_size_limit = ${16 * 1024 * 1024}`);
  database.exec('BEGIN EXCLUSIVE');
  database.exec('COMMIT');
}

const PIECE_BYTES = 1024 * 1024;

/**
 * Writes what is in the write-ahead log once more, byte for byte, and syncs it. A process may have been killed right
 * after a sync of its log failed: what it had written is read as if it were on the disk, and never gets there by itself,
 * since the system takes it for written. Behind such a gap a power cut would take every later commit away. Call it under
 * the lock.
 * @throws StorageError
 */
function rewriteLog(log: string): void {
  if (!existsSync(log)) return;
  try {
    const descriptor = openSync(log, 'r+');
    try {
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      for (let at = 0, bytes = 0; (bytes = readSync(descriptor, piece, 0, piece.length, at)) > 0; at += bytes) {
        for (let written = 0; written < bytes;)
          written += writeSync(descriptor, piece, written, bytes - written, at + written);
      }
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StorageError(`The store cannot be opened: its log could not be written to the disk (${code}).`, {
      cause,
      advice: 'Check the health and the free space of the disk of the Node-RED user folder.',
      passes: fileErrorPasses(code),
    });
  }
}

/**
 * Makes the file for its owner only: SQLite would make it readable for others. It is opened here to be made (`wx`) and
 * never else: opening and closing it beside SQLite would drop the POSIX locks that this process holds on it
 * (https://sqlite.org/howtocorrupt.html, 2.2).
 */
function makeFile(folder: string, file: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (existsSync(file)) chmodSync(file, 0o600);
    else closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    // Of two that start at once the other one has made it; SQLite's lock decides between them.
    if (code === 'EEXIST' && existsSync(file)) return;
    throw new ConfigurationError(`The folder of the store cannot be used: ${folder} (${code}).`, {
      advice: 'Give the user that runs Node-RED the right to write this folder, and check that the disk is not full.',
      passes: fileErrorPasses(code),
    });
  }
}
