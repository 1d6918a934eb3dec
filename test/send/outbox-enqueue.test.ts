import assert from 'node:assert/strict';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { InvalidMessageError, NotSentError, OutboxFullError, PayloadError, StorageError } from '../../lib/index';
import { INLINE_BYTES } from '../../lib/payload/stored-payload';
import type { Store } from '../../lib/store/store';
import type { SqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { letter, outboxAt, smallStorage, storageIn, tlsSandbox } from '../harness/outboxes';
import { sentPayload, spooledIn } from '../harness/spool-files';

const BIG = Buffer.alloc(INLINE_BYTES + 1, 'b');
/** Nothing listens there: these tests send nothing. */
const nowhere = { url: 'https://127.0.0.1:1', ca: undefined };

async function unsent(options: object = {}) {
  const folder = await emptyFolder();
  const storage = await storageIn(folder);
  const mailbox = outboxAt(nowhere, { storage, ...options });
  const spooled = (): Promise<string[]> => spooledIn(join(folder, 'spool'));
  const stored = async (): Promise<number> => (await mailbox.outbox.list({})).length;
  return { folder, storage, mailbox, outbox: mailbox.outbox, spooled, stored };
}

describe('outbox: enqueue', () => {
  const bad = {
    'a missing recipient': { to: '' },
    'a subject with a line break': { subject: 'a\nb' },
    'a local id that is too long': { localId: 'x'.repeat(301) },
    'an empty payload': { payload: '' },
    'a payload of no known kind': { payload: 7 as unknown as string },
  };
  for (const [what, wrong] of Object.entries(bad)) {
    it(`refuses ${what} before anything is stored`, async () => {
      const { outbox, spooled, stored } = await unsent();
      await failure(InvalidMessageError, outbox.enqueue({ ...letter(BIG), ...wrong }));
      assert.equal(await stored(), 0);
      assert.deepEqual(await spooled(), []);
    });
  }

  it('refuses a file whose name MESH would refuse', async () => {
    const { outbox, folder, stored } = await unsent();
    const file = join(folder, 'a\tletter.pdf');
    await writeFile(file, 'x');
    await failure(InvalidMessageError, outbox.enqueue({ ...letter(), payload: { file } }));
    assert.equal(await stored(), 0);
  });

  it('refuses a missing file before anything is stored', async () => {
    const { outbox, folder, stored } = await unsent();
    await failure(PayloadError, outbox.enqueue({ ...letter(), payload: { file: join(folder, 'gone') } }));
    assert.equal(await stored(), 0);
  });

  it('keeps 64 KiB in the row, and spools a larger payload in a file for its owner only', async () => {
    const { outbox, storage, mailbox, spooled } = await unsent();
    const small = await outbox.enqueue(letter(BIG.subarray(1)));
    assert.equal((await storage.store.getOutgoing(small.message.id))?.payload?.kind, 'inline');
    assert.deepEqual(await spooled(), []);
    const large = await outbox.enqueue(letter(BIG));
    const file = sentPayload(mailbox, storage, large.message.id);
    assert.deepEqual(await spooled(), [basename(file)]);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.ok((await readFile(file)).equals(BIG));
  });

  it('once per key: a repeat returns the first message, stores nothing, and needs no quota', async () => {
    const { outbox, storage, mailbox, spooled, stored } = await unsent({ limits: { maxMessages: 1 } });
    const first = await outbox.enqueue(letter(BIG), { onceKey: 'k' });
    const again = await outbox.enqueue(letter(BIG), { onceKey: 'k' });
    assert.deepEqual([first.isNew, again.isNew], [true, false]);
    assert.equal(again.message.id, first.message.id);
    assert.equal(await stored(), 1);
    assert.deepEqual(await spooled(), [basename(sentPayload(mailbox, storage, first.message.id))]);
  });

  it('keeps the order of calls for one recipient and workflow; other lanes do not wait', async () => {
    const { outbox, storage, mailbox } = await unsent();
    const order: string[] = [];
    const enqueue = async (name: string, payload: Buffer | string, more: object = {}): Promise<void> => {
      const { message } = await outbox.enqueue(letter(payload, more));
      order.push(name);
      names.set(message.id, name);
    };
    const names = new Map<string, string>();
    const large = Buffer.alloc(20_000_000, 'x');
    const calls = [
      enqueue('large', large),
      enqueue('small', 'x'),
      enqueue('refused', ''),
      enqueue('after it', 'x'),
      enqueue('other lane', 'x', { workflowId: 'OTHER' }),
    ];
    const results = await Promise.allSettled(calls);
    assert.equal(results.filter(({ status }) => status === 'rejected').length, 1);
    assert.deepEqual(order, ['other lane', 'large', 'small', 'after it']);
    const queued = (await storage.store.ledger(mailbox.storeKey, { from: 0, to: 9e15 }, { limit: 9 })).map(
      ({ reference }) => names.get(reference),
    );
    assert.deepEqual(queued, order);
  });

  it('once per key: of fifty calls at once one is new, and one file is spooled', async () => {
    const { outbox, spooled, stored } = await unsent();
    const all = await Promise.all(Array.from({ length: 50 }, () => outbox.enqueue(letter(BIG), { onceKey: 'k' })));
    assert.equal(all.filter(({ isNew }) => isNew).length, 1);
    assert.equal(new Set(all.map(({ message }) => message.id)).size, 1);
    assert.equal(await stored(), 1);
    assert.equal((await spooled()).length, 1);
  });

  it('once per key: after a restart a repeat returns the first message with its outcome', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const before = await storageIn(folder);
    const one = outboxAt(server, { storage: before });
    one.start();
    const { message } = await one.outbox.enqueue(letter(), { onceKey: 'k' });
    const { messageId } = await one.outbox.accepted(message.id);
    await one.close();
    await before.close();
    const other = outboxAt(server, { storage: await storageIn(folder) });
    const again = await other.outbox.enqueue(letter(), { onceKey: 'k' });
    assert.equal(again.isNew, false);
    assert.equal((await other.outbox.accepted(again.message.id)).messageId, messageId);
    assert.equal(server.messages().length, 1);
  });

  it('the limit of messages holds for many calls at once', async () => {
    const { outbox, stored } = await unsent({ limits: { maxMessages: 10 } });
    const all = await Promise.allSettled(Array.from({ length: 50 }, () => outbox.enqueue(letter())));
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 10);
    assert.ok(all.every((each) => each.status === 'fulfilled' || each.reason instanceof OutboxFullError));
    assert.equal(await stored(), 10);
  });

  it('the limit of bytes holds for many calls at once, and refused ones leave nothing in the spool', async () => {
    const { outbox, spooled } = await unsent({ limits: { maxBytes: BIG.length * 3 } });
    const all = await Promise.allSettled(Array.from({ length: 9 }, () => outbox.enqueue(letter(BIG))));
    assert.equal(all.filter(({ status }) => status === 'fulfilled').length, 3);
    assert.equal((await spooled()).length, 3);
  });

  it('refuses a message when less than minFreeBytes would stay free on the disk', async () => {
    const { outbox, stored, spooled } = await unsent({ limits: { minFreeBytes: Number.MAX_SAFE_INTEGER } });
    const error = await failure(OutboxFullError, outbox.enqueue(letter(BIG)));
    assert.match(error.advice ?? '', /Free space/);
    assert.equal(await stored(), 0);
    assert.deepEqual(await spooled(), []);
  });

  it('200 calls at once share commits and take at most 250 ms (p99)', async () => {
    const { outbox, storage } = await unsent();
    const store = storage.store as SqliteStore;
    const before = (await store.statistics()).commits;
    const times = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const start = performance.now();
        await outbox.enqueue(letter());
        return performance.now() - start;
      }),
    );
    const commits = (await store.statistics()).commits - before;
    assert.ok(commits <= 20, `${commits} commits`);
    const p99 = times.sort((a, b) => a - b)[197] ?? Infinity;
    assert.ok(p99 < 250, `p99 ${p99} ms`);
  });

  it('a listener that throws loses neither the message nor its spooled payload', async () => {
    const { outbox, spooled } = await unsent();
    outbox.onEvent(() => {
      throw new Error('listener');
    });
    await outbox.enqueue(letter(BIG));
    assert.equal((await spooled()).length, 1);
  });

  it('waiting for the acceptance of a message that was just queued asks the store nothing', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    let read = 0;
    const store: Store = {
      ...storage.store,
      getOutgoing(id) {
        read += 1;
        return storage.store.getOutgoing(id);
      },
    };
    const mailbox = outboxAt(server, { storage: { ...storage, store } });
    const { message } = await mailbox.outbox.enqueue(letter());
    const accepted = mailbox.outbox.accepted(message.id);
    mailbox.start();
    assert.equal((await accepted).state, 'accepted');
    assert.equal(read, 0);
    // What has changed since, only the store knows.
    assert.equal((await mailbox.outbox.accepted(message.id)).state, 'accepted');
    assert.equal(read, 1);
  });

  it('waiting for the acceptance of a message that was dropped fails', async () => {
    const { outbox } = await unsent();
    const { message } = await outbox.enqueue(letter());
    await outbox.drop(message.id);
    await failure(NotSentError, outbox.accepted(message.id));
  });

  it('a full store refuses messages with a clear error, and continues once there is space', async () => {
    const server = await tlsSandbox();
    const storage = await smallStorage(60);
    const mailbox = outboxAt(server, { storage });
    const stored: string[] = [];
    const error = await failure(
      StorageError,
      (async () => {
        for (;;) stored.push((await mailbox.outbox.enqueue(letter(Buffer.alloc(60_000, 'x')))).message.id);
      })(),
    );
    assert.match(error.message, /disk is full/);
    assert.equal((await mailbox.outbox.list({})).length, stored.length);
    assert.ok(stored.length > 0);
    mailbox.start();
    for (const id of stored) assert.equal((await mailbox.outbox.accepted(id)).state, 'accepted');
    assert.equal(server.messages().length, stored.length);
  });
});

