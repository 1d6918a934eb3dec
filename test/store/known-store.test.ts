/** A storage that is remembered: what is not at its place any more is not replaced by an empty one. */
import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, openingMayPass, openStorage, StorageError, type StorageOptions } from '../../lib/index';
import { postgresSide, sqliteSide } from '../../lib/store/tools/side';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { dropSchema, newSchema, onServer, postgresUrl } from '../harness/postgres';

/** Opens and closes a storage; returns what it says of itself, and its store's id. */
async function used(options: StorageOptions): Promise<{ id: string; previousPlace?: string; notRemembered?: unknown }> {
  const storage = await openStorage(options);
  const { previousPlace, notRemembered } = storage;
  const id = await storage.store.identity();
  await storage.close();
  return {
    id,
    ...(previousPlace !== undefined && { previousPlace }),
    ...(notRemembered !== undefined && { notRemembered }),
  };
}

/** A refusal that passes by itself, and says how a person ends it. */
async function refused(options: StorageOptions, message: RegExp): Promise<void> {
  const error = await failure(StorageError, openStorage(options));
  assert.match(error.message, message);
  assert.ok(openingMayPass(error));
  assert.ok(error.advice?.includes(`remove the file ${options.knownStoreFile}`), error.advice);
}

const AWAY = /The store that was used before is not there/;
const OTHER = /Another store than the one that was used before is there/;

