/**
 * A closed store as the tools see it: the tables of SQLite or of PostgreSQL, whose columns are named and typed alike.
 */
import type { SQLInputValue } from 'node:sqlite';
import type { Client } from 'pg';
import { ConfigurationError } from '../../errors';
import { Connections } from '../postgres/connections';
import * as postgresIdentity from '../postgres/identity';
import { lostInstances, otherInstances } from '../postgres/instances';
import { queriesOn, type Value } from '../postgres/queries';
import { slicesIn } from '../postgres/slices';
import { makeSchema } from '../postgres/version';
import { INCOMING_COLUMN_NAMES } from '../rows/incoming';
import { LEDGER_COLUMNS } from '../rows/ledger';
import { OUTGOING_COLUMN_NAMES } from '../rows/outgoing';
import type { Row } from '../rows/parse';
import type { RequiredStore } from '../rules/known-store';
import { markOf, SCHEMA_VERSION } from '../rules/schema-version';
import { openDatabase } from '../sqlite/database';
import * as sqliteIdentity from '../sqlite/identity';
import { Statements } from '../sqlite/statements';
import { versionNumbers } from '../sqlite/version';
import type { PayloadSlices, SpoolFolder } from '../store';

/** The tables that are copied, in an order in which every reference finds its row; the first column is the key. */
export const TABLES = {
  mailbox: ['id', 'key'],
  outgoing: OUTGOING_COLUMN_NAMES,
  outgoing_payload: ['seq', 'bytes'],
  incoming: INCOMING_COLUMN_NAMES,
  incoming_payload: ['seq', 'bytes'],
  ledger: LEDGER_COLUMNS.split(', '),
} as const satisfies Record<string, readonly string[]>;
export type TableName = keyof typeof TABLES;

/** A statement with `?` for its values, the same text in both back ends. Names of tables and columns are ours. */
export interface Change {
  sql: string;
  values: ReadonlyArray<Row[string]>;
}

/** One store, which no other process has open until this is closed. */
export interface Side {
  /** Returns the rows whose column has this value. */
  rows(table: TableName, column: string, value: string): Promise<Row[]>;
  /** Makes the changes in one commit. */
  changeBatch(changes: readonly Change[]): Promise<void>;
  /** Overwrites or frees deleted data, as far as the store itself can. */
  scrub(): Promise<void>;
  /** Returns rows behind a key, in order of the key. */
  page(table: TableName, after: number, limit: number): Promise<Row[]>;
  /** Inserts rows in one commit. */
  insert(table: TableName, rows: readonly Row[]): Promise<void>;
  /** Returns the greatest key; 0 if the table is empty. */
  last(table: TableName): Promise<number>;
  /** Gives the store another generation, so that nothing noted elsewhere is taken to be about it. */
  renewGeneration(): Promise<void>;
  /** Sets a mark (rules/schema-version.ts); undefined removes it. */
  mark(version: number | undefined): Promise<void>;
  /** Where a database may keep large payloads. */
  readonly slices?: PayloadSlices;
  /** The store's own id, with which its spool folders are marked. */
  readonly identity: string;
  /** Returns the key by which files are named after their messages (lib/payload/spool-names.ts). */
  spoolKey(): Promise<string>;
  /** Gives the store the spool key of the one that it is a copy of. */
  setSpoolKey(key: string): Promise<void>;
  /** Returns the folders that have ever had files of messages of the store. */
  spoolFolders(): Promise<SpoolFolder[]>;
  /** Records a folder with files of messages. Repeatable. */
  addSpoolFolder(folder: SpoolFolder): Promise<void>;
  /** The mark that the store had when it was opened. */
  readonly marked: number | undefined;
  close(): Promise<void>;
}

const keyOf = (table: TableName): string => TABLES[table][0] ?? 'seq';
const insertText = (table: TableName, between = ''): string =>
  `INSERT INTO ${table} (${TABLES[table].join(', ')}) ${between} VALUES (${TABLES[table].map(() => '?').join(', ')})`;
const whereText = (table: TableName, column: string): string =>
  `SELECT ${TABLES[table].join(', ')} FROM ${table} WHERE ${column} = ? ORDER BY ${keyOf(table)}`;
const pageText = (table: TableName): string =>
  `SELECT ${TABLES[table].join(', ')} FROM ${table} WHERE ${keyOf(table)} > ? ORDER BY ${keyOf(table)} LIMIT ?`;

/** Does the work in one transaction: all of it or, if it throws, nothing. */
async function inOneCommit(run: (sql: string) => unknown, work: () => Promise<void>): Promise<void> {
  await run('BEGIN');
  try {
    await work();
    await run('COMMIT');
  } catch (error) {
    await run('ROLLBACK');
    throw error;
  }
}

/** Whether a store must be there already. Default: one is made, to be copied to. */
type SideOptions = Pick<RequiredStore, 'mustExist'>;

/**
 * Opens the store of a folder.
 * @throws ConfigurationError while a Node-RED has it open, or when it must be there and is not
 */
