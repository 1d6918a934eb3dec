/** Mailboxes that several instances have open on one PostgreSQL, at a real sandbox. */
import assert from 'node:assert/strict';
import { ConfigurationError, openStorage, type Storage } from '../../../lib/index';
import { systemClock } from '../../../lib/clock';
import { Interrupted } from '../../../lib/send/interrupted';
import { settleLate } from '../../../lib/send/late-response';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import type { Store } from '../../../lib/store/store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { consumer } from '../../harness/consumer';
import { failure } from '../../harness/failure';
import { eventually, letter, outboxAt, storageIn, tlsSandbox } from '../../harness/outboxes';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { inState, MAILBOX } from '../contract/support';

/** States of several instances: one schema, one spool folder. */
async function states(count: number): Promise<Storage[]> {
  const [url, schema, spoolFolder] = [await postgresUrl(), newSchema(), await emptyFolder()];
  afterThisTest(() => dropSchema(schema));
  const made: Storage[] = [];
  for (let i = 0; i < count; i += 1) {
    const storage = await openStorage({ folder: await emptyFolder(), url, schema, spoolFolder });
    afterThisTest(() => storage.close());
    made.push(storage);
  }
  return made;
}

async function two(): Promise<[Storage, Storage]> {
  const [one, other] = await states(2);
  assert.ok(one && other);
  return [one, other];
}

describe('a mailbox of two instances', () => {
  it('sends what either takes, through one of them, once, and both learn of it', async () => {
    const sandbox = await tlsSandbox();
    const [one, other] = (await two()).map((storage) => outboxAt(sandbox, { storage }));
    assert.ok(one && other);
    for (const mailbox of [one, other]) mailbox.start();
    const bytes = Buffer.alloc(100_000, 7);
    const sent = await Promise.all(
      [one, other, one, other].map(async (mailbox, index) => {
        const { message } = await mailbox.outbox.enqueue(letter(index < 2 ? 'letter' : bytes));
        return mailbox.outbox.accepted(message.id);
      }),
    );
    assert.equal(new Set(sent.map(({ messageId }) => messageId)).size, 4);
    const senders = [one, other].filter(({ events }) => events.some(({ event }) => event === 'accepted'));
    assert.equal(senders.length, 1, 'one sender');
  }).timeout(30_000);

  it('is not counted anew at every notice of what the other takes', async () => {
    const sandbox = await tlsSandbox();
    const [first, second] = await two();
    const { store } = second;
    let counts = 0;
    const countOutgoing: Store['countOutgoing'] = (mailbox) => {
      counts += 1;
      return store.countOutgoing(mailbox);
    };
    const one = outboxAt(sandbox, { storage: first });
    one.start();
    const waits = outboxAt(sandbox, { storage: { ...second, store: { ...store, countOutgoing } } });
    waits.start();
    const began = performance.now();
    const ids: string[] = [];
    for (let i = 0; i < 100; i += 1) ids.push((await one.outbox.enqueue(letter())).message.id);
    await Promise.all(ids.map((id) => one.outbox.accepted(id)));
    const seconds = (performance.now() - began) / 1000;
    // Of 300 changes of the other it is told, and counts once a second.
    assert.ok(counts <= 4 + seconds * 1.2, `${counts} counts in ${seconds} s`);
  }).timeout(60_000);

  it('is taken over when the one that sends is closed', async () => {
    const sandbox = await tlsSandbox();
    const [first, second] = await two();
    const one = outboxAt(sandbox, { storage: first });
    one.start();
    const { message } = await one.outbox.enqueue(letter());
    await one.outbox.accepted(message.id);
    const other = outboxAt(sandbox, { storage: second });
    other.start();
    const queued = await other.outbox.enqueue(letter());
    await other.outbox.accepted(queued.message.id);
    assert.ok(one.eventsOf(queued.message.id).includes('accepted'), 'the first sends it');
    await one.close();
    await first.close();
    const next = await other.outbox.enqueue(letter());
    await other.outbox.accepted(next.message.id);
    assert.ok(other.eventsOf(next.message.id).includes('accepted'), 'now the second does');
  }).timeout(30_000);

  it('delivers once, on the instance that polls; mesh-ack works on the other, and lets the next one come', async () => {
    const sandbox = await tlsSandbox();
    const opened = (await two()).map((state) => outboxAt(sandbox, { storage: state, mailboxId: 'X26ABC2' }));
    const [one, other] = opened.map((mailbox) => mailbox.inbox({ minimumIntervalMs: 0 }));
    assert.ok(one && other);
    for (const inbox of [one, other]) afterThisTest(() => inbox.close());
    const alice = outboxAt(sandbox, { storage: await storageIn() });
    for (const text of ['first', 'second']) await alice.send(letter(text));
    const [polls, waits] = [consumer({ maxInFlight: 1 }), consumer({ maxInFlight: 1 })];
    one.add(polls);
    one.poll();
    await eventually('the first is delivered', () => polls.deliveries.length === 1);
    other.add(waits);
    other.poll();
    const messageId = (index: number): string => polls.deliveries[index]?.received.message.messageId ?? '';
    await other.acknowledge(messageId(0));
    await eventually('the second is delivered', () => polls.deliveries.length === 2);
    await other.acknowledge(messageId(1));
    assert.deepEqual(
      polls.deliveries.map(({ deliveryCount }) => deliveryCount),
      [1, 1],
    );
    assert.equal(waits.deliveries.length, 0);
  }).timeout(30_000);

  it('delivers again at once what was in flight on an instance that is gone, with its count', async () => {
    const sandbox = await tlsSandbox();
    const [first, second] = await two();
    const bob = { mailboxId: 'X26ABC2' };
    const [one, other] = [
      outboxAt(sandbox, { storage: first, ...bob }),
      outboxAt(sandbox, { storage: second, ...bob }),
    ];
    await outboxAt(sandbox, { storage: await storageIn() }).send(letter());
    const [leaves, stays] = [one.inbox({ minimumIntervalMs: 0 }), other.inbox({ minimumIntervalMs: 0 })];
    afterThisTest(() => stays.close());
    const [before, after] = [consumer(), consumer()];
    leaves.add(before);
    leaves.poll();
    await eventually('it is delivered', () => before.deliveries.length === 1);
    stays.add(after);
    await leaves.close();
    await one.close();
    await first.close();
    await eventually('it is delivered again', () => after.deliveries.length === 1);
    assert.equal(after.deliveries[0]?.deliveryCount, 2);
  }).timeout(30_000);

  it('cannot be opened where the spool folder is not shared: the error says so', async () => {
    const [url, schema] = [await postgresUrl(), newSchema()];
    afterThisTest(() => dropSchema(schema));
    const open = async () => openStorage({ folder: await emptyFolder(), url, schema });
    const first = await open();
    const error = await failure(ConfigurationError, open());
    assert.match(error.message, /spool folder is not the one/);
    await first.close();
    await (await open()).close();
  });
});