describe('a known storage', function () {
  this.timeout(30_000);
  let home: string;
  let knownStoreFile: string;

  beforeEach(async () => {
    home = await emptyFolder();
    knownStoreFile = join(home, 'mesh-store.json');
  });

  describe('in SQLite', () => {
    let options: StorageOptions & { knownStoreFile: string };
    beforeEach(() => {
      options = { folder: join(home, 'mesh'), knownStoreFile };
    });

    it('is made at the first start, remembered, and used again', async () => {
      const first = await used(options);
      assert.deepEqual(await used(options), first);
      assert.deepEqual(JSON.parse(await readFile(knownStoreFile, 'utf8')), { place: options.folder, store: first.id });
    });

    it('is refused while its folder is empty or missing, which stays so, and used when it is back', async () => {
      const { id } = await used(options);
      await rename(options.folder, `${options.folder}-away`);
      await refused(options, AWAY);
      assert.deepEqual(await readdir(home), ['mesh-away', 'mesh-store.json']);
      await mkdir(options.folder);
      await refused(options, AWAY);
      assert.deepEqual(await readdir(options.folder), []);
      await rmdir(options.folder);
      await rename(`${options.folder}-away`, options.folder);
      assert.equal((await used(options)).id, id);
    });

    it('is refused while its file is empty', async () => {
      await used(options);
      await rm(options.folder, { recursive: true });
      await mkdir(options.folder);
      await writeFile(join(options.folder, 'mesh.db'), '');
      await refused(options, AWAY);
    });

    it('is not replaced by another store that is found at its place', async () => {
      const { id } = await used(options);
      await rename(options.folder, `${options.folder}-away`);
      // As a Node-RED left it that was started before the volume was there.
      const other = await used({ folder: options.folder });
      await refused(options, OTHER);
      await rm(knownStoreFile);
      assert.equal((await used(options)).id, other.id, 'a person says so');
      assert.notEqual(other.id, id);
    });

    it('gives way to an empty one when its file is removed', async () => {
      const { id } = await used(options);
      await rm(options.folder, { recursive: true });
      await rm(knownStoreFile);
      assert.notEqual((await used(options)).id, id);
    });

    it('may be put elsewhere by the settings, which it says once', async () => {
      const { id } = await used(options);
      const elsewhere = { folder: join(home, 'elsewhere'), knownStoreFile };
      const moved = await used(elsewhere);
      assert.equal(moved.previousPlace, options.folder);
      assert.notEqual(moved.id, id);
      assert.deepEqual(await used(elsewhere), { id: moved.id });
    });

    it('is the same for a copy of the whole folder at another path, with or without the store', async () => {
      const { id } = await used(options);
      const [whole, bare] = [await emptyFolder(), await emptyFolder()];
      await cp(home, whole, { recursive: true });
      await cp(knownStoreFile, join(bare, 'mesh-store.json'));
      const at = (folder: string): StorageOptions => ({
        folder: join(folder, 'mesh'),
        knownStoreFile: join(folder, 'mesh-store.json'),
      });
      assert.equal((await used(at(whole))).id, id);
      assert.notEqual((await used(at(bare))).id, id);
    });

    it('is used all the same when its file cannot be written, and says so', async () => {
      const missing = join(home, 'no such folder', 'mesh-store.json');
      const { notRemembered } = await used({ ...options, knownStoreFile: missing });
      assert.equal((notRemembered as NodeJS.ErrnoException).code, 'ENOENT');
    });

    it('is not guessed from a damaged file', async () => {
      await used(options);
      for (const content of ['', '{}', '{"place":"/x"}', 'no JSON']) {
        await writeFile(knownStoreFile, content);
        const error = await failure(ConfigurationError, openStorage(options));
        assert.ok(error.message.includes(knownStoreFile), error.message);
        assert.ok(!openingMayPass(error));
      }
    });

    it('is not made by a tool that reads from it', async () => {
      const error = await failure(ConfigurationError, sqliteSide(options.folder, { mustExist: true }));
      assert.match(error.message, /There is no store in/);
      assert.deepEqual(await readdir(home), []);
    });
  });

  describe('in PostgreSQL', () => {
    let options: StorageOptions & { knownStoreFile: string; schema: string; url: string };
    beforeEach(async () => {
      const schema = newSchema();
      options = { folder: join(home, 'mesh'), url: await postgresUrl(), schema, knownStoreFile };
      afterThisTest(() => dropSchema(schema));
    });

    it('is refused while the database has no store, which stays so, and used when it is back', async () => {
      const { id } = await used(options);
      await onServer(`ALTER SCHEMA ${options.schema} RENAME TO ${options.schema}_away`);
      afterThisTest(() => dropSchema(`${options.schema}_away`));
      await refused(options, AWAY);
      await refused(options, AWAY);
      await onServer(`ALTER SCHEMA ${options.schema}_away RENAME TO ${options.schema}`);
      assert.equal((await used(options)).id, id);
    });

    it('is not replaced by another store that is found at its place', async () => {
      await used(options);
      await dropSchema(options.schema);
      // As another Node-RED has made it, whose own folder is another one.
      const { knownStoreFile: _file, ...elsewhere } = { ...options, folder: join(home, 'elsewhere') };
      const other = await used(elsewhere);
      await refused(options, OTHER);
      await rm(knownStoreFile);
      assert.equal((await used({ ...elsewhere, knownStoreFile })).id, other.id);
    });

    it('is remembered without user and password, so that these may change', async () => {
      const url = new URL(options.url);
      await used(options);
      const { place } = JSON.parse(await readFile(knownStoreFile, 'utf8')) as { place: string };
      assert.equal(place, `postgresql://${url.host}${url.pathname}, schema ${options.schema}`);
      await dropSchema(options.schema);
      url.password = 'another';
      await refused({ ...options, url: url.href }, AWAY);
    });

    it('may follow SQLite by the settings, and is said to', async () => {
      const folder = join(home, 'sqlite');
      await used({ folder, knownStoreFile });
      assert.equal((await used(options)).previousPlace, folder);
    });

    it('is not made by a tool that reads from it', async () => {
      const reading = (): Promise<unknown> => postgresSide(options.url, options.schema, { mustExist: true });
      for (const _time of [1, 2]) {
        assert.match((await failure(ConfigurationError, reading())).message, /There is no store in database/);
      }
    });
  });
});
