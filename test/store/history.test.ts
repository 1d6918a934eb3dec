/**
 * Years of traffic make nothing slower: every method of the store, on both back ends, takes as long with 80,000
 * messages each way behind it (200,000 in `npm run test:sizes`) as with 10,000. `npm run bench -- --only history` measures
 * it with millions.
 */
import '../../lib/store/sqlite/quiet';
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { Client } from 'pg';
import { openPostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { openSqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';
import { size } from '../harness/size';
import { type Filled, fillHistory, POSTGRES, SQLITE, type Timed, timeOperations } from '../harness/store-history';

const SMALL = 10_000;
const LARGE = size(80_000, 200_000);
/** Reading what is over takes tens of milliseconds more. */
const ALLOWED_MS = 2;

async function inSqlite(messages: number): Promise<Filled> {
  const folder = await emptyFolder();
  await (await openSqliteStore({ folder })).close();
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -100000; BEGIN');
  await fillHistory({ messages, lines: 4 }, SQLITE, (sql) => database.exec(sql));
  database.exec('COMMIT');
  database.close();
  const store = await openSqliteStore({ folder });
  afterThisTest(() => store.close());
  return { store, messages };
}

async function inPostgres(messages: number): Promise<Filled> {
  const url = await postgresUrl();
  const schema = newSchema();
  afterThisTest(() => dropSchema(schema));
  // Opened before the history is there: a plan that was made on empty tables must hold.
  const store = await openPostgresStore({ url, schema, connections: 1 });
  afterThisTest(() => store.close());
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`SET search_path TO "${schema}"`);
  await fillHistory({ messages, lines: 4 }, POSTGRES, (sql) => client.query(sql));
  await client.end();
  return { store, messages };
}

for (const [name, filled] of [
  ['SQLite', inSqlite],
  ['PostgreSQL', inPostgres],
] as const) {
  describe(`a store of ${name} with ${LARGE.toLocaleString('en-GB')} messages each way behind it`, function () {
    this.timeout(180_000);

    it('does everything as fast as with 10,000', async () => {
      const [small, large] = [await filled(SMALL), await filled(LARGE)];
      const slowOf = (timed: Timed[]): Timed[] =>
        timed.filter(({ smallMs, largeMs }) => largeMs > 2 * smallMs + ALLOWED_MS);
      const slow = slowOf(await timeOperations(small, large, 8));
      // What seems slow is timed again, longer: the server may have been busy with what was filled in.
      const names = new Set(slow.map(({ operation }) => operation));
      assert.deepEqual(slowOf(await timeOperations(small, large, 60, (name) => names.has(name))), []);
    });
  });
}
