/**
 * Every operation of the store with years of traffic behind it, on both back ends: each one's time in a small history and
 * in a large one, in turn. The large one is filled in a while and takes about 400 bytes for each line of the ledger; the
 * back ends follow one another, so that the disk has to hold one of them.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { openPostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { startPostgres } from '../../test/harness/postgres-server';
import {
  type Filled,
  fillHistory,
  type History,
  POSTGRES,
  SQLITE,
  type Timed,
  timeOperations,
} from '../../test/harness/store-history';
import { withFolder, type Settings } from '../settings';

/** Runs of each operation, of which the best counts. */
const RUNS = 20;

/** The times of one back end. */
export interface HistoryFigures {
  backEnd: 'sqlite' | 'postgres';
  small: History;
  large: History;
  operations: Timed[];
}

export async function history({ history: { small, large }, say }: Settings): Promise<HistoryFigures[]> {
  say(`  sqlite, ${large.messages} messages each way, ${large.messages * large.lines} lines`);
  const sqlite = await withFolder(async (folder) => {
    const stores = [
      await inSqlite(join(folder, 'small'), small),
      await inSqlite(join(folder, 'large'), large),
    ] as const;
    const timed = await timeOperations(...stores, RUNS);
    await Promise.all(stores.map(({ store }) => store.close()));
    rmSync(folder, { recursive: true });
    return timed;
  });
  say(`  postgres, ${large.messages} messages each way, ${large.messages * large.lines} lines`);
  const server = await startPostgres({ fsync: true });
  try {
    const stores = [
      await inPostgres(server.url, 'small', small),
      await inPostgres(server.url, 'large', large),
    ] as const;
    const postgres = await timeOperations(...stores, RUNS);
    await Promise.all(stores.map(({ store }) => store.close()));
    return [
      { backEnd: 'sqlite', small, large, operations: sqlite },
      { backEnd: 'postgres', small, large, operations: postgres },
    ];
  } finally {
    await server.remove();
  }
}

async function inSqlite(folder: string, history: History): Promise<Filled> {
  await (await openSqliteStore({ folder })).close();
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  database.exec('PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000');
  await fillHistory(history, SQLITE, (sql) => database.exec(sql));
  database.close();
  return { store: await openSqliteStore({ folder }), messages: history.messages };
}

async function inPostgres(url: string, schema: string, history: History): Promise<Filled> {
  const store = await openPostgresStore({ url, schema });
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`SET search_path TO "${schema}"; SET synchronous_commit TO off`);
  await fillHistory(history, POSTGRES, (sql) => client.query(sql));
  await client.query('VACUUM ANALYZE');
  await client.query('CHECKPOINT');
  await client.end();
  return { store, messages: history.messages };
}
