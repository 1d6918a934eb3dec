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
  // Hundreds or thousands of rows by their keys: reading all of 40,000 is as cheap.
  const batch = /IN \(\s*SELECT (seq|line)|message_id = ANY/;

  // Once an hour every name in `payload` is read, and only the names. The others have a row or two, or one for each
  // mailbox.
  const small = new Set(['payload', 'store_identity', 'spool_folder', 'sending']);

  const slow = async (seqScans: 'on' | 'off'): Promise<string[]> => {
    assert.ok(statements.size > 50, `${statements.size} statements`);
    const url = await postgresUrl();
    const schema = newSchema();
    afterThisTest(() => dropSchema(schema));
    await (await openPostgresStore({ url, schema })).close();
    const found = await slowStatements(url, schema, statements, seqScans);
    return found.filter(({ scans }) => scans.some((table) => !small.has(table))).map(({ sql }) => sql);
  };

  it('have an index for every statement that the contract uses', async () =>
    assert.deepEqual(await slow('off'), [])).timeout(60_000);

  it('scan no table of 40,000 rows, except for a batch of them', async () =>
    assert.deepEqual(
      (await slow('on')).filter((sql) => !batch.test(sql)),
      [],
    )).timeout(60_000);
});
