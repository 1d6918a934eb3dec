import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { openPostgresStore, type PostgresStore } from '../../lib/store/postgres/open-postgres-store';
import { postgresUrl } from '../support/postgres';
import { describeStore } from './contract';

/** Every statement of every test of the contract, with values that it was asked with. */
const asked = new Map<string, unknown[]>();

describeStore('PostgreSQL', async () => {
  const url = await postgresUrl();
  const schema = `test_${randomBytes(8).toString('hex')}`;
  const watch = (sql: string, values: unknown[]): unknown => asked.set(sql, values);
  const open = (): Promise<PostgresStore> => openPostgresStore({ url, schema, watch });
  return {
    store: await open(),
    reopen: open,
    async remove() {
      const client = new Client({ connectionString: url });
      await client.connect();
      await client.query(`SET client_min_messages TO warning; DROP SCHEMA "${schema}" CASCADE`);
      await client.end();
    },
  };
});

describe('the statements', () => {
  it('are remembered', () => assert.ok(asked.size > 0));
});
