/** Mailboxes that several instances have open on one PostgreSQL, with a real sandbox. */
import assert from 'node:assert/strict';
import { ConfigurationError, openStorage, type Storage } from '../../../lib/index';
import { randomBytes, randomUUID } from 'node:crypto';
import { systemClock } from '../../../lib/clock';
import { setRandomness } from '../../../lib/random';
import { uuidOfTime } from '../../../lib/uuid';
import { InterruptedMessages } from '../../../lib/send/interrupted-messages';
import { settleLate } from '../../../lib/send/late-response';
import { openPostgresStore } from '../../../lib/store/postgres/open-postgres-store';
import type { Store } from '../../../lib/store/store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { consumer } from '../../harness/consumer';
import { failure } from '../../harness/failure';
import { letter, outboxAt, storageIn, tlsSandbox } from '../../harness/outboxes';
import { dropSchema, newSchema, postgresUrl } from '../../harness/postgres';
import { eventually } from '../../harness/until';
import { inState, MAILBOX } from '../contract/support';

/** Opens the storage of several instances: one schema, one spool folder. */
async function storages(count: number): Promise<Storage[]> {
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
  const [one, other] = await storages(2);
  assert.ok(one && other);
  return [one, other];
}

describe('a mailbox of two instances', () => {
  it('sends the messages of both instances once, through one of them, and both learn the outcome', async () => {
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

  it('sends in strict order what both enqueue, although the clock of one lags by 50 ms', async () => {
    const sandbox = await tlsSandbox();
    const [one, other] = (await two()).map((storage) => outboxAt(sandbox, { storage }));
    assert.ok(one && other);
    afterThisTest(() => setRandomness());
    const ids: string[] = [];
    // A millisecond apart, however long each takes on a busy machine.
    const began = Date.now();
    for (let n = 0; n < 20; n += 1) {
      const lagMs = n % 2 === 0 ? 0 : 50;
      const uuidv7 = (): string => uuidOfTime(began + n - lagMs, 0, randomBytes(8));
      setRandomness({ number: Math.random, bytes: randomBytes, uuid: randomUUID, uuidv7 });
      const { message } = await (n % 2 === 0 ? one : other).outbox.enqueue(letter(), { strictOrder: true });
      ids.push(message.id);
    }
    for (const mailbox of [one, other]) mailbox.start();
    await one.outbox.accepted(ids.at(-1) ?? '');
    assert.deepEqual(
      sandbox.messages().map(({ localId }) => localId),
      ids,
    );
  }).timeout(30_000);

  it('is not counted again at every notification of the other instance', async () => {
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
    // It gets 300 notifications of the other instance, and counts once a second.
    assert.ok(counts <= 4 + seconds * 1.2, `${counts} counts in ${seconds} s`);
  }).timeout(60_000);

  it('is taken over when the sending instance closes', async () => {
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
    assert.ok(one.eventsOf(queued.message.id).includes('accepted'), 'the first has sent it');
    await one.close();
    await first.close();
    const next = await other.outbox.enqueue(letter());
    await other.outbox.accepted(next.message.id);
    assert.ok(other.eventsOf(next.message.id).includes('accepted'), 'now the second has sent it');
  }).timeout(30_000);

  it('delivers once, on the polling instance; mesh-ack works on the other, and the next message follows', async () => {
    const sandbox = await tlsSandbox();
    const opened = (await two()).map((storage) => outboxAt(sandbox, { storage, mailboxId: 'X26ABC2' }));
    const [one, other] = opened.map((mailbox) => mailbox.inbox({ minimumIntervalMs: 0 }));
    assert.ok(one && other);
    for (const inbox of [one, other]) afterThisTest(() => inbox.close());
    const alice = outboxAt(sandbox, { storage: await storageIn() });
    for (const text of ['first', 'second']) await alice.send(letter(text));
    const [polls, waits] = [consumer({ maxLeases: 1 }), consumer({ maxLeases: 1 })];
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

  it('delivers again at once when the delivering instance is gone, with its deliveryCount', async () => {
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

  it('cannot be opened when the spool folder is not shared: the error names the cause', async () => {
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

describe('a message left in the state sending', () => {
  const store = async (): Promise<Store> => {
    const [url, schema] = [await postgresUrl(), newSchema()];
    afterThisTest(() => dropSchema(schema));
    const opened = await openPostgresStore({ url, schema });
    afterThisTest(() => opened.close());
    return opened;
  };

  it('is recovered only once it has been unchanged for the whole settle wait', async () => {
    const shared = await store();
    const id = await inState(shared, 'sending', { attempts: 1 });
    let now = 1000;
    const recovered: string[] = [];
    const clock = { ...systemClock, now: () => now, steady: () => now };
    const parts = { store: shared, mailbox: MAILBOX, clock };
    const interrupted = new InterruptedMessages(parts, 500);
    const recover = async (): Promise<void> => {
      for await (const { row } of interrupted.due()) recovered.push(row.id);
    };
    await recover();
    now += 499;
    await recover();
    assert.deepEqual([recovered, interrupted.nextTime], [[], 1500]);
    // Another instance has begun another attempt.
    await shared.changeOutgoing(id, ['sending'], { attempts: 2 });
    now += 1;
    await recover();
    assert.deepEqual(recovered, []);
    now += 500;
    await recover();
    assert.deepEqual(recovered, [id]);
  });

  const late = async (shared: Store, id: string, messageId: string) => {
    const row = await shared.getOutgoing(id);
    assert.ok(row);
    return settleLate(shared, row, { change: { state: 'accepted', messageId }, event: 'accepted' }, 5000);
  };

  it('is accepted by a response that comes after it was recovered as unknown', async () => {
    const shared = await store();
    const id = await inState(shared, 'unknown');
    assert.equal((await late(shared, id, 'M1'))?.event, 'accepted');
    assert.deepEqual((await shared.getOutgoing(id))?.messageId, 'M1');
    assert.equal(await late(shared, id, 'M1'), undefined, 'the same response changes nothing');
  });

  it('is reported as a duplicate when MESH has accepted it under another id, or it was dropped', async () => {
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
