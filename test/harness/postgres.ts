/**
 * A real PostgreSQL for the tests: the database that MESH_TEST_POSTGRES_URL names, in which schemas may be created, or
 * a server started here. No test is skipped: without a server they fail.
 */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { startPostgres, type TestPostgres } from './postgres-server';

export { startPostgres };

let shared: Promise<TestPostgres> | undefined;

/**
 * Returns the URL of the server that all tests of a process share. A server started here is removed after the last
 * test.
 */
export async function postgresUrl(): Promise<string> {
  const configured = process.env['MESH_TEST_POSTGRES_URL'];
  if (configured !== undefined && configured !== '') return configured;
  shared ??= startPostgres();
  return (await shared).url;
}

/** Returns the name of a schema that does not exist. */
export function newSchema(): string {
  return `test_${randomBytes(8).toString('hex')}`;
}

/** Drops a test's schema. */
export async function dropSchema(schema: string): Promise<void> {
  await onServer(`SET client_min_messages TO warning; DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
}

/** Runs SQL on the shared server, past the store. */
export async function onServer(sql: string): Promise<void> {
  const client = new Client({ connectionString: await postgresUrl() });
  await client.connect();
  await client.query(sql);
  await client.end();
}

after(async function removeServer() {
  this.timeout(30_000);
  await (await shared)?.remove();
});
