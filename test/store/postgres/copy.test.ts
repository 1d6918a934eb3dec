/** Copying a SQLite store and its spool to PostgreSQL and back. */
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
    await writeFile(join(places.spool, 'out-1'), large);
    const inDatabase = { report: () => undefined, toSpool: undefined, fromSpool: places.spool };
    await withSides(places, async ({ sqlite, postgres }) => {
      // An earlier run was killed in the middle of it.
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
    await rm(join(lost.spool, 'in-1'));
    await failure(StorageError, toPostgres(lost));
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