describe('outbox: a file as payload', () => {
  async function withFile(options: object = {}) {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const file = join(folder, 'letter.txt');
    await writeFile(file, BIG);
    const storage = await storageIn(join(folder, 'state'));
    const mailbox = outboxAt(server, { storage, ...options });
    return { server, file, storage, mailbox, outbox: mailbox.outbox };
  }

  it('is referenced, and its message parked when the file changed before it was sent', async () => {
    const { server, file, mailbox, outbox } = await withFile();
    const { message } = await outbox.enqueue({ ...letter(), payload: { file } });
    await appendFile(file, 'more');
    mailbox.start();
    const error = await failure(NotSentError, outbox.accepted(message.id));
    assert.equal(error.code, 'MESH_PAYLOAD');
    assert.equal((await outbox.get(message.id))?.needsDecision, true);
    assert.ok(mailbox.eventsOf(message.id).includes('parked'));
    assert.equal(server.messages().length, 0);
  });

  it('that changes between two chunks parks the message, which never arrives', async () => {
    const { server, file, mailbox, outbox } = await withFile({
      maxRequestBytes: 30_000,
      chunkBytes: 30_000,
      compression: 'never',
    });
    const { message } = await outbox.enqueue({ ...letter(), payload: { file } });
    const changed: Array<Promise<void>> = [];
    server.fault({ operation: 'send_chunk', effect: { kind: 'delay', ms: 50 } });
    outbox.onEvent(({ event }) => {
      if (event === 'chunk') changed.push(appendFile(file, 'more'));
    });
    mailbox.start();
    await failure(NotSentError, outbox.accepted(message.id));
    await Promise.all(changed);
    assert.equal((await outbox.get(message.id))?.state, 'parked');
    assert.ok(server.messages().every(({ status }) => status === 'uploading'));
  });

  it('that changed is resent as it is now, and the parked message is closed', async () => {
    const { server, file, mailbox, outbox } = await withFile();
    const { message } = await outbox.enqueue({ ...letter(), payload: { file } });
    await appendFile(file, 'more');
    mailbox.start();
    await failure(NotSentError, outbox.accepted(message.id));
    const again = await outbox.resend(message.id);
    await outbox.accepted(again.id);
    assert.equal((await outbox.get(message.id))?.state, 'closed');
    assert.equal(server.messages().length, 1);
    assert.equal((await outbox.get(again.id))?.bytes, BIG.length + 4);
  });

  it('may change at once if it is copied', async () => {
    const { file, mailbox, outbox } = await withFile();
    const { message } = await outbox.enqueue({ ...letter(), payload: { file } }, { copyFile: true });
    await writeFile(file, 'gone');
    mailbox.start();
    assert.equal((await outbox.accepted(message.id)).bytes, BIG.length);
  });

  it('is found by an absolute path, whatever the working directory', async () => {
    const { file, storage, outbox } = await withFile();
    const { message } = await outbox.enqueue({ ...letter(), payload: { file: relative(process.cwd(), file) } });
    const payload = (await storage.store.getOutgoing(message.id))?.payload;
    assert.equal(payload?.kind === 'file' && payload.path, file);
  });
});