export async function sqliteSide(folder: string, options: SideOptions = {}): Promise<Side> {
  const database = openDatabase(folder, { ...options, withMark: true });
  const statements = new Statements(database);
  const run = (sql: string): void => database.exec(sql);
  return {
    marked: markOf(versionNumbers(database) ?? []),
    identity: sqliteIdentity.storeId(statements),
    spoolKey: async () => sqliteIdentity.spoolKey(statements),
    setSpoolKey: async (key) => sqliteIdentity.setSpoolKey(statements, key),
    spoolFolders: async () => sqliteIdentity.spoolFolders(statements),
    addSpoolFolder: async (folder) => sqliteIdentity.addSpoolFolder(statements, folder),
    rows: async (table, column, value) => statements.all(whereText(table, column), value),
    changeBatch: (changes) =>
      inOneCommit(run, async () => {
        for (const { sql, values } of changes) statements.run(sql, ...(values as SQLInputValue[]));
      }),
    // secure_delete has overwritten it in the pages; the log still has them as they were.
    scrub: async () => void statements.all('PRAGMA wal_checkpoint(TRUNCATE)'),
    page: async (table, after, limit) => statements.all(pageText(table), after, limit),
    insert: (table, rows) =>
      inOneCommit(run, async () => {
        for (const row of rows) {
          statements.run(insertText(table), ...TABLES[table].map((column) => row[column] as SQLInputValue));
        }
      }),
    last: async (table) => Number(statements.get(`SELECT max(${keyOf(table)}) AS last FROM ${table}`)?.['last'] ?? 0),
    renewGeneration: async () => sqliteIdentity.renewGeneration(statements),
    async mark(version) {
      statements.run('DELETE FROM schema_version WHERE version > ?', SCHEMA_VERSION);
      if (version !== undefined) statements.run('INSERT INTO schema_version VALUES (?, ?)', version, Date.now());
    },
    close: async () => database.close(),
  };
}

/**
 * Opens the store of a database. A Node-RED that starts meanwhile waits.
 * @throws ConfigurationError while a Node-RED has it open, or when it must be there and is not
 */
export async function postgresSide(url: string, schema = 'mesh', options: SideOptions = {}): Promise<Side> {
  const connections = await Connections.make({ url, schema });
  const client: Client = await connections.single();
  const queries = queriesOn(client);
  const close = async (): Promise<void> => {
    await client.end();
    await connections.close();
  };
  let marked: number | undefined;
  let identity: string;
  try {
    // The lock that every start waits for is held until the connection is closed.
    marked = markOf(await makeSchema(client, schema, { ...options, withMark: true }));
    identity = await postgresIdentity.storeIdentity(queries);
    const there = await otherInstances(queries, '');
    const lost = await lostInstances(queries, schema, there);
    if (there.length > lost.length) {
      throw new ConfigurationError(
        `A Node-RED uses the store in the database (${there.length - lost.length} in all).`,
        {
          advice: 'Stop every Node-RED that shares it, and run this again.',
        },
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  const run = (sql: string): Promise<unknown> => queries.rows(sql);
  return {
    marked,
    identity,
    spoolKey: () => postgresIdentity.spoolKey(queries),
    setSpoolKey: (key) => postgresIdentity.setSpoolKey(queries, key),
    spoolFolders: () => postgresIdentity.spoolFolders(queries),
    addSpoolFolder: (folder) => postgresIdentity.addSpoolFolder(queries, folder),
    slices: slicesIn(connections),
    rows: (table, column, value) => queries.rows(whereText(table, column), value),
    changeBatch: (changes) =>
      inOneCommit(run, async () => {
        for (const { sql, values } of changes) await queries.rows(sql, ...(values as Value[]));
      }),
    async scrub() {
      for (const table of Object.keys(TABLES)) await client.query(`VACUUM ${schema}.${table}`);
    },
    page: (table, after, limit) => queries.rows(pageText(table), after, limit),
    async insert(table, rows) {
      const text = insertText(table, 'OVERRIDING SYSTEM VALUE');
      const overridden = table.endsWith('_payload') ? insertText(table) : text;
      await inOneCommit(run, async () => {
        await Promise.all(
          rows.map((row) => queries.rows(overridden, ...TABLES[table].map((column) => row[column] as Value))),
        );
        if (table.endsWith('_payload')) return;
        const key = keyOf(table);
        await queries.rows(
          `SELECT setval(pg_get_serial_sequence('${schema}.${table}', '${key}'), max(${key}))::text AS next
            FROM ${table}`,
        );
      });
    },
    async last(table) {
      const [row] = await queries.rows(`SELECT coalesce(max(${keyOf(table)}), 0) AS last FROM ${table}`);
      return Number(row?.['last']);
    },
    renewGeneration: () => postgresIdentity.renewGeneration(queries),
    async mark(version) {
      await queries.rows('DELETE FROM schema_version WHERE version > ?', SCHEMA_VERSION);
      if (version !== undefined) await queries.rows('INSERT INTO schema_version VALUES (?, now())', version);
    },
    close,
  };
}
