/** Copying a SQLite store and its spool to PostgreSQL and back. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ConfigurationError, StorageError } from '../../../lib/errors';
import { openStorage } from '../../../lib/index';
import { writeMark } from '../../../lib/payload/spool-mark';
import { copyStore } from '../../../lib/store/tools/copy-store';
import { postgresSide, type Side, sqliteSide } from '../../../lib/store/tools/side';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import type { Store } from '../../../lib/store/store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { enqueued, IN_NAME, inState, MAILBOX, OTHER, OUT_NAME, received, T } from '../contract/support';

interface Places {
  folder: string;
  spool: string;
  shared: string;
  url: string;
  schema: string;
}

/** Makes a SQLite store with a bit of everything, and closes it. */
async function filled(): Promise<Places & { ids: string[] }> {
  const [folder, shared, url, schema] = [await emptyFolder(), await emptyFolder(), await postgresUrl(), newSchema()];
  afterThisTest(() => dropSchema(schema));
  const spool = join(folder, 'spool');
  await mkdir(spool);
  const store = await openSqliteStore({ folder });
  const ids = [
    await enqueued(store, { onceKey: 'zero \0 and \u001a', strictOrder: true }),
    await enqueued(store, { strictOrder: true }),
    await inState(store, 'accepted', { messageId: 'M1', nextTrackAt: T }, { mailbox: OTHER }),
    await enqueued(store, { payload: { kind: 'spool', name: OUT_NAME } }),
  ];
  for (let index = 0; index < 600; index += 1) ids.push(await enqueued(store));
  await received(store, 'delivered', { leaseUntil: T + 1 });
  await received(store, 'acknowledged', {}, { payload: { kind: 'spool', name: IN_NAME } });
  await store.close();
  for (const name of [OUT_NAME, IN_NAME]) await writeFile(join(spool, name), `payload of ${name}`);
  return { folder, spool, shared, url, schema, ids };
}

/** Marks the spool of the SQLite store as its own, as its opening does. */
async function writeMarkOf({ folder, spool }: Places): Promise<void> {
  const side = await sqliteSide(folder);
  await writeMark(spool, side.identity);
  await side.close();
}

const everything = async (store: Store, ids: readonly string[]): Promise<unknown> => ({
  messages: await Promise.all(ids.map((id) => store.getOutgoing(id))),
  counts: [await store.countOutgoing(MAILBOX), await store.countOutgoing(OTHER)],
  next: await store.nextToSend(MAILBOX, T + 1, 1000),
  incoming: await store.listIncoming(MAILBOX, ['spooled', 'acknowledged', 'delivered'], { limit: 10 }),
  ledger: await store.ledger(MAILBOX, { from: 0, to: T + 1000 }, { limit: 2000 }),
});

async function withSides(
  { folder, url, schema }: Places,
  use: (sides: { sqlite: Side; postgres: Side }) => Promise<void>,
): Promise<void> {
  const sqlite = await sqliteSide(folder);
  let postgres: Side | undefined;
  try {
    postgres = await postgresSide(url, schema);
    await use({ sqlite, postgres });
  } finally {
    await sqlite.close();
    await postgres?.close();
  }
}

const toPostgres = (places: Places, wrap: (side: Side) => Side = (side) => side): Promise<void> =>
  withSides(places, ({ sqlite, postgres }) =>
    copyStore({
      from: sqlite,
      to: wrap(postgres),
      fromSpool: places.spool,
      toSpool: places.shared,
      report: () => undefined,
    }),
  );