describe('what was left in the sending', () => {
  const store = async (): Promise<Store> => {
    const [url, schema] = [await postgresUrl(), newSchema()];
    afterThisTest(() => dropSchema(schema));
    const opened = await openPostgresStore({ url, schema });
    afterThisTest(() => opened.close());
    return opened;
  };

  it('is judged only when it has been seen unchanged for the whole settle wait', async () => {
    const shared = await store();
    const id = await inState(shared, 'sending', { attempts: 1 });
    let now = 1000;
    const judged: string[] = [];
    const clock = { ...systemClock, now: () => now };
    const parts = { store: shared, mailbox: MAILBOX, clock };
    const interrupted = new Interrupted(parts, 500, async (row) => void judged.push(row.id));
    await interrupted.recoverInterrupted(() => false);
    now += 499;
    await interrupted.recoverInterrupted(() => false);
    assert.deepEqual([judged, interrupted.nextTime], [[], 1500]);
    // Another attempt of another instance.
    await shared.changeOutgoing(id, ['sending'], { attempts: 2 });
    now += 1;
    await interrupted.recoverInterrupted(() => false);
    assert.deepEqual(judged, []);
    now += 500;
    await interrupted.recoverInterrupted(() => false);
    assert.deepEqual(judged, [id]);
  });

  const late = async (shared: Store, id: string, messageId: string) => {
    const row = await shared.getOutgoing(id);
    assert.ok(row);
    return settleLate(shared, row, { change: { state: 'accepted', messageId }, event: 'accepted' }, 5000);
  };

  it('is accepted by an answer that comes after it was judged unknown', async () => {
    const shared = await store();
    const id = await inState(shared, 'unknown');
    assert.equal((await late(shared, id, 'M1'))?.event, 'accepted');
    assert.deepEqual((await shared.getOutgoing(id))?.messageId, 'M1');
    assert.equal(await late(shared, id, 'M1'), undefined, 'the same answer is no news');
  });

  it('is told as a duplicate where MESH has accepted it under another id, or it was given up: in the ledger too', async () => {
    const shared = await store();
    for (const id of [
      await inState(shared, 'accepted', { messageId: 'M1' }),
      await inState(shared, 'acknowledged', { messageId: 'M1' }),
      await inState(shared, 'closed'),
    ]) {
      assert.equal((await late(shared, id, 'M2'))?.event, 'duplicate');
      const last = (await shared.history(MAILBOX, id)).at(-1);
      assert.deepEqual([last?.event, last?.messageId, last?.detail['accepted']], ['duplicate', 'M2', 'M2']);
      assert.notEqual((await shared.getOutgoing(id))?.messageId, 'M2');
    }
  });
});
