/** Which files are taken as a SQLite store: an empty one, and one of this release's version. */
import '../../../lib/store/sqlite/quiet';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigurationError } from '../../../lib/errors';
import { SCHEMA_VERSION } from '../../../lib/store/rules/schema-version';
import { openSqliteStore, type SqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { SCHEMA } from '../../../lib/store/sqlite/schema';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { enqueued, MAILBOX } from '../contract/support';

async function opened(folder: string): Promise<SqliteStore> {
  const store = await openSqliteStore({ folder });
  afterThisTest(() => store.close());
  return store;
}

/** Runs SQL on the file as another program would, with the pragmas of the store. */
function onFile(folder: string, sql: string): void {
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  database.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; ${sql}`);
  database.close();
}

/** Runs SQL on the file in a process that is then killed, so that its -wal stays. */
function killedOnFile(folder: string, sql: string): void {
  const script = `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(${JSON.stringify(join(folder, 'mesh.db'))});
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL');
    database.exec(${JSON.stringify(sql)});
    process.kill(process.pid, 'SIGKILL');`;
  const { signal } = spawnSync(process.execPath, ['--no-warnings', '--eval', script]);
  assert.equal(signal, 'SIGKILL');
}

/** Every file of the folder, byte for byte, with its mode. */
async function everyFile(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of (await readdir(folder)).sort()) {
    const path = join(folder, name);
    files[name] = `${(await stat(path)).mode.toString(8)} ${(await readFile(path)).toString('base64')}`;
  }
  return files;
}

/** A store of an older release, with messages, and with any number. */
async function storeOfVersion(version: number, folder: string): Promise<void> {
  onFile(folder, await readFile(join(__dirname, 'version-1.sql'), 'utf8'));
  onFile(folder, `UPDATE schema_version SET version = ${version}`);
  await chmod(join(folder, 'mesh.db'), 0o644);
}

async function refused(folder: string): Promise<ConfigurationError> {
  return failure(ConfigurationError, openSqliteStore({ folder }));
}

/** The store is whole: it takes a message, and has it after a restart. */
async function assertUsable(folder: string): Promise<void> {
  const store = await openSqliteStore({ folder });
  const id = await enqueued(store);
  await store.close();
  const again = await opened(folder);
  assert.equal((await again.getOutgoing(id))?.state, 'queued');
}

describe('the version of a SQLite store', () => {
  it('of a store that is there is read without a change: opened and closed, no byte of it is another', async () => {
    const folder = await emptyFolder();
    const store = await openSqliteStore({ folder });
    await enqueued(store);
    await store.close();
    const before = await everyFile(folder);
    await (await openSqliteStore({ folder })).close();
    assert.deepEqual(await everyFile(folder), before);
  });

  it('is written once, into an empty file', async () => {
    const folder = await emptyFolder();
    for (let i = 0; i < 2; i += 1) await (await openSqliteStore({ folder })).close();
    const database = new DatabaseSync(join(folder, 'mesh.db'), { readOnly: true });
    const rows = database.prepare('SELECT version FROM schema_version').all();
    database.close();
    assert.deepEqual(
      rows.map(({ version }) => version),
      [SCHEMA_VERSION],
    );
  });

  for (const version of [1, 2, 3, 4, 5, 6, 7, SCHEMA_VERSION - 1, SCHEMA_VERSION + 1, 1000]) {
    it(`${version} is refused, and not a byte of the folder changes`, async () => {
      const folder = await emptyFolder();
      await storeOfVersion(version, folder);
      const before = await everyFile(folder);
      assert.deepEqual(Object.keys(before), ['mesh.db']);
      const { message, advice = '' } = await refused(folder);
      assert.ok(message.includes(`version ${version}, this release needs version ${SCHEMA_VERSION}`), message);
      assert.ok(message.includes(join(folder, 'mesh.db')), message);
      assert.match(advice, version > SCHEMA_VERSION ? /A newer release/ : /An older release/);
      assert.match(advice, /install that release again.*Move mesh\.db away/);
      assert.deepEqual(await everyFile(folder), before);
    });
  }

  it('is refused with the -wal of a killed process beside it, and neither changes', async () => {
    const folder = await emptyFolder();
    await storeOfVersion(7, folder);
    killedOnFile(folder, `UPDATE outgoing SET workflow_id = 'LAST'`);
    const before = await everyFile(folder);
    assert.deepEqual(Object.keys(before), ['mesh.db', 'mesh.db-wal']);
    assert.match((await refused(folder)).message, /version 7/);
    assert.deepEqual(await everyFile(folder), before);
  });

  it('is refused when it is in the -wal alone, and no message is lost', async () => {
    const folder = await emptyFolder();
    killedOnFile(folder, await readFile(join(__dirname, 'version-1.sql'), 'utf8'));
    assert.match((await refused(folder)).message, /version 1,/);
    const database = new DatabaseSync(join(folder, 'mesh.db'), { readOnly: true });
    const count = database.prepare('SELECT count(*) AS n FROM outgoing').get()?.['n'];
    database.close();
    assert.equal(count, 2);
  });

  for (const [what, sql] of [
    ['another program’s database', 'CREATE TABLE patients (name TEXT)'],
    ['a store without a version', 'CREATE TABLE schema_version (version INTEGER PRIMARY KEY, migrated_at INTEGER)'],
  ] as const) {
    it(`of ${what} is missing: it is refused, and not a byte changes`, async () => {
      const folder = await emptyFolder();
      onFile(folder, sql);
      const before = await everyFile(folder);
      const { message, advice = '' } = await refused(folder);
      assert.match(message, /not a store of this program/);
      assert.ok(message.includes(join(folder, 'mesh.db')), message);
      assert.match(advice, /Move mesh\.db away/);
      assert.deepEqual(await everyFile(folder), before);
    });
  }
});

describe('a SQLite store whose making was killed', () => {
  for (const [moment, make] of [
    ['after the file was made', async (folder: string) => writeFile(join(folder, 'mesh.db'), '')],
    ['before the schema', async (folder: string) => killedOnFile(folder, 'SELECT 1')],
    ['in the middle of the schema', async (folder: string) => killedOnFile(folder, `BEGIN IMMEDIATE; ${SCHEMA}`)],
    [
      'after the commit, before a checkpoint',
      async (folder: string) =>
        killedOnFile(
          folder,
          `BEGIN IMMEDIATE; ${SCHEMA}; INSERT INTO schema_version VALUES (${SCHEMA_VERSION}, 1); COMMIT`,
        ),
    ],
  ] as const) {
    it(`${moment} is whole after the next start`, async () => {
      const folder = await emptyFolder();
      await make(folder);
      await assertUsable(folder);
    });
  }
});

describe('several that open an empty folder at once', () => {
  it('make one store, which one of them has', async () => {
    const folder = await emptyFolder();
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => openSqliteStore({ folder })));
    const stores = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
    assert.equal(stores.length, 1);
    for (const error of errors) assert.match(error.message, /Another Node-RED uses the store/);
    const [store] = stores;
    assert.ok(store);
    await enqueued(store);
    assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 1);
    await store.close();
    await assertUsable(folder);
  });
});
