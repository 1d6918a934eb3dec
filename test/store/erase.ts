/** Erasing one message, in either back end: `open` opens the store, `side` opens it for the tool when it is closed. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, InvalidMessageError, NotFoundError, StorageError } from '../../lib/errors';
import { setFiles } from '../../lib/files';
import { Spool } from '../../lib/payload/spool';
import { messageTag } from '../../lib/payload/spool-names';
import type { Side } from '../../lib/store/tools/side';
import { eraseMessage, type Erasure } from '../../lib/store/tools/erase';
import type { Outgoing, StageState, Store } from '../../lib/store/store';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { ownerOf } from '../harness/spool-owner';
import { enqueued, IN_NAME, inState, MAILBOX, OTHER, OUT_NAME, received, T } from './contract/support';

/** Stands wherever patient data may. */
export const MARK = 'MARK9434765919';

/** One back end, empty. */
export interface Place {
  spool: string;
  open(): Promise<Store>;
  side(): Promise<Side>;
}

const OTHER_IN_NAME = IN_NAME.replace('in-0', 'in-1');
/** UUIDs of downloads, and of a part of a quarantine. */
const [FIRST, SECOND, PART] = ['1', '2', '3'].map((last) => `019a0000-0000-4000-9000-00000000000${last}`) as [
  string,
  string,
  string,
];
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
    await Spool.open(folder, { owner: await ownerOf(store) });
    await store.addSpoolFolder({ path: folder, hasPayloads: true });
    return inState(store, 'acknowledged', ENDED, { ...made, payload: { kind: 'spool', name: OUT_NAME } });
  });
}

