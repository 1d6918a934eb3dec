/** Large payloads in slices in PostgreSQL: several instances, each with its own folder. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert as holds, asyncProperty, integer } from 'fast-check';
import { ConfigurationError, openStorage, TooLargeError, type Storage, type StorageOptions } from '../../../lib/index';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import { SLICE_BYTES } from '../../../lib/store/postgres/slices';
import type { PayloadSlices } from '../../../lib/store/store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { consumer } from '../../harness/consumer';
import { failure } from '../../harness/failure';
import { letter, outboxAt, storageIn, tlsSandbox } from '../../harness/outboxes';
import { dropSchema, newSchema, onServer, postgresUrl } from '../../harness/postgres';
import { eventually } from '../../harness/until';
import { spooledIn } from '../../harness/spool-files';
import { DAY, enqueued, received } from '../contract/support';

const MIB = 1024 ** 2;

interface Instance {
  storage: Storage;
  folder: string;
}

/** Opens instances on one schema, with nothing else in common. */
async function instances(count: number, options: Partial<StorageOptions> = {}): Promise<Instance[]> {
  const [url, schema] = [await postgresUrl(), newSchema()];
  afterThisTest(() => dropSchema(schema));
  const made: Instance[] = [];
  for (let i = 0; i < count; i += 1) {
    const folder = await emptyFolder();
    const storage = await openStorage({ folder, url, schema, largePayloads: 'database', ...options });
    afterThisTest(() => storage.close());
    made.push({ storage, folder });
  }
  return made;
}

async function two(options: Partial<StorageOptions> = {}): Promise<[Instance, Instance]> {
  const [one, other] = await instances(2, options);
  assert.ok(one && other);
  return [one, other];
}

const filesOf = async ({ folder }: Instance): Promise<string[]> => await spooledIn(join(folder, 'spool'));

