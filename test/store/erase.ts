/** Erasing one message, in either back end: `open` opens the store, `side` opens it for the tool when it is closed. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, InvalidMessageError, NotFoundError, StorageError } from '../../lib/errors';
import { setFiles } from '../../lib/files';
import { Spool } from '../../lib/payload/spool';
import type { Side } from '../../lib/store/tools/side';
import { eraseMessage, type Erasure } from '../../lib/store/tools/erase';
import type { Outgoing, Store } from '../../lib/store/store';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { enqueued, IN_NAME, inState, MAILBOX, OTHER, OUT_NAME, received, T } from './contract/support';

/** Stands wherever patient data may. */
export const MARK = 'MARK9434765919';

/** One back end, empty. */
export interface Place {
  spool: string;
  open(): Promise<Store>;
  side(): Promise<Side>;
}

const OTHER_IN_NAME = IN_NAME.replace(/1$/, '2');
const ENDED = { settledAt: T, messageId: 'MESH1' } as const;
const named = {
  onceKey: `once ${MARK}`,
  localId: MARK,
  lane: MARK,
  envelope: { to: `GPPROVIDER_${MARK}`, subject: MARK, fileName: MARK, workflowId: 'WORKFLOW_1' },
  payload: { kind: 'inline', bytes: Buffer.from(MARK.repeat(50)) },
} as const;
const headers = { messageId: 'IN1', from: 'X26ABC9', workflowId: 'WF', subject: MARK, fileName: MARK, localId: MARK };

/** Erases with the store closed, as the command does. */
export async function erased(place: Place, reference: string, more: Partial<Erasure> = {}): Promise<string[]> {
  const side = await place.side();
  try {
    return await eraseMessage(side, {
      reference,
      by: 'IG-2026-17',
      force: false,
      now: T + 5,
      spool: place.spool,
      ...more,
    });
  } finally {
    await side.close();
  }
}