/** Returns what the names of a message's files have in them. */
const tagIn = async (store: Store, id: string): Promise<string> => messageTag(await store.spoolKey(), MAILBOX, id);

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

  it('erases what replies name a sent message by, the ids of its replies, and what a reply named', async () => {
    const place = await newPlace();
    const stage = { name: 'list', kind: 'result', occurs: 'expected', outcome: 'positive' } as const;
    const replies = [{ messageId: 'REPLY1', at: T, outcome: 'positive' as const }];
    const values = [{ request: 'localId', value: MARK }];
    const classification = { kind: 'reply', readings: [{ stage: 'list', values }] };
    const id = await withStore(place, async (store) => {
      await received(store, 'done', { settledAt: T }, { messageId: 'REPLY1', headers, classification });
      const stages = [{ ...stage, replies }];
      return inState(store, 'acknowledged', ENDED, { ...named, stages, replies: 'positive', replyKeys: ['key'] });
    });
    await erased(place, id);
    await erased(place, 'REPLY1');
    await withStore(place, async (store) => {
      const row = await store.getOutgoing(id);
      assert.deepEqual([row?.stages, row?.replies], [[{ ...stage, replies: [] }], 'positive']);
      assert.deepEqual(await store.findByReplyKeys(MAILBOX, ['key'], 9), []);
      assert.ok(!JSON.stringify([row, await store.getIncoming(MAILBOX, 'REPLY1')]).includes(MARK));
    });
  });

  it('refuses a message that awaits a reply, which could not be matched to it any more', async () => {
    const place = await newPlace();
    const stage = {
      name: 'list',
      kind: 'result',
      occurs: 'expected',
      outcome: 'awaited',
      replies: [],
    } satisfies StageState;
    const id = await withStore(place, (store) =>
      inState(store, 'acknowledged', ENDED, {
        ...named,
        stages: [stage],
        replies: 'awaited',
      }),
    );
    const error = await failure(InvalidMessageError, erased(place, id));
    assert.match(error.message, /awaits a reply/);
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

  it('erases every copy of a received message, damaged and incomplete ones too, and no other file', async () => {
    const place = await newPlace();
    const part = join(place.spool, 'quarantine', PART);
    const [tag, other] = await withStore(place, async (store) => {
      await Spool.open(place.spool, { owner: await ownerOf(store) });
      const [own, second] = [await tagIn(store, 'IN1'), await tagIn(store, 'IN2')];
      const payload = { kind: 'spool', name: `in-${own}-${FIRST}` } as const;
      await received(store, 'done', { settledAt: T }, { messageId: 'IN1', headers, payload, size: 100_000 });
      await received(store, 'done', { settledAt: T }, { messageId: 'IN2', headers, size: 100_000 });
      return [own, second];
    });
    const ofMessage = (each: string): string[] => [`part-${each}.json`, `part-${each}.json.new`];
    const ofDownload = (each: string, download: string): string[] =>
      ['in-#', 'in-#.copying', 'part-#', 'part-#.taken'].map((name) => name.replace('#', `${each}-${download}`));
    const kept = [...ofMessage(other), ...ofDownload(other, FIRST), `in-${tag}-${FIRST}.bak`, `${tag}.json`];
    await mkdir(part, { recursive: true });
    // Every one with other bytes than the payload.
    for (const folder of [place.spool, part]) {
      for (const name of [...ofMessage(tag), ...ofDownload(tag, FIRST), ...ofDownload(tag, SECOND), ...kept])
        await writeFile(join(folder, name), `${MARK} ${name}`);
    }
    const lines = await erased(place, 'IN1');
    assert.equal(lines.length, 1, lines.join());
    assert.deepEqual((await readdir(place.spool)).sort(), [...kept, 'mesh-spool.json', 'quarantine'].sort());
    assert.deepEqual((await readdir(part)).sort(), kept.toSorted());
  });

  it('erases what a sent message has, or had before the store forgot it: compressed bodies and uploads too', async () => {
    const place = await newPlace();
    const scratch = await emptyFolder();
    const part = join(scratch, 'quarantine', PART);
    await mkdir(part, { recursive: true });
    // Its row names no payload: the store was put back from a backup.
    const [id, tag] = await withStore(place, async (store) => {
      const sent = await inState(store, 'rejected', { settledAt: T }, named);
      await store.addSpoolFolder({ path: scratch, hasPayloads: false });
      return [sent, await tagIn(store, sent)];
    });
    for (const name of [`out-${tag}`, `out-${tag}.1.gz`, `out-${tag}.12.gz`, `upload-${tag}`, OUT_NAME]) {
      for (const folder of [scratch, part]) await writeFile(join(folder, name), MARK);
    }
    await erased(place, id);
    assert.deepEqual((await readdir(scratch)).sort(), [OUT_NAME, 'quarantine']);
    assert.deepEqual(await readdir(part), [OUT_NAME]);
  });

  it('that was killed half-way goes on with the files that are left', async () => {
    const place = await newPlace();
    const names = await withStore(place, async (store) => {
      await Spool.open(place.spool, { owner: await ownerOf(store) });
      const tag = await tagIn(store, 'IN1');
      const all = [FIRST, SECOND, PART].map((download) => `in-${tag}-${download}`);
      const payload = { kind: 'spool', name: all[0] ?? '' } as const;
      await received(store, 'done', { settledAt: T }, { messageId: 'IN1', headers, payload, size: 100_000 });
      return all;
    });
    for (const name of names) await writeFile(join(place.spool, name), MARK);
    let calls = 0;
    const rm: typeof promises.rm = (path, options) =>
      (calls += 1) > 1 ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) : promises.rm(path, options);
    setFiles({ ...fs, ...promises, rm });
    afterThisTest(() => setFiles());
    await failure(StorageError, erased(place, 'IN1'));
    setFiles();
    const left = [names[0], names[2], 'mesh-spool.json'].sort();
    assert.deepEqual((await readdir(place.spool)).sort(), left, 'the payload itself goes last');
    await withStore(place, async (store) => assert.ok((await store.getIncoming(MAILBOX, 'IN1'))?.payload));
    await erased(place, 'IN1');
    assert.deepEqual(await readdir(place.spool), ['mesh-spool.json']);
  });

  it('is repeated where a folder can be read that was not reached, by the part of the names that it said', async () => {
    const place = await newPlace();
    const elsewhere = await emptyFolder();
    const [id, tag] = await withStore(place, async (store) => {
      await store.addSpoolFolder({ path: elsewhere, hasPayloads: false });
      const sent = await inState(store, 'rejected', { settledAt: T }, { ...named, size: 100_000 });
      return [sent, await tagIn(store, sent)];
    });
    // Its mark says that it is another store's: another machine has a folder of this path.
    await writeFile(join(elsewhere, 'mesh-spool.json'), '{"store":"another"}');
    const [, line = ''] = await erased(place, id);
    assert.equal(
      line.replace(elsewhere, 'F'),
      `Not reached: F. Delete the files there, and in its quarantine, that have ${tag} in their names.`,
    );
    const there = `${await emptyFolder()}/there`;
    await withStore(place, async (store) => Spool.open(there, { owner: await ownerOf(store) }));
    await writeFile(join(there, `out-${tag}.1.gz`), MARK);
    await erased(place, id, { spool: there });
    assert.deepEqual(await readdir(there), ['mesh-spool.json']);
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
    const id = await endedWithLargePayload(place, volume, { ...named, size: 100_000 });
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
