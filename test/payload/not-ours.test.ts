/** Storage on folders that are not, or not only, its own: nothing in them is ever deleted. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, openStorage, StorageError, type Storage, type StorageOptions } from '../../lib/index';
import { placePayload } from '../../lib/payload/stored-payload';
import { enqueued, OUT_NAME } from '../store/contract/support';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';

const LARGE = Buffer.alloc(100_000, 'payload');

/** Puts a large payload and its row into the storage. */
async function withPayload(storage: Storage): Promise<void> {
  const placed = await placePayload(LARGE, storage.spool, () => OUT_NAME, false);
  await enqueued(storage.store, { payload: await placed.keep(), size: placed.source.size });
}

async function isThere(storage: Storage): Promise<boolean> {
  const source = await storage.spool.source(OUT_NAME, LARGE.length);
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, LARGE.length)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).equals(LARGE);
}

for (const [kind, timeout] of [
  ['SQLite', 10_000],
  ['PostgreSQL', 60_000],
] as const) {
  describe(`a spool folder of ${kind}`, function () {
    this.timeout(timeout);

    /** Returns options of a new, empty store. */
    async function newStore(): Promise<StorageOptions & { spoolFolder: string }> {
      const [folder, spoolFolder] = [await emptyFolder(), join(await emptyFolder(), 'spool')];
      if (kind === 'SQLite') return { folder, spoolFolder };
      const [url, schema] = [await postgresUrl(), newSchema()];
      afterThisTest(() => dropSchema(schema));
      return { folder, spoolFolder, url, schema };
    }

    it('is refused, and left as it is, when it has other files in it: settings and credentials survive', async () => {
      const store = await newStore();
      const userDir = await emptyFolder();
      const files = ['settings.js', 'flows_cred.json', '019a0000-0000-7000-9000-0000000000aa'];
      for (const name of files) await writeFile(join(userDir, name), name);
      const error = await failure(ConfigurationError, openStorage({ ...store, spoolFolder: userDir }));
      assert.match(error.message, /has files in it and no mark/);
      assert.match(error.advice ?? '', /empty folder/);
      assert.deepEqual((await readdir(userDir)).sort(), files.toSorted());
    });

    it('is refused to a second store, and the first one keeps its payloads', async () => {
      const [one, two] = [await newStore(), await newStore()];
      const first = await openStorage(one);
      await withPayload(first);
      await first.close();
      const error = await failure(ConfigurationError, openStorage({ ...two, spoolFolder: one.spoolFolder }));
      assert.match(error.message, /belongs to another store/);
      const again = await openStorage(one);
      assert.ok(await isThere(again));
      await again.close();
    });

    it('may be a new volume, with what the system has put there', async () => {
      const store = await newStore();
      await mkdir(join(store.spoolFolder, 'lost+found'), { recursive: true });
      const storage = await openStorage(store);
      await withPayload(storage);
      await storage.close();
      const again = await openStorage(store);
      assert.ok(await isThere(again));
      await again.close();
    });

    it('that is empty although the store has payloads is not taken into use: its volume may not be mounted', async () => {
      const store = await newStore();
      const storage = await openStorage(store);
      await withPayload(storage);
      await storage.close();
      const volume = `${store.spoolFolder}-unmounted`;
      await rename(store.spoolFolder, volume);
      const error = await failure(StorageError, openStorage(store));
      assert.match(error.advice ?? '', /is mounted/);
      assert.deepEqual(await readdir(store.spoolFolder), []);
      await rm(store.spoolFolder, { recursive: true });
      await rename(volume, store.spoolFolder);
      const again = await openStorage(store);
      assert.ok(await isThere(again));
      await again.close();
    });

    it('whose mark is lost is refused, and is used again with the mark that the advice names', async () => {
      const store = await newStore();
      const storage = await openStorage(store);
      await withPayload(storage);
      await storage.close();
      const mark = join(store.spoolFolder, 'mesh-spool.json');
      await rm(mark);
      const { advice = '' } = await failure(ConfigurationError, openStorage(store));
      const [line = ''] = /\{"store":"[^"]*"\}/.exec(advice) ?? [];
      await writeFile(mark, line);
      const again = await openStorage(store);
      assert.ok(await isThere(again));
      await again.close();
    });

    it('whose mark is damaged is refused', async () => {
      const store = await newStore();
      await (await openStorage(store)).close();
      await writeFile(join(store.spoolFolder, 'mesh-spool.json'), '{"sto');
      assert.match((await failure(ConfigurationError, openStorage(store))).message, /mark .* damaged/);
    });
  });
}

describe('a store that was replaced by an empty one', () => {
  it('does not delete the payloads of the one before: it is refused until mesh.db is back', async () => {
    const folder = await emptyFolder();
    const storage = await openStorage({ folder });
    await withPayload(storage);
    await storage.close();
    await mkdir(join(folder, 'away'));
    for (const name of await readdir(folder)) {
      if (name.startsWith('mesh.db')) await rename(join(folder, name), join(folder, 'away', name));
    }
    const error = await failure(ConfigurationError, openStorage({ folder }));
    assert.match(error.advice ?? '', /put the old mesh\.db back/);
    for (const name of await readdir(join(folder, 'away'))) {
      await rename(join(folder, 'away', name), join(folder, name));
    }
    const again = await openStorage({ folder });
    assert.ok(await isThere(again));
    await again.close();
  });
});

describe('an orphan that a kill has left', () => {
  it('is moved into quarantine at the next start, byte for byte', async () => {
    const folder = await emptyFolder();
    await (await openStorage({ folder })).close();
    const path = join(folder, 'spool', OUT_NAME);
    await writeFile(path, LARGE);
    await (await openStorage({ folder })).close();
    const found = await readdir(join(folder, 'spool'), { recursive: true });
    const moved = found.find((name) => name.endsWith(OUT_NAME)) ?? '';
    assert.match(moved, /^quarantine./);
    assert.ok((await readFile(join(folder, 'spool', moved))).equals(LARGE));
  });
});
