/** Leases of the durable inbox, in scaled time: an hour passes when the test says so. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionError, InvalidMessageError, PayloadError, type Mailbox } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { consumer, idle, pollAndWait, type TestConsumer } from '../harness/consumer';
import { until } from '../harness/mailboxes';
import { eventsOf, inboxOf, rowsOf, statesOf, world, type StorageFolder } from './durable-support';

const HOUR = 60 * 60 * 1000;

/** A clock that stands until it is told to go on. */
function standingClock(): {
  now: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  pass: (ms: number) => void;
} {
  let time = Date.now();
  return {
    now: () => time,
    sleep: (_ms, signal) => sleep(3, undefined, { signal }).catch(() => undefined),
    pass: (ms) => void (time += ms),
  };
}

describe('a lease of the durable inbox', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let storage: StorageFolder;
  let clock: ReturnType<typeof standingClock>;
  beforeEach(async () => {
    ({ server, alice, storage } = await world());
    clock = standingClock();
  });
  const many = async (count: number, workflowId = 'WF'): Promise<string[]> => {
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) {
      ids.push((await alice.send({ to: 'X26ABC2', workflowId, payload: 'x' })).messageId);
    }
    return ids;
  };
  const counts = (one: TestConsumer): number[] => one.deliveries.map(({ deliveryCount }) => deliveryCount);

  it('of an hour ends after an hour: the message comes from the store again, with its count, until it is parked', async () => {
    const [id = ''] = await many(1);
    const one = consumer();
    const inbox = inboxOf(server, storage, { clock, maxDeliveries: 3 });
    inbox.add(one);
    await pollAndWait(inbox, one);
    for (const deliveries of [2, 3]) {
      clock.pass(HOUR - 1);
      await sleep(30);
      assert.equal(one.deliveries.length, deliveries - 1);
      clock.pass(1);
      await until('the next delivery', () => one.deliveries.length === deliveries);
    }
    await idle(one);
    clock.pass(HOUR);
    await until('it to be parked', () => one.parkedOnes.length === 1);
    await idle(one);
    assert.deepEqual(counts(one), [1, 2, 3]);
    assert.deepEqual(one.parkedOnes, [{ messageId: id, error: undefined, deliveryCount: 3 }]);
    assert.equal((await rowsOf(server, storage))[0]?.error?.code, 'MESH_NOT_ACKNOWLEDGED');
    clock.pass(10 * HOUR);
    await pollAndWait(inbox, one);
    await sleep(30);
    assert.equal(one.deliveries.length, 3);
    assert.equal(server.requests().filter(({ operation }) => operation === 'retrieve_message').length, 1);
    assert.deepEqual(await eventsOf(server, storage, id), [
      'spooled',
      'acknowledged',
      'delivered',
      'delivered',
      'delivered',
      'parked',
    ]);
  });

  it('does not end for what is done in time, and the others come again in their order, before what waits', async () => {
    const ids = await many(5);
    const one = consumer({ maxInFlight: 3 });
    const inbox = inboxOf(server, storage, { clock });
    inbox.add(one);
    await pollAndWait(inbox, one);
    await inbox.acknowledge(ids[1] ?? '');
    await until('the fourth', () => one.deliveries.length === 4);
    await idle(one);
    clock.pass(HOUR);
    await until('three again', () => one.deliveries.length === 7);
    await idle(one);
    assert.deepEqual(
      one.ids(),
      [0, 1, 2, 3, 0, 2, 3].map((index) => ids[index]),
    );
    assert.equal(one.deliveries.length, 7);
    assert.deepEqual([one.states.at(-1)?.inFlight, one.states.at(-1)?.waiting], [3, 1]);
  });

  it('begins when deliver is through', async () => {
    await many(1);
    let release = (): void => undefined;
    const one = consumer({ deliver: () => new Promise<void>((resolve) => (release = resolve)) });
    const inbox = inboxOf(server, storage, { clock });
    inbox.add(one);
    inbox.poll();
    await until('the delivery', () => one.deliveries.length === 1);
    clock.pass(5 * HOUR);
    await sleep(30);
    assert.equal(one.deliveries.length, 1);
    release();
    await idle(one);
    clock.pass(HOUR - 1);
    await sleep(30);
    assert.equal(one.deliveries.length, 1);
    clock.pass(1);
    await until('the second delivery', () => one.deliveries.length === 2);
    release();
  });

  it('holds what was not taken for now', async () => {
    const [id = ''] = await many(1);
    let refuse = true;
    const one = consumer({
      deliver: () => (refuse ? Promise.reject(new ConnectionError('later')) : Promise.resolve()),
    });
    const inbox = inboxOf(server, storage, { clock });
    inbox.add(one);
    for (let n = 0; n < 2; n += 1) await pollAndWait(inbox, one);
    assert.equal(one.deliveries.length, 1);
    assert.equal(one.failures[0]?.messageId, id);
    refuse = false;
    clock.pass(HOUR);
    await until('the second delivery', () => one.deliveries.length === 2);
    assert.deepEqual(counts(one), [1, 2]);
    assert.deepEqual(one.parkedOnes, []);
  });

  for (const [what, error, kind] of [
    ['for good', new PayloadError('never'), PayloadError],
    ['because the code that takes it fails', new TypeError('oops'), InvalidMessageError],
  ] as const) {
    it(`holds nothing that was not taken ${what}: it is parked at once, and the next one comes`, async () => {
      const ids = await many(2);
      const one = consumer({
        deliver: async ({ received }) => {
          if (received.message.messageId === ids[0]) throw error;
        },
      });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), ids);
      assert.equal(one.parkedOnes[0]?.messageId, ids[0]);
      assert.equal(one.parkedOnes[0]?.deliveryCount, 1);
      assert.ok(one.parkedOnes[0]?.error instanceof kind);
      assert.deepEqual(await statesOf(server, storage), ['parked', 'delivered']);
    });
  }

  describe('after a redeploy', () => {
    it('still holds, for the same inbox and for a new one, until it ends', async () => {
      const ids = await many(2);
      const before = consumer();
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(before);
      await pollAndWait(inbox, before);
      inbox.remove(before);
      const after = consumer();
      inbox.add(after);
      await pollAndWait(inbox, after);
      assert.deepEqual(after.ids(), []);
      await inbox.close();
      const next = consumer();
      const again = inboxOf(server, storage, { clock, freshStart: false });
      again.add(next);
      await pollAndWait(again, next);
      assert.deepEqual(next.ids(), []);
      await again.acknowledge(ids[0] ?? '');
      clock.pass(HOUR);
      await until('the other one', () => next.deliveries.length === 1);
      assert.deepEqual([next.ids(), counts(next)], [ids.slice(1), [2]]);
    });

    it('does not hold what waited for the consumer that went: the next one gets it', async () => {
      const ids = await many(3);
      const before = consumer({ maxInFlight: 1 });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(before);
      await pollAndWait(inbox, before);
      inbox.remove(before);
      const after = consumer();
      inbox.add(after);
      await until('the others', () => after.deliveries.length === 2);
      assert.deepEqual([after.ids(), counts(after)], [ids.slice(1), [1, 1]]);
    });

    it('parked messages stay parked', async () => {
      await many(1);
      const before = consumer({ deliver: () => Promise.reject(new PayloadError('no')) });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(before);
      await pollAndWait(inbox, before);
      inbox.remove(before);
      const after = consumer();
      inbox.add(after);
      await pollAndWait(inbox, after);
      assert.deepEqual(after.deliveries, []);
    });
  });

  describe('after a restart', () => {
    it('is free at once: what was in flight comes again with its count, what waited for the first time, in order', async () => {
      const ids = await many(6);
      const before = consumer({ maxInFlight: 3 });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(before);
      await pollAndWait(inbox, before);
      await inbox.acknowledge(ids[0] ?? '');
      await until('the fourth', () => before.deliveries.length === 4);
      await inbox.close();
      await storage.reopen();
      // The machine's clock was set back.
      clock.pass(-5 * HOUR);
      const after = consumer();
      const again = inboxOf(server, storage, { clock });
      again.add(after);
      await until('five', () => after.deliveries.length === 5);
      await idle(after);
      assert.deepEqual([after.ids(), counts(after)], [ids.slice(1), [2, 2, 2, 1, 1]]);
      const late = await many(1);
      await pollAndWait(again, after);
      assert.deepEqual(after.ids().slice(5), late);
      for (const id of [...ids, ...late]) await again.acknowledge(id);
      assert.deepEqual([...new Set(await statesOf(server, storage))], ['done']);
    });

    it('counts deliveries on: what was delivered often enough is parked', async () => {
      await many(1);
      for (let start = 1; start <= 3; start += 1) {
        const one = consumer();
        const inbox = inboxOf(server, storage, { clock, maxDeliveries: 2 });
        inbox.add(one);
        await pollAndWait(inbox, one);
        assert.deepEqual(counts(one), start <= 2 ? [start] : []);
        assert.equal(one.parkedOnes.length, start <= 2 ? 0 : 1);
        await inbox.close();
        await storage.reopen();
      }
    });

    it('MESH is told what it was not told before', async () => {
      await many(2);
      server.fault({ operation: 'acknowledge_message', times: 2, effect: { kind: 'status', status: 503 } });
      const one = consumer({ maxInFlight: 1 });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.deepEqual(await statesOf(server, storage), ['delivered', 'spooled']);
      await inbox.close();
      await storage.reopen();
      // Only with what the store says: the inbox may not be listed yet.
      const after = consumer();
      const again = inboxOf(server, storage, { clock, minimumIntervalMs: HOUR });
      again.add(after);
      server.clearFaults();
      assert.equal(again.poll().started, false);
      await until('MESH to be told', () => server.messages().every(({ status }) => status === 'acknowledged'));
      await idle(after);
      assert.deepEqual(counts(after), [2, 1]);
    });
  });
});
