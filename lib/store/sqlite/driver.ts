/** SQLite itself, as the store uses it: the only module that loads node:sqlite. */
import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from 'node:sqlite';

/** A prepared statement. */
export interface Statement {
  all(...values: SQLInputValue[]): Array<Record<string, SQLOutputValue>>;
  get(...values: SQLInputValue[]): Record<string, SQLOutputValue> | undefined;
  run(...values: SQLInputValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
}

/** An open database. */
export interface Database {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): Statement;
  close(): void;
}

/** How a database is opened, as node:sqlite names it. */
export interface OpenOptions {
  readOnly?: boolean;
  /** Milliseconds to wait for a lock. */
  timeout?: number;
  enableForeignKeyConstraints?: boolean;
}

type Open = (file: string | URL, options: OpenOptions) => Database;

const NODE_SQLITE: Open = (file, options) => new DatabaseSync(file, options);

let open = NODE_SQLITE;

/**
 * Puts another build of SQLite in the place of node:sqlite, or node:sqlite back. For a simulation that runs code in the
 * process: the package exports this from nowhere, and no environment variable, setting or flow leads here.
 */
export function setDriver(replacement: Open = NODE_SQLITE): void {
  open = replacement;
}

/**
 * Opens a database file.
 * @throws Error with SQLite's `errcode`
 */
export function openFile(file: string | URL, options: OpenOptions): Database {
  return open(file, options);
}