describe('large payloads in PostgreSQL', function () {
  this.timeout(60_000);

  it('are sent by another instance than enqueued them, even a file that only the first can read', async () => {
    const sandbox = await tlsSandbox();
    const [first, second] = await two();
    const sender = outboxAt(sandbox, { storage: first.storage });
    const taker = outboxAt(sandbox, { storage: second.storage });
    sender.start();
    const { message: warm } = await sender.outbox.enqueue(letter());
    await sender.outbox.accepted(warm.id);
    taker.start();
    const bytes = randomBytes(2 * MIB + 17);
    const file = join(await emptyFolder(), 'extract.csv');
    await writeFile(file, bytes);
    for (const payload of [bytes, { file }]) {
      const { message } = await taker.outbox.enqueue({ ...letter(), payload });
      await taker.outbox.accepted(message.id);
      // It says so once its commit is made, which this instance may see first.
      await eventually('the other instance has sent it', () => sender.eventsOf(message.id).includes('accepted'));
    }
    const bob = outboxAt(sandbox, { storage: await storageIn(), mailboxId: 'X26ABC2' });
    for (const messageId of (await bob.listInbox()).messageIds.slice(1)) {
      const { payload } = await bob.receive(messageId);
      assert.ok(payload?.equals(bytes));
    }
    assert.deepEqual([await filesOf(first), await filesOf(second)], [[], []], 'their folders are empty');
  });

  it('are delivered by one instance and, once that is gone, by another from the database', async () => {
    const sandbox = await tlsSandbox();
    const [first, second] = await two();
    const bob = { mailboxId: 'X26ABC2' };
    const [one, other] = [
      outboxAt(sandbox, { storage: first.storage, ...bob }),
      outboxAt(sandbox, { storage: second.storage, ...bob }),
    ];
    const bytes = randomBytes(3 * MIB + 1);
    await outboxAt(sandbox, { storage: await storageIn() }).send(letter(bytes));
    const [leaves, stays] = [one.inbox({ minimumIntervalMs: 0 }), other.inbox({ minimumIntervalMs: 0 })];
    afterThisTest(() => stays.close());
    const [before, after] = [consumer(), consumer()];
    leaves.add(before);
    leaves.poll();
    await eventually('it is delivered', () => before.deliveries.length === 1, 30_000);
    assert.deepEqual(await filesOf(first), []);
    stays.add(after);
    await leaves.close();
    await one.close();
    await first.storage.close();
    await eventually('it is delivered again', () => after.deliveries.length === 1, 30_000);
    assert.ok(after.deliveries[0]?.received.payload?.equals(bytes));
  });

  it('are sent again on request', async () => {
    const sandbox = await tlsSandbox();
    const [{ storage }] = await two();
    const mailbox = outboxAt(sandbox, { storage });
    const bytes = randomBytes(MIB);
    const { message } = await mailbox.outbox.enqueue(letter(bytes));
    const note = { event: 'rejected', time: Date.now() };
    await storage.store.changeOutgoing(message.id, ['queued'], { state: 'rejected', settledAt: Date.now() }, note);
    const again = await mailbox.outbox.resend(message.id);
    mailbox.start();
    const { messageId = '' } = await mailbox.outbox.accepted(again.id);
    const { payload } = await outboxAt(sandbox, { storage: await storageIn(), mailboxId: 'X26ABC2' }).receive(
      messageId,
    );
    assert.ok(payload?.equals(bytes));
  });

  it('over the limit are refused with advice, and received ones stay at MESH', async () => {
    const sandbox = await tlsSandbox();
    const [{ storage }] = await two({ largePayloadLimit: MIB });
    const mailbox = outboxAt(sandbox, { storage: storage, mailboxId: 'X26ABC2' });
    const refused = await failure(TooLargeError, mailbox.outbox.enqueue(letter(randomBytes(MIB + 1))));
    assert.match(refused.message, /larger than 1 MiB, too large to be kept in the database/);
    assert.match(refused.advice ?? '', /largePayloadLimitMiB/);
    const sent = await outboxAt(sandbox, { storage: await storageIn() }).send(letter(randomBytes(MIB + 1)));
    const inbox = mailbox.inbox({ minimumIntervalMs: 0 });
    afterThisTest(() => inbox.close());
    const one = consumer();
    inbox.add(one);
    inbox.poll();
    await eventually('it is parked', () => one.parkedMessages.length === 1, 30_000);
    assert.equal(one.parkedMessages[0]?.messageId, sent.messageId);
    assert.match(one.parkedMessages[0]?.error?.message ?? '', /larger than 1 MiB/);
    assert.equal(sandbox.messages()[0]?.status, 'accepted', 'MESH still has it');
  });

  it('in a shared folder are still found after the setting is changed', async () => {
    const sandbox = await tlsSandbox();
    const [url, schema, spoolFolder] = [await postgresUrl(), newSchema(), await emptyFolder()];
    afterThisTest(() => dropSchema(schema));
    const bytes = randomBytes(MIB);
    const open = async (largePayloads: 'folder' | 'database'): Promise<Storage> => {
      const storage = await openStorage({ folder: await emptyFolder(), url, schema, spoolFolder, largePayloads });
      afterThisTest(() => storage.close());
      return storage;
    };
    const before = await open('folder');
    const { message } = await outboxAt(sandbox, { storage: before }).outbox.enqueue(letter(bytes));
    await before.close();
    const mailbox = outboxAt(sandbox, { storage: await open('database') });
    mailbox.start();
    const { message: next } = await mailbox.outbox.enqueue(letter(bytes));
    for (const { id } of [message, next]) await mailbox.outbox.accepted(id);
    assert.deepEqual(
      (await spooledIn(spoolFolder)).filter((name) => !name.startsWith('probe-')),
      [`out-${before.spool.tag(mailbox.storeKey, message.id)}`],
    );
  });

  it('need a store in PostgreSQL', async () => {
    const refused = await failure(
      ConfigurationError,
      openStorage({ folder: await emptyFolder(), largePayloads: 'database' }),
    );
    assert.match(refused.message, /only if the store is PostgreSQL/);
  });
});

