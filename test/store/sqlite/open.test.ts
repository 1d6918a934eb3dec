import '../../../lib/store/sqlite/quiet';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ConfigurationError, StorageError } from '../../../lib/errors';
import { openDatabase } from '../../../lib/store/sqlite/database';
import { openSqliteStore, type SqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { LOAD_TYPESCRIPT } from '../../harness/typescript';
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

  it('is refused to a second opener in the same process, and the first goes on', async () => {
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
    const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, script, folder, 'x'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.stdout.resume();
    await failure(ConfigurationError, openSqliteStore({ folder }));
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await opened(folder);
  });

  it('is possible at once after a close, and at the same time in another folder', async () => {
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
    const child = spawn(process.execPath, [...LOAD_TYPESCRIPT, script]);
    let [out, err] = ['', ''];
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (err += piece.toString()));
    await once(child, 'close');
    assert.deepEqual([out, err], ['counted\n', '']);
  });

  it('names the fault of a folder that is a file, and of a file that is no database', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file'), '');
    const error = await failure(ConfigurationError, openSqliteStore({ folder: join(folder, 'file') }));
    assert.match(error.message, /cannot be used.*EEXIST|ENOTDIR/);
    await writeFile(join(folder, 'mesh.db'), 'no database, but long enough to be taken for one: '.repeat(20));
    assert.match((await failure(StorageError, openSqliteStore({ folder }))).message, /damaged/);
  });

  it('reports a damaged row when it is read, and serves the others', async () => {
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
  it('commits to the disk itself, belongs to one process, and overwrites deleted data', async () => {
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
