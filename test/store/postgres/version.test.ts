/** Which schemas are taken as a PostgreSQL store: an empty one, and one of this release's version. */
import assert from 'node:assert/strict';
import { Client } from 'pg';
import { ConfigurationError } from '../../../lib/errors';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { SCHEMA } from '../../../lib/store/postgres/schema';
import { SCHEMA_VERSION } from '../../../lib/store/rules/schema-version';
import { afterThisTest } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { dropSchema, newSchema, onServer, postgresUrl } from '../../harness/postgres';
import { enqueued, MAILBOX } from '../contract/support';

async function connected(): Promise<Client> {
  const client = new Client({ connectionString: await postgresUrl() });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function query(sql: string): Promise<unknown[]> {
  const client = await connected();
  const { rows } = await client.query(sql);
  await client.end();
  return rows;
}

/** Everything in a schema: its objects with the transaction that made them, and the rows of its version. */
const contents = (schema: string): Promise<unknown[]> =>
  query(`SELECT relname, relkind, xmin::text, relfilenode FROM pg_class WHERE relnamespace = '${schema}'::regnamespace
    ORDER BY relname`).then(async (objects) => [
    objects,
    await query(`SELECT *, xmin::text FROM "${schema}".schema_version`),
    await query(`SELECT *, xmin::text FROM "${schema}".mailbox`),
  ]);

function schemaOfTest(): string {
  const schema = newSchema();
  afterThisTest(() => dropSchema(schema));
  return schema;
}

async function assertUsable(schema: string): Promise<void> {
  const url = await postgresUrl();
  const store = await openPostgresStore({ url, schema });
  const id = await enqueued(store);
  await store.close();
  const again = await openPostgresStore({ url, schema });
  afterThisTest(() => again.close());
  assert.equal((await again.getOutgoing(id))?.state, 'queued');
}

describe('the version of a PostgreSQL store', function () {
  this.timeout(60_000);

  it('is written once, into an empty schema', async () => {
    const [url, schema] = [await postgresUrl(), schemaOfTest()];
    for (let i = 0; i < 2; i += 1) await (await openPostgresStore({ url, schema })).close();
    assert.deepEqual(await query(`SELECT version FROM "${schema}".schema_version`), [{ version: SCHEMA_VERSION }]);
  });

  for (const version of [1, 2, 3, 4, 5, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, 1000]) {
    it(`${version} is refused, and nothing of the schema changes`, async () => {
      const [url, schema] = [await postgresUrl(), schemaOfTest()];
      // A store of an older release: other columns, and its number.
      await onServer(`CREATE SCHEMA "${schema}"; SET search_path TO "${schema}";
        CREATE TABLE schema_version (version INTEGER PRIMARY KEY, migrated_at TIMESTAMPTZ NOT NULL);
        CREATE TABLE mailbox (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key TEXT NOT NULL UNIQUE);
        INSERT INTO mailbox (key) VALUES ('${MAILBOX}');
        INSERT INTO schema_version SELECT n, now() FROM generate_series(${Math.max(1, version - 3)}, ${version}) AS n`);
      const before = await contents(schema);
      const { message, advice = '' } = await failure(ConfigurationError, openPostgresStore({ url, schema }));
      assert.ok(message.includes(`version ${version}, this release needs version ${SCHEMA_VERSION}`), message);
      assert.match(message, new RegExp(`database \\w+, schema ${schema}`));
      assert.doesNotMatch(`${message} ${advice}`, /postgres:\/\//);
      assert.match(advice, version > SCHEMA_VERSION ? /A newer release/ : /An older release/);
      assert.match(advice, /install that release again.*Name another schema/);
      assert.deepEqual(await contents(schema), before);
    });
  }

  it('is missing in a schema with an empty table of versions: it is refused', async () => {
    const [url, schema] = [await postgresUrl(), schemaOfTest()];
    await onServer(`CREATE SCHEMA "${schema}"; CREATE TABLE "${schema}".schema_version (version INTEGER PRIMARY KEY)`);
    const { message } = await failure(ConfigurationError, openPostgresStore({ url, schema }));
    assert.match(message, /not a store of this program/);
    assert.deepEqual(
      await query(`SELECT 1 FROM pg_tables WHERE schemaname = '${schema}' AND tablename <> 'schema_version'`),
      [],
    );
  });

  it('is written into a schema that an administrator has made', async () => {
    const schema = schemaOfTest();
    await onServer(`CREATE SCHEMA "${schema}"`);
    await assertUsable(schema);
  });
});

describe('a PostgreSQL store whose making was killed', function () {
  this.timeout(60_000);

  it('is not there, and the next start makes it', async () => {
    const schema = schemaOfTest();
    const killed = await connected();
    await killed.query(`BEGIN; CREATE SCHEMA "${schema}"; SET search_path TO "${schema}"; ${SCHEMA}`);
    const { rows } = await killed.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await onServer(`SELECT pg_terminate_backend(${rows[0]?.pid}, 10000)`);
    await killed.end().catch(() => undefined);
    assert.deepEqual(await query(`SELECT 1 FROM pg_namespace WHERE nspname = '${schema}'`), []);
    await assertUsable(schema);
  });
});

describe('several that open a PostgreSQL store at once', function () {
  this.timeout(60_000);

  it('make it once, and all have it', async () => {
    const [url, schema] = [await postgresUrl(), schemaOfTest()];
    const stores = await Promise.all(Array.from({ length: 4 }, () => openPostgresStore({ url, schema })));
    for (const store of stores) afterThisTest(() => store.close());
    const [first] = stores;
    assert.ok(first);
    await enqueued(first);
    for (const store of stores) assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 1);
    assert.deepEqual(await query(`SELECT version FROM "${schema}".schema_version`), [{ version: SCHEMA_VERSION }]);
  });
});
