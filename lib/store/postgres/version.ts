/** The version of the schema in a database: looked at before anything is written, and made if the schema is empty. */
import type { Client } from 'pg';
import { randomUUID } from '../../random';
import { requireStoreBeforeMaking, type RequiredStore } from '../rules/known-store';
import { newSpoolKey } from '../rules/spool-key';
import { requireVersion, SCHEMA_VERSION } from '../rules/schema-version';
import { lockClass } from './locks';
import { SCHEMA } from './schema';

const EMPTY_PLACE =
  'Name another schema, or drop this one (and remove mesh-store.json in the Node-RED user folder) if its messages are of ' +
  'no more use';

/**
 * Makes the schema if it is not there, in one transaction together with its number: a kill in between leaves nothing.
 * Several instances may start at once: one makes it, the others wait. The lock that they wait for is held until the
 * connection ends.
 * @returns the numbers in `schema_version`
 * @throws ConfigurationError when the store has another version or is marked; the errors of a store that must be there
 *   and is not. Nothing was changed then
 */
export async function makeSchema(
  client: Client,
  schema: string,
  options: RequiredStore & { withMark?: boolean } = {},
): Promise<number[]> {
  await client.query('SET lock_timeout TO 0; SET statement_timeout TO 0');
  await client.query('SELECT pg_advisory_lock($1, 0)', [lockClass(schema)]);
  const numbers = await versionNumbers(client, schema);
  const place = await placeOf(client, schema);
  if (numbers) {
    requireVersion(numbers, place, { emptyPlace: EMPTY_PLACE, ...options });
    return numbers;
  }
  requireStoreBeforeMaking(place, options);
  const exists = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  // A user that may not create schemas is given one by an administrator.
  const createSchema = exists.rowCount === 0 ? `CREATE SCHEMA "${schema}";` : '';
  await client.query(
    `BEGIN; ${createSchema} ${SCHEMA};
      INSERT INTO schema_version VALUES (${SCHEMA_VERSION}, now());
      INSERT INTO store_identity (id, generation, spool_key)
        VALUES ('${randomUUID()}', '${randomUUID()}', '${newSpoolKey()}');
      COMMIT`,
  );
  return [SCHEMA_VERSION];
}

/** Returns the place of a store as a person finds it. */
export async function placeOf(client: Client, schema: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
  return `database ${rows[0]?.name}, schema ${schema}`;
}

/** Undefined if the schema has no table `schema_version`. */
async function versionNumbers(client: Client, schema: string): Promise<number[] | undefined> {
  const table = await client.query('SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2', [
    schema,
    'schema_version',
  ]);
  if (table.rowCount === 0) return undefined;
  const { rows } = await client.query<{ version: number }>(`SELECT version FROM "${schema}".schema_version`);
  return rows.map(({ version }) => version);
}