describe('a store that is copied', () => {
  it('is the same in PostgreSQL and, copied back, in SQLite; the original is no longer used', async () => {
    const places = await filled();
    const before = await openSqliteStore({ folder: places.folder });
    const all = await everything(before, places.ids);
    await before.close();
    await toPostgres(places);
    const shared = await openPostgresStore({ url: places.url, schema: places.schema });
    assert.deepEqual(await everything(shared, places.ids), all);
    await enqueued(shared);
    await shared.close();
    assert.equal(await readFile(join(places.shared, IN_NAME), 'utf8'), `payload of ${IN_NAME}`);
    const refused = await failure(ConfigurationError, openSqliteStore({ folder: places.folder }));
    assert.match(refused.message, /copied to another one/);

    const back = { ...places, folder: await emptyFolder() };
    await withSides(back, ({ sqlite, postgres }) =>
      copyStore({
        from: postgres,
        to: sqlite,
        fromSpool: places.shared,
        toSpool: join(back.folder, 'spool'),
        report: () => undefined,
      }),
    );
    const again = await openSqliteStore({ folder: back.folder });
    afterThisTest(() => again.close());
    assert.equal((await again.countOutgoing(MAILBOX)).messages.queued, 604);
    await enqueued(again);
    await failure(ConfigurationError, openPostgresStore({ url: places.url, schema: places.schema }));
  }).timeout(60_000);

  it('has its large payloads in the database if so configured, and copies them back', async () => {
    const places = await filled();
    const large = Buffer.alloc(3_000_000, 'large');
    await writeFile(join(places.spool, OUT_NAME), large);
    const inDatabase = { report: () => undefined, toSpool: undefined, fromSpool: places.spool };
    await withSides(places, async ({ sqlite, postgres }) => {
      // An earlier run was killed in the middle of it.
      await postgres.slices?.write(OUT_NAME, Readable.from([large.subarray(0, 1_500_000)]));
      await copyStore({ from: sqlite, to: postgres, ...inDatabase });
    });
    const back = { ...places, folder: await emptyFolder() };
    const spool = join(back.folder, 'spool');
    await withSides(back, async ({ sqlite, postgres }) => {
      await copyStore({ from: postgres, to: sqlite, ...inDatabase, fromSpool: undefined, toSpool: spool });
    });
    assert.ok((await readFile(join(spool, OUT_NAME))).equals(large));
    assert.equal(await readFile(join(spool, IN_NAME), 'utf8'), `payload of ${IN_NAME}`);
    assert.deepEqual((await readdir(spool)).sort(), [IN_NAME, 'mesh-spool.json', OUT_NAME]);
  }).timeout(60_000);

  it('goes on where it was interrupted, and cannot be opened meanwhile', async () => {
    const places = await filled();
    let pages = 0;
    const breaking = (side: Side): Side => ({
      ...side,
      insert: async (table, rows) => {
        if (++pages > 2) throw new Error('interrupted');
        await side.insert(table, rows);
      },
    });
    await assert.rejects(toPostgres(places, breaking), /interrupted/);
    const half = await failure(ConfigurationError, openPostgresStore({ url: places.url, schema: places.schema }));
    assert.match(half.message, /not complete yet/);
    let inserted = 0;
    await toPostgres(places, (side) => ({
      ...side,
      insert: async (table, rows) => {
        if (table === 'outgoing') inserted += rows.length;
        await side.insert(table, rows);
      },
    }));
    assert.ok(inserted > 0 && inserted < 604, `${inserted} rows again`);
    const store = await openPostgresStore({ url: places.url, schema: places.schema });
    afterThisTest(() => store.close());
    assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 603);
  }).timeout(60_000);

  it('is reported as different when the copy differs from the original', async () => {
    const places = await filled();
    const garble = (side: Side): Side => ({
      ...side,
      insert: (table, rows) =>
        side.insert(
          table,
          rows.map((row) => (table === 'incoming' ? { ...row, size: 6 } : row)),
        ),
    });
    assert.match(
      (await failure(StorageError, toPostgres(places, garble))).message,
      /incoming differs between the stores/,
    );
    // The original is unchanged.
    await (await openSqliteStore({ folder: places.folder })).close();
    const lost = await filled();
    await rm(join(lost.spool, IN_NAME));
    await failure(StorageError, toPostgres(lost));
  }).timeout(60_000);

  it('is refused when a spool folder belongs to a third store, or has other files in it', async () => {
    const places = await filled();
    const third = await emptyFolder();
    await (await openStorage({ folder: await emptyFolder(), spoolFolder: third })).close();
    const foreign = await failure(ConfigurationError, toPostgres({ ...places, shared: third }));
    assert.match(foreign.message, /belongs to another store/);
    assert.match((await failure(ConfigurationError, toPostgres({ ...places, spool: third }))).message, /another store/);
    await writeFile(join(places.shared, 'settings.js'), 'x');
    assert.match((await failure(ConfigurationError, toPostgres(places))).message, /has files in it/);
    assert.deepEqual(await readdir(places.shared), ['settings.js']);
  }).timeout(60_000);

  it('may use the folder of the original, which is the copy’s from then on', async () => {
    const places = await filled();
    await writeMarkOf(places);
    const original = await openSqliteStore({ folder: places.folder });
    const key = await original.spoolKey();
    await original.close();
    await toPostgres({ ...places, shared: places.spool });
    const { url, schema, spool: spoolFolder } = places;
    const storage = await openStorage({ folder: await emptyFolder(), url, schema, spoolFolder });
    const folders = await storage.store.spoolFolders();
    const withPayloads = folders.filter(({ hasPayloads }) => hasPayloads).map(({ path }) => path);
    assert.deepEqual(withPayloads, [spoolFolder]);
    assert.equal(await storage.store.spoolKey(), key, 'its files are still found by their names');
    await storage.close();
  }).timeout(60_000);

  it('is refused while an instance uses either store, and when the target is not empty', async () => {
    const places = await filled();
    const live = await openSqliteStore({ folder: places.folder });
    await failure(ConfigurationError, toPostgres(places));
    await live.close();
    const shared = await openPostgresStore({ url: places.url, schema: places.schema });
    await enqueued(shared);
    assert.match((await failure(ConfigurationError, toPostgres(places))).message, /uses the store/);
    await shared.close();
    assert.match((await failure(ConfigurationError, toPostgres(places))).message, /not empty/);
  }).timeout(60_000);
});
