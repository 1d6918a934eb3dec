/**
 * A real PostgreSQL for the tests: the one that MESH_TEST_POSTGRES_URL names (a database in which schemas may be made), or
 * one that is started here. Nothing is ever skipped: where none can be had, the tests fail.
 */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { startPostgres, type TestPostgres } from './postgres-server';

export { startPostgres, type TestPostgres };

let shared: Promise<TestPostgres> | undefined;

/** The URL of the server that all tests of a process share; it ends with the process. */
export async function postgresUrl(): Promise<string> {
  const given = process.env['MESH_TEST_POSTGRES_URL'];
  if (given !== undefined && given !== '') return given;
  shared ??= startPostgres();
  return (await shared).url;
}

/** The name of a schema that is not there. */
export function newSchema(): string {
  return `test_${randomBytes(8).toString('hex')}`;
}

/** Removes what a test has stored. */
export async function dropSchema(schema: string): Promise<void> {
  await onServer(`SET client_min_messages TO warning; DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
}

/** Runs SQL as an administrator would. */
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
