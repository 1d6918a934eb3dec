import '../../../lib/store/sqlite/quiet';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigurationError, StorageError } from '../../../lib/errors';
import { openDatabase } from '../../../lib/store/sqlite/database';
import { migrate, MIGRATIONS, versionOf } from '../../../lib/store/sqlite/migrations';
import { openSqliteStore, type SqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure, thrown } from '../../harness/failure';
import { enqueued, MAILBOX } from '../contract/support';

async function opened(folder: string): Promise<SqliteStore> {
  const store = await openSqliteStore({ folder });
  afterThisTest(() => store.close());
  return store;
}

describe('opening a SQLite store', () => {
  it('makes the folder and the files for their owner only', async () => {
    const folder = join(await emptyFolder(), 'a', 'b');
    await enqueued(await opened(folder));
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    for (const name of await readdir(folder)) {
      assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
    }
  });

  it('is refused to a second one in the same process, which leaves the first be', async () => {
    const folder = await emptyFolder();
    const first = await opened(folder);
    const error = await failure(ConfigurationError, openSqliteStore({ folder }));
    assert.match(error.message, /Another Node-RED uses the store/);
    assert.ok(error.message.includes(folder));
    assert.match(error.advice ?? '', /Stop the other Node-RED/);
    await enqueued(first);
    await failure(ConfigurationError, openSqliteStore({ folder }));
  });

  it('is refused to a second process, until the first is dead', async () => {
    const folder = await emptyFolder();
    const script = join(__dirname, 'enqueue-until-killed.ts');
    const child = spawn(
      process.execPath,
      ['--require', createRequire(__filename).resolve('tsx/cjs'), script, folder, 'x'],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    child.stdout.resume();
    await failure(ConfigurationError, openSqliteStore({ folder }));
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await opened(folder);
  });

  it('is possible at once after a close, and of other folders beside it', async () => {
    const folder = await emptyFolder();
    for (let i = 0; i < 5; i += 1) {
      const store = await openSqliteStore({ folder });
      await enqueued(store);
      await store.close();
    }
    const [one, other] = [await opened(folder), await opened(await emptyFolder())];
    assert.equal((await one.countOutgoing(MAILBOX)).messages.queued, 5);
    assert.equal((await other.countOutgoing(MAILBOX)).messages.queued, 0);
  });

  it('prints no warning, and does not keep a program alive', async () => {
    const folder = await emptyFolder();
    const script = join(folder, 'open.cts');
    const library = join(__dirname, '../../../lib/store/sqlite/open-sqlite-store');
    await writeFile(
      script,
      `require(${JSON.stringify(library)}).openSqliteStore({ folder: ${JSON.stringify(folder)} })
        .then((store) => store.countOutgoing('x')).then(() => console.log('counted'));`,
    );
    const child = spawn(process.execPath, ['--require', createRequire(__filename).resolve('tsx/cjs'), script]);
    let [out, err] = ['', ''];
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    await once(child, 'close');
    assert.deepEqual([out, err], ['counted\n', '']);
  });

  it('says what is wrong with a folder that is a file, and with a file that is no database', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file'), '');
    const error = await failure(ConfigurationError, openSqliteStore({ folder: join(folder, 'file') }));
    assert.match(error.message, /cannot be used.*EEXIST|ENOTDIR/);
    await writeFile(join(folder, 'mesh.db'), 'no database, but long enough to be taken for one: '.repeat(20));
    assert.match((await failure(StorageError, openSqliteStore({ folder }))).message, /damaged/);
  });

  it('tells of a damaged row when it is read, and serves the others', async () => {
    const folder = await emptyFolder();
    const store = await opened(folder);
    const [damaged, whole] = [await enqueued(store), await enqueued(store)];
    await store.close();
    const database = new DatabaseSync(join(folder, 'mesh.db'));
    database.prepare(`UPDATE outgoing SET envelope = '{"secret' WHERE id = ?`).run(damaged);
    database.close();
    const again = await opened(folder);
    const error = await failure(StorageError, again.getOutgoing(damaged));
    assert.match(error.message, /damaged: a row of outgoing cannot be read \(envelope\)/);
    assert.doesNotMatch(JSON.stringify(error), /secret/);
    assert.equal((await again.getOutgoing(whole))?.id, whole);
  });
});

