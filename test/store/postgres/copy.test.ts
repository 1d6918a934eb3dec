/** A SQLite store and its spool, brought to PostgreSQL and back. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ConfigurationError, StorageError } from '../../../lib/errors';
import { copyStore } from '../../../lib/store/tools/copy-store';
import { postgresSide, type Side, sqliteSide } from '../../../lib/store/tools/side';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { openSqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import type { Store } from '../../../lib/store/store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { failure } from '../../harness/failure';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { enqueued, inState, MAILBOX, OTHER, received, T } from '../contract/support';

interface Places {
  folder: string;
  spool: string;
  shared: string;
  url: string;
  schema: string;
}

/** A SQLite store with a bit of everything, closed. */
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
    await enqueued(store, { payload: { kind: 'spool', name: 'out-1' } }),
  ];
  for (let index = 0; index < 600; index += 1) ids.push(await enqueued(store));
  await received(store, 'delivered', { leaseUntil: T + 1 });
  await received(store, 'acknowledged', {}, { payload: { kind: 'spool', name: 'in-1' } });
  await store.close();
  for (const name of ['out-1', 'in-1']) await writeFile(join(spool, name), `payload of ${name}`);
  return { folder, spool, shared, url, schema, ids };
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
      say: () => undefined,
    }),
  );

describe('a store that is copied', () => {
  it('is the same in PostgreSQL and, brought back, in SQLite; the one that it came from is used no more', async () => {
    const places = await filled();
    const before = await openSqliteStore({ folder: places.folder });
    const all = await everything(before, places.ids);
    await before.close();
    await toPostgres(places);
    const shared = await openPostgresStore({ url: places.url, schema: places.schema });
    assert.deepEqual(await everything(shared, places.ids), all);
    await enqueued(shared);
    await shared.close();
    assert.equal(await readFile(join(places.shared, 'in-1'), 'utf8'), 'payload of in-1');
    const refused = await failure(ConfigurationError, openSqliteStore({ folder: places.folder }));
    assert.match(refused.message, /copied to another one/);

    const back = { ...places, folder: await emptyFolder() };
    await withSides(back, ({ sqlite, postgres }) =>
      copyStore({
        from: postgres,
        to: sqlite,
        fromSpool: places.shared,
        toSpool: join(back.folder, 'spool'),
        say: () => undefined,
      }),
    );
    const again = await openSqliteStore({ folder: back.folder });
    afterThisTest(() => again.close());
    assert.equal((await again.countOutgoing(MAILBOX)).messages.queued, 604);
    await enqueued(again);
    await failure(ConfigurationError, openPostgresStore({ url: places.url, schema: places.schema }));
  }).timeout(60_000);

  it('has its large payloads in the database where that is wanted, and brings them back', async () => {
    const places = await filled();
    const large = Buffer.alloc(3_000_000, 'large');
    await writeFile(join(places.spool, 'out-1'), large);
    const inDatabase = { say: () => undefined, toSpool: undefined, fromSpool: places.spool };
    await withSides(places, async ({ sqlite, postgres }) => {
      // A run before was killed in the middle of it.
      await postgres.slices?.write('out-1', Readable.from([large.subarray(0, 1_500_000)]));
      await copyStore({ from: sqlite, to: postgres, ...inDatabase });
    });
    const back = { ...places, folder: await emptyFolder() };
    const spool = join(back.folder, 'spool');
    await withSides(back, async ({ sqlite, postgres }) => {
      await copyStore({ from: postgres, to: sqlite, ...inDatabase, fromSpool: undefined, toSpool: spool });
    });
    assert.ok((await readFile(join(spool, 'out-1'))).equals(large));
    assert.equal(await readFile(join(spool, 'in-1'), 'utf8'), 'payload of in-1');
    assert.deepEqual((await readdir(spool)).sort(), ['in-1', 'out-1']);
  }).timeout(60_000);

  it('goes on where it was broken off, and cannot be opened meanwhile', async () => {
    const places = await filled();
    let pages = 0;
    const breaking = (side: Side): Side => ({
      ...side,
      insert: async (table, rows) => {
        if (++pages > 2) throw new Error('broken off');
        await side.insert(table, rows);
      },
    });
    await assert.rejects(toPostgres(places, breaking), /broken off/);
    const half = await failure(ConfigurationError, openPostgresStore({ url: places.url, schema: places.schema }));
    assert.match(half.message, /not whole yet/);
    let inserted = 0;
    await toPostgres(places, (side) => ({
      ...side,
      insert: async (table, rows) => {
        if (table === 'outgoing') inserted += rows.length;
        await side.insert(table, rows);
      },
    }));
    assert.ok(inserted > 0 && inserted < 604, `${inserted} rows once more`);
    const store = await openPostgresStore({ url: places.url, schema: places.schema });
    afterThisTest(() => store.close());
    assert.equal((await store.countOutgoing(MAILBOX)).messages.queued, 603);
  }).timeout(60_000);

  it('is told to be different where what arrived is not what was there', async () => {
    const places = await filled();
    const garble = (side: Side): Side => ({
      ...side,
      insert: (table, rows) =>
        side.insert(
          table,
          rows.map((row) => (table === 'incoming' ? { ...row, size: 6 } : row)),
        ),
    });
    assert.match((await failure(StorageError, toPostgres(places, garble))).message, /incoming is not the same/);
    // The old one is as it was.
    await (await openSqliteStore({ folder: places.folder })).close();
    const lost = await filled();
    await rm(join(lost.spool, 'in-1'));
    await failure(StorageError, toPostgres(lost));
  }).timeout(60_000);

  it('is refused beside a live instance, and over what is there already', async () => {
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
