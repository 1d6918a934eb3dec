import assert from 'node:assert/strict';
import { openPostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { afterThisTest } from '../harness/cleanup';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';
import { describeStore } from './contract';
import { slowStatements } from './postgres/plans';

/** Every statement of every test of the contract, with parameters that it was run with. */
const statements = new Map<string, unknown[]>();

describeStore('PostgreSQL', async () => {
  const url = await postgresUrl();
  const schema = newSchema();
  const watch = (sql: string, values: unknown[]): unknown => statements.set(sql, values);
  const open = () => openPostgresStore({ url, schema, watch });
  return { store: await open(), reopen: open, remove: () => dropSchema(schema) };
});

describe('query plans of PostgreSQL', () => {
  // Once an hour the names in `payload` that are a day old are read, and only the names. The others have a row or two,
  // or one for each mailbox.
  const small = new Set(['payload', 'store_identity', 'sending']);

  for (const isFilled of [false, true]) {
    const tables = isFilled ? 'with tens of thousands of rows' : 'made on empty tables, where they may stay in use';
    it(`${tables}, read no whole table and no whole index`, async () => {
      assert.ok(statements.size > 50, `${statements.size} statements`);
      const url = await postgresUrl();
      const schema = newSchema();
      afterThisTest(() => dropSchema(schema));
      await (await openPostgresStore({ url, schema })).close();
      const found = await slowStatements(url, schema, statements, isFilled);
      assert.deepEqual(
        found.filter(({ scans }) => scans.some((table) => !small.has(table))),
        [],
      );
    }).timeout(60_000);
  }
});