describe('the SQLite database', () => {
  it('commits to the disk itself, is this process’s alone, and overwrites what it deletes', async () => {
    const database = openDatabase(await emptyFolder());
    afterThisTest(() => database.close());
    const setting = (name: string): unknown => Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    assert.equal(setting('journal_mode'), 'wal');
    assert.equal(setting('synchronous'), 2);
    assert.equal(setting('locking_mode'), 'exclusive');
    assert.equal(setting('foreign_keys'), 1);
    assert.equal(setting('secure_delete'), 1);
    assert.equal(setting('auto_vacuum'), 2);
  });
});

describe('migrations of SQLite', () => {
  const newer = [...MIGRATIONS, 'ALTER TABLE outgoing ADD COLUMN extra TEXT; CREATE INDEX x ON outgoing (extra)'];

  it('bring an empty database to the newest version, once', () => {
    const database = new DatabaseSync(':memory:');
    assert.equal(versionOf(database), 0);
    migrate(database);
    migrate(database);
    assert.equal(versionOf(database), MIGRATIONS.length);
  });

  it('bring a version-1 file with messages to the newest version', async () => {
    const folder = await emptyFolder();
    const database = new DatabaseSync(join(folder, 'mesh.db'));
    database.exec(await readFile(join(__dirname, 'version-1.sql'), 'utf8'));
    assert.equal(versionOf(database), 1);
    database.close();
    const store = await opened(folder);
    const rows = await store.listOutgoing({}, { limit: 9 });
    assert.deepEqual(
      rows.map(({ state }) => state),
      ['queued', 'accepted'],
    );
    const first = await store.getOutgoing(rows[0]?.id ?? '');
    assert.deepEqual(first?.payload, { kind: 'inline', bytes: new Uint8Array(Buffer.from('hello')) });
    assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 1);
    assert.equal((await store.history(MAILBOX, 'M1')).length, 2);
    assert.equal((await store.listIncoming(MAILBOX, ['acknowledged'], { limit: 9 })).length, 1);
  });

  it('add to a version-1 database what later ones bring, and keep its rows', async () => {
    const database = new DatabaseSync(':memory:');
    database.exec(await readFile(join(__dirname, 'version-1.sql'), 'utf8'));
    migrate(database, [MIGRATIONS[0] ?? '', ...newer.slice(-1)]);
    assert.equal(versionOf(database), 2);
    assert.equal(database.prepare('SELECT count(extra IS NULL) AS n FROM outgoing').get()?.['n'], 2);
  });

  it('that fail leave the version before them', () => {
    const database = new DatabaseSync(':memory:');
    assert.throws(() => migrate(database, [...newer, 'CREATE TABLE half (a); SELECT no_such_function()']));
    assert.equal(versionOf(database), newer.length);
    assert.equal(database.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'half'`).get(), undefined);
  });

  it('refuse a database that a newer release has written, and change nothing of it', async () => {
    const folder = await emptyFolder();
    await mkdir(folder, { recursive: true });
    const database = new DatabaseSync(join(folder, 'mesh.db'));
    migrate(database, newer);
    assert.match(thrown(ConfigurationError, () => migrate(database)).message, /version/);
    database.close();
    const error = await failure(ConfigurationError, openSqliteStore({ folder }));
    assert.match(error.message, new RegExp(`version ${newer.length}, .* up to ${MIGRATIONS.length}`));
    assert.match(error.advice ?? '', /newer release/);
    const again = new DatabaseSync(join(folder, 'mesh.db'));
    assert.equal(versionOf(again), newer.length);
    again.close();
  });
});