async function withStore<T>(place: Place, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await place.open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Adds a message that has ended, whose large payload is in a folder that the store has recorded; returns its id. */
function endedWithLargePayload(place: Place, folder: string, made: object = {}): Promise<string> {
  return withStore(place, async (store) => {
    await Spool.open(folder, { owner: { store: await store.identity() } });
    await store.addSpoolFolder(folder);
    return inState(store, 'acknowledged', ENDED, { ...made, payload: { kind: 'spool', name: OUT_NAME } });
  });
}

export function erasure(newPlace: () => Promise<Place>): void {
  it('erases payload and names of a sent message, keeps ids, states and times, and records who asked', async () => {
    const place = await newPlace();
    const [id, other] = await withStore(place, async (store) => {
      const error = { code: 'C', message: 'm', description: MARK };
      return [await inState(store, 'undelivered', { ...ENDED, error }, named), await enqueued(store)];
    });
    const before = await withStore(place, (store) => store.getOutgoing(other));
    const [line] = await erased(place, id);
    assert.match(line ?? '', new RegExp(`^Sent message ${id}: payload and names erased`));
    await withStore(place, async (store) => {
      const row = (await store.getOutgoing(id)) as Outgoing;
      assert.ok(!JSON.stringify(row).includes(MARK));
      assert.deepEqual([row.payload, row.onceKey, row.state, row.messageId], [null, null, 'undelivered', 'MESH1']);
      assert.deepEqual([row.queuedAt, row.settledAt, row.size, row.error], [T, T, 5, { code: 'C', message: 'm' }]);
      const last = (await store.history(MAILBOX, id)).at(-1);
      assert.deepEqual([last?.event, last?.time, last?.messageId], ['erased', T + 5, 'MESH1']);
      assert.deepEqual(last?.detail, { user: 'IG-2026-17', state: 'undelivered', forced: false });
      assert.deepEqual(await store.getOutgoing(other), before, 'another message is unchanged');
      // Store and retention go on.
      const retention = { settledPayloadMs: 0, unsettledPayloadMs: 0, rowsMs: 0, ledgerMs: 9e12 };
      assert.equal((await store.purge(T + 10, retention)).rows, 1);
    });
  });

  it('erases those of a received message, by MESH’s id, from the spool too', async () => {
    const place = await newPlace();
    await mkdir(place.spool, { recursive: true });
    for (const name of [IN_NAME, OTHER_IN_NAME]) await writeFile(join(place.spool, name), MARK);
    await withStore(place, async (store) => {
      const payload = { kind: 'spool', name: IN_NAME } as const;
      await received(store, 'done', { settledAt: T }, { messageId: 'IN1', headers, payload });
      await received(store, 'done', { settledAt: T }, { payload: { kind: 'spool', name: OTHER_IN_NAME } });
    });
    await erased(place, 'IN1');
    assert.deepEqual(await readdir(place.spool), [OTHER_IN_NAME]);
    await withStore(place, async (store) => {
      const row = await store.getIncoming(MAILBOX, 'IN1');
      assert.ok(!JSON.stringify(row).includes(MARK));
      assert.deepEqual([row?.payload, row?.state, row?.headers['from']], [null, 'done', 'X26ABC9']);
      assert.equal((await store.history(MAILBOX, 'IN1')).at(-1)?.event, 'erased');
      assert.deepEqual(
        [...(await store.knownIncoming(MAILBOX, ['IN1'])).values()],
        ['done'],
        'it is not accepted twice',
      );
    });
  });

  it('erases the copy that an interrupted download has left in quarantine, and no other file', async () => {
    const place = await newPlace();
    const part = join(place.spool, 'quarantine', OUT_NAME);
    await mkdir(part, { recursive: true });
    const [copy, longer, changed] = ['3', '4', '5'].map((last) => IN_NAME.replace(/1$/, last)) as [
      string,
      string,
      string,
    ];
    for (const path of [join(place.spool, IN_NAME), join(place.spool, OTHER_IN_NAME), join(part, copy)])
      await writeFile(path, MARK);
    await writeFile(join(part, longer), `${MARK}.`);
    await writeFile(join(part, changed), MARK.toLowerCase());
    await withStore(place, async (store) => {
      const payload = { kind: 'spool', name: IN_NAME } as const;
      await received(store, 'done', { settledAt: T }, { messageId: 'IN1', headers, payload });
      // Another message with the same content, which stays.
      await received(store, 'done', { settledAt: T }, { payload: { kind: 'spool', name: OTHER_IN_NAME } });
    });
    const lines = await erased(place, 'IN1');
    assert.match(lines.at(-1) ?? '', /quarantine are files that no message names \(2\), deleted after seven days/);
    assert.deepEqual(await readdir(part), [longer, changed]);
    assert.deepEqual((await readdir(place.spool)).sort(), [OTHER_IN_NAME, 'quarantine']);
  });

  it('erases the payload that a sent message had before the store forgot it', async () => {
    const place = await newPlace();
    const part = join(place.spool, 'quarantine', OUT_NAME);
    await mkdir(part, { recursive: true });
    const id = await withStore(place, (store) => inState(store, 'rejected', { settledAt: T }, named));
    await writeFile(join(part, id), MARK);
    await writeFile(join(part, OUT_NAME), MARK);
    await erased(place, id);
    assert.deepEqual(await readdir(part), [OUT_NAME]);
  });

  it('that the store fails in is said to be unfinished, and is finished when it is repeated', async () => {
    const place = await newPlace();
    const id = await withStore(place, (store) => inState(store, 'rejected', { settledAt: T }, named));
    const side = await place.side();
    const failing = { ...side, scrub: () => Promise.reject(new Error('disk I/O error')) };
    const erasure = { reference: id, by: 'IG-2026-17', force: false, now: T + 5, spool: place.spool };
    const error = await failure(StorageError, eraseMessage(failing, erasure));
    assert.match(`${error.message} ${error.advice}`, /only a part of it may be gone.*Run this again/);
    await side.close();
    await erased(place, id);
    await withStore(place, async (store) => assert.equal((await store.getOutgoing(id))?.payload, null));
  });

  it('erases both rows of a message sent and received here, and names the message that repeats it', async () => {
    const place = await newPlace();
    const [first, second] = await withStore(place, async (store) => {
      const sent = await inState(store, 'acknowledged', ENDED, named);
      await received(store, 'done', { settledAt: T }, { messageId: 'MESH1', mailbox: OTHER, headers });
      return [sent, await inState(store, 'acknowledged', { ...ENDED, messageId: 'MESH2' }, { resendOf: sent })];
    });
    const said = await erased(place, 'MESH1');
    assert.match(
      said.join('\n'),
      new RegExp(`Sent message ${first}.*\\nReceived message MESH1.*\\nMessage ${second} has`),
    );
  });

  for (const state of ['queued', 'sending', 'unknown', 'parked', 'accepted'] as const) {
    it(`refuses a message that is ${state}, naming the consequences; with --force it is never sent`, async () => {
      const place = await newPlace();
      const id = await withStore(place, (store) => inState(store, state, { messageId: 'MESH1' }, named));
      const error = await failure(InvalidMessageError, erased(place, id));
      assert.match(error.message, new RegExp(`Nothing was erased. Message ${id} is ${state}.*(sent|collected)`));
      assert.match(error.advice ?? '', /--force/);
      assert.deepEqual(
        (await withStore(place, (store) => store.getOutgoing(id)))?.localId,
        MARK,
        'nothing was changed',
      );
      await erased(place, id, { force: true });
      await withStore(place, async (store) => {
        const row = await store.getOutgoing(id);
        assert.equal(row?.state, state === 'accepted' ? 'accepted' : 'closed');
        assert.equal(row?.payload, null);
        assert.deepEqual(await store.nextToSend(MAILBOX, T + 9e9, 10), []);
        assert.equal((await store.history(MAILBOX, id)).at(-1)?.detail['forced'], true);
        assert.equal((await store.countOutgoing(MAILBOX)).pendingBytes, 0);
      });
    });
  }

  it('lets messages in strict order go on behind one that was erased while it was pending', async () => {
    const place = await newPlace();
    const { first, second } = await withStore(place, async (store) => ({
      first: await inState(store, 'unknown', { nextTrackAt: null }, named),
      second: await enqueued(store, { lane: named.lane, strictOrder: true }),
    }));
    await withStore(place, async (store) => assert.deepEqual(await store.idsToSend(MAILBOX, T, 9), []));
    await erased(place, first, { force: true });
    await withStore(place, async (store) => assert.deepEqual(await store.idsToSend(MAILBOX, T, 9), [second]));
  });

  it('refuses a message that awaits an acknowledgement, and one that the flow has not finished with', async () => {
    const place = await newPlace();
    const id = await withStore(place, async (store) => {
      await received(store, 'delivered', { leaseUntil: T + 9 }, { messageId: 'IN1', headers });
      return inState(store, 'acknowledged', ENDED, { ...named, business: 'awaited' });
    });
    assert.match((await failure(InvalidMessageError, erased(place, id))).message, /awaits an acknowledgement/);
    assert.match((await failure(InvalidMessageError, erased(place, 'IN1'))).message, /would never receive it/);
    await erased(place, 'IN1', { force: true });
    await withStore(place, async (store) => {
      assert.equal((await store.getIncoming(MAILBOX, 'IN1'))?.state, 'done');
    });
  });

  it('keeps a large payload that another message also has, reports it, and erases it with that message', async () => {
    const place = await newPlace();
    await mkdir(place.spool, { recursive: true });
    await writeFile(join(place.spool, OUT_NAME), MARK);
    const payload = { kind: 'spool', name: OUT_NAME } as const;
    const ids = await withStore(place, async (store) => [
      await inState(store, 'acknowledged', ENDED, { payload }),
      await inState(store, 'acknowledged', { ...ENDED, messageId: 'MESH2' }, { payload }),
    ]);
    assert.match((await erased(place, ids[0] ?? '')).join(' '), /kept for it: erase that one as well/);
    assert.deepEqual(await readdir(place.spool), [OUT_NAME]);
    await erased(place, ids[1] ?? '');
    assert.deepEqual(await readdir(place.spool), []);
  });

  it('finds a large payload by the store’s own record of its folders, in quarantine too, with what was made of it', async () => {
    const place = await newPlace();
    const elsewhere = join(await emptyFolder(), 'elsewhere');
    const id = await endedWithLargePayload(place, elsewhere);
    const quarantine = join(elsewhere, 'quarantine', '019a0000-0000-4000-9000-000000000009');
    await mkdir(quarantine, { recursive: true });
    const kept = [`${OUT_NAME}0`, 'settings.js', OTHER_IN_NAME];
    for (const name of kept) await writeFile(join(elsewhere, name), 'another');
    for (const name of [OUT_NAME, `${OUT_NAME}.1.gz`]) await writeFile(join(elsewhere, name), MARK);
    await writeFile(join(quarantine, OUT_NAME), MARK);
    await erased(place, id, { spool: undefined });
    assert.deepEqual((await readdir(elsewhere)).sort(), [...kept, 'mesh-spool.json', 'quarantine'].sort());
    assert.deepEqual(await readdir(quarantine), []);
  });

  it('is refused, and names folder and file, when the payload may be in a folder that cannot be reached', async () => {
    const place = await newPlace();
    const volume = join(await emptyFolder(), 'volume');
    const id = await endedWithLargePayload(place, volume, named);
    await writeFile(join(volume, OUT_NAME), MARK);
    // Not mounted: the folder is there and empty.
    await rename(volume, `${volume}-unmounted`);
    await mkdir(volume);
    const error = await failure(ConfigurationError, erased(place, id, { spool: undefined }));
    assert.ok(error.message.includes(volume) && error.message.includes(OUT_NAME), error.message);
    assert.match(error.message, /^Nothing was erased/);
    await withStore(place, async (store) => {
      assert.deepEqual((await store.getOutgoing(id))?.payload, { kind: 'spool', name: OUT_NAME });
    });
    const lines = await erased(place, id, { spool: `${volume}-unmounted` });
    assert.deepEqual(await readdir(`${volume}-unmounted`), ['mesh-spool.json']);
    assert.match(lines.join(' '), new RegExp(`Not reached: ${volume}\\. `));
  });

  it('reports a payload that is in none of the store’s folders any more', async () => {
    const place = await newPlace();
    const folder = join(await emptyFolder(), 'spool');
    const id = await endedWithLargePayload(place, folder);
    assert.match((await erased(place, id, { spool: undefined })).join(' '), /was not in the store’s folders any more/);
  });

  it('keeps the row, and names the file, when the payload cannot be deleted', async () => {
    const place = await newPlace();
    const folder = join(await emptyFolder(), 'spool');
    const id = await endedWithLargePayload(place, folder);
    await writeFile(join(folder, OUT_NAME), MARK);
    const cannot = Object.assign(new Error('EPERM'), { code: 'EPERM' });
    setFiles({ ...fs, ...promises, rm: () => Promise.reject(cannot) });
    afterThisTest(() => setFiles());
    const error = await failure(StorageError, erased(place, id, { spool: undefined }));
    setFiles();
    assert.ok(error.message.includes(join(folder, OUT_NAME)), error.message);
    await withStore(place, async (store) => assert.ok((await store.getOutgoing(id))?.payload));
    await erased(place, id, { spool: undefined });
    assert.deepEqual(await readdir(folder), ['mesh-spool.json']);
  });

  it('may be repeated; an unknown id and a missing requester are refused', async () => {
    const place = await newPlace();
    const id = await withStore(place, (store) => inState(store, 'rejected', { settledAt: T }, named));
    await erased(place, id);
    await erased(place, id);
    await failure(NotFoundError, erased(place, id.slice(0, -1)));
    await failure(ConfigurationError, erased(place, id, { by: ' \n ' }));
  });
}
