/** A pooler before the database, several hosts in the URL, and a database that is read-only for a while. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { ConfigurationError, StorageError } from '../../../lib/errors';
import { openPostgresStore, type PostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { afterThisTest } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { freePort } from '../../harness/ports';
import { dropSchema, newSchema, postgresUrl, startPostgres } from '../../harness/postgres';
import { transactionPooler } from '../../harness/transaction-pooler';
import { eventually } from '../../harness/until';
import { enqueued, MAILBOX, note, outgoing } from '../contract/support';

async function run(url: string, ...statements: string[]): Promise<string> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    let value = '';
    for (const statement of statements) {
      const [row = {}] = (await client.query<Record<string, string>>(statement)).rows;
      value = Object.values(row)[0] ?? '';
    }
    return value;
  } finally {
    await client.end();
  }
}

/** Makes a server read-only, as the old primary is after a failover, or writable again. */
async function setReadOnly(url: string, isOn: boolean): Promise<void> {
  const wanted = isOn ? 'on' : 'off';
  await run(url, `ALTER SYSTEM SET default_transaction_read_only = ${wanted}`, 'SELECT pg_reload_conf()');
  // The server reads its settings when it gets to it: then it has told its sessions, and new ones have them.
  await eventually('the new setting', async () => (await run(url, 'SHOW default_transaction_read_only')) === wanted);
}

async function opened(url: string, options: { patienceMs?: number } = {}): Promise<PostgresStore> {
  const store = await openPostgresStore({ url, ...options });
  afterThisTest(() => store.close());
  return store;
}

async function server(): Promise<Awaited<ReturnType<typeof startPostgres>>> {
  const started = await startPostgres();
  afterThisTest(() => started.remove());
  return started;
}

describe('a pooler that lends sessions for a transaction', () => {
  it('is refused in words, and no setting is left in its sessions', async () => {
    const schema = newSchema();
    afterThisTest(() => dropSchema(schema));
    const url = await transactionPooler(await postgresUrl());
    const { message, advice = '' } = await failure(ConfigurationError, openPostgresStore({ url, schema }));
    assert.match(message, /pooler/);
    assert.match(advice, /pool_mode = session/);
    // The sessions that the attempt used are the next to be lent.
    for (const name of ['lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout']) {
      assert.equal(await run(url, `SHOW ${name}`), '0', name);
    }
    assert.match(await run(url, 'SHOW search_path'), /public/);
  }).timeout(60_000);
});

describe('several hosts in the URL', () => {
  it('are tried in turn for one that accepts writes: a dead and a read-only one are passed over', async () => {
    const [standby, primary] = [await server(), await server()];
    await setReadOnly(standby.url, true);
    const ports = [await freePort(), new URL(standby.url).port, new URL(primary.url).port];
    const hosts = ports.map((port) => `127.0.0.1:${port}`).join(',');
    const store = await opened(`postgres://mesh@${hosts}/postgres?target_session_attrs=read-write`);
    const id = await enqueued(store);
    assert.equal((await store.getOutgoing(id))?.state, 'queued');
    assert.equal(await run(primary.url, 'SELECT count(*) FROM mesh.outgoing'), '1');
    // And again after the one in use was away.
    await primary.end('SIGKILL');
    await primary.start();
    assert.equal((await store.enqueue(outgoing(), note('queued'))).isNew, true);
  }).timeout(90_000);

  it('must accept writes: a URL that asks for a standby is refused', async () => {
    const url = 'postgres://mesh@one,two/postgres?target_session_attrs=standby';
    assert.match(
      (await failure(ConfigurationError, openPostgresStore({ url }))).message,
      /target_session_attrs=standby/,
    );
  });
});

/** A second is longer than any refusal takes. */
async function assertWaits(operation: Promise<unknown>): Promise<void> {
  const isOver = operation.then(
    () => true,
    () => true,
  );
  assert.equal(await Promise.race([isOver, sleep(1000, false)]), false);
}

describe('a database that is read-only for a while, as after a failover', () => {
  it('is away: operations fail as for a database that cannot be reached, and work resumes by itself', async () => {
    const { url } = await server();
    const store = await opened(url, { patienceMs: 300 });
    const patient = await opened(url, { patienceMs: 30_000 });
    await enqueued(store);
    await setReadOnly(url, true);
    const error = await failure(StorageError, store.enqueue(outgoing(), note('queued')));
    assert.match(error.message, /read-only/);
    assert.doesNotMatch(error.advice ?? '', /Report this/);
    const waiting = patient.enqueue(outgoing(), note('queued'));
    await assertWaits(waiting);
    await setReadOnly(url, false);
    assert.equal((await store.enqueue(outgoing(), note('queued'))).isNew, true);
    assert.equal((await waiting).isNew, true);
    assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 3);
  }).timeout(60_000);
});