describe('slices', function () {
  this.timeout(60_000);
  let slices: PayloadSlices;
  let schema: string;
  let store: Awaited<ReturnType<typeof openPostgresStore>>;

  beforeEach(async () => {
    schema = newSchema();
    store = await openPostgresStore({ url: await postgresUrl(), schema });
    afterThisTest(async () => {
      await store.close();
      await dropSchema(schema);
    });
    assert.ok(store.slices);
    slices = store.slices;
  });

  async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  const read = async (name: string, start: number, end: number): Promise<Buffer> => {
    const found: Buffer[] = [];
    for await (const piece of slices.read(name, start, end)) found.push(piece);
    return Buffer.concat(found);
  };

  it('return any range of the written bytes, whatever pieces they came in', async () => {
    const bytes = randomBytes(2 * SLICE_BYTES + 1000);
    for (const size of [bytes.length, 700_001]) {
      const name = `of ${size}`;
      assert.equal(await slices.write(name, pieces(bytes, size)), bytes.length);
      const place = integer({ min: 0, max: bytes.length });
      await holds(
        asyncProperty(place, place, async (one, other) => {
          const [start, end] = [Math.min(one, other), Math.max(one, other)];
          assert.ok((await read(name, start, end)).equals(bytes.subarray(start, end)));
        }),
        { numRuns: 8 },
      );
    }
  });

  it('of a payload whose source fails are removed', async () => {
    const broken = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(2 * SLICE_BYTES);
      throw new Error('broken off');
    };
    await assert.rejects(slices.write('broken', broken()), /broken off/);
    assert.equal(await slices.has('broken'), false);
    assert.equal((await read('broken', 0, 10)).length, 0);
  });

  const HOUR = DAY / 24;
  const retention = { settledPayloadMs: DAY, unsettledPayloadMs: 30 * DAY, rowsMs: 30 * DAY, ledgerMs: 30 * DAY };
  const areThere = (names: readonly string[]): Promise<boolean[]> => Promise.all(names.map((name) => slices.has(name)));

  it('of a payload left unfinished by a kill are removed a day later; those that a row names never', async () => {
    const names = ['unfinished', 'sent', 'received'];
    for (const name of names) await slices.write(name, pieces(Buffer.alloc(100_000, 1), 50_000));
    await enqueued(store, { payload: { kind: 'spool', name: 'sent' } });
    await received(store, 'delivered', {}, { payload: { kind: 'spool', name: 'received' } });
    await store.purge(Date.now() + 23 * HOUR, retention);
    assert.deepEqual(await areThere(names), [true, true, true]);
    await store.purge(Date.now() + 25 * HOUR, retention);
    assert.deepEqual(await areThere(names), [false, true, true]);
    await slices.remove(['sent', 'not there']);
    assert.equal(await slices.has('sent'), false);
  });

  it('are removed by the confirmed time alone: a database whose clock jumps ahead loses none', async () => {
    await slices.write('begun', pieces(Buffer.alloc(100_000, 1), 50_000));
    // The database's clock is 450 days ahead of what was written, and of the time that is confirmed.
    await onServer(`UPDATE "${schema}".payload SET begun_at = begun_at - 450 * 24 * 3600e3`);
    await store.purge(Date.now() - 450 * DAY + HOUR, retention);
    assert.equal(await slices.has('begun'), true);
    await store.purge(Date.now() - 449 * DAY + HOUR, retention);
    assert.equal(await slices.has('begun'), false);
  });

  it('count from the later of the confirmed time and the database’s clock: a time that catches up removes none', async () => {
    // No instance ran for a month: the confirmed time is from before, until MESH confirms a later one.
    await store.trustTime(Date.now() - 30 * DAY, true);
    await slices.write('being written', pieces(Buffer.alloc(100_000, 1), 50_000));
    await store.purge(Date.now(), retention);
    assert.equal(await slices.has('being written'), true);
    // The database's clock is behind.
    await store.trustTime(Date.now() + 30 * DAY, true);
    await slices.write('too', pieces(Buffer.alloc(100_000, 1), 50_000));
    await store.purge(Date.now() + 30 * DAY + HOUR, retention);
    assert.deepEqual(await areThere(['being written', 'too']), [false, true]);
  });
});
