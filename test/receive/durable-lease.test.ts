/** Leases of delivered messages, in controlled time: an hour passes when the test says so. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionError, InvalidMessageError, PayloadError, type Mailbox } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { consumer, idle, pollAndWait, type TestConsumer } from '../harness/consumer';
import { until } from '../harness/until';
import { eventsOf, inboxOf, rowsOf, statesOf, world, type StorageFolder } from './durable-support';

const HOUR = 60 * 60 * 1000;

/** A clock that stands still until `pass` moves it; `set` moves its wall time only. */
function standingClock(): {
  now: () => number;
  steady: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  pass: (ms: number) => void;
  set: (ms: number) => void;
} {
  let wall = Date.now();
  let steady = 0;
  return {
    now: () => wall,
    steady: () => steady,
    sleep: (_ms, signal) => sleep(3, undefined, { signal }).catch(() => undefined),
    pass(ms) {
      steady += ms;
      wall += ms;
    },
    set: (ms) => void (wall += ms),
  };
}

describe('the lease of a delivered message', () => {
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

  it('ends after an hour: the message is redelivered from the store with its count, until it is parked', async () => {
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
    await until('it to be parked', () => one.parkedMessages.length === 1);
    await idle(one);
    assert.deepEqual(counts(one), [1, 2, 3]);
    assert.deepEqual(one.parkedMessages, [{ messageId: id, error: undefined, deliveryCount: 3 }]);
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

  it('is over for an ended message; others are redelivered in order, before pending deliveries', async () => {
    const ids = await many(5);
    const one = consumer({ maxLeases: 3 });
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
    assert.deepEqual([one.states.at(-1)?.leased, one.states.at(-1)?.pending], [3, 1]);
  });

  it('starts when deliver has ended', async () => {
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

  it('holds a message that the consumer cannot take for now', async () => {
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
    assert.deepEqual(one.parkedMessages, []);
  });

  for (const [what, error, kind] of [
    ['the consumer can never take', new PayloadError('never'), PayloadError],
    ['the consumer’s code fails on', new TypeError('oops'), InvalidMessageError],
  ] as const) {
    it(`does not hold a message that ${what}: it is parked at once, and the next one is delivered`, async () => {
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
      assert.equal(one.parkedMessages[0]?.messageId, ids[0]);
      assert.equal(one.parkedMessages[0]?.deliveryCount, 1);
      assert.ok(one.parkedMessages[0]?.error instanceof kind);
      assert.deepEqual(await statesOf(server, storage), ['parked', 'delivered']);
    });
  }

  describe('after a redeploy', () => {
    it('runs on until it ends, in the same inbox and in a new one', async () => {
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

    it('does not cover pending deliveries of the removed consumer: the next one receives them', async () => {
      const ids = await many(3);
      const before = consumer({ maxLeases: 1 });
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
    it('ends at once: leased messages are redelivered with their count, then pending ones, in order', async () => {
      const ids = await many(6);
      const before = consumer({ maxLeases: 3 });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(before);
      await pollAndWait(inbox, before);
      await inbox.acknowledge(ids[0] ?? '');
      await until('the fourth', () => before.deliveries.length === 4);
      await inbox.close();
      await storage.reopen();
      // The machine's clock was set back.
      clock.set(-5 * HOUR);
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

    it('keeps counting deliveries: a message delivered the maximum number of times is parked', async () => {
      await many(1);
      for (let start = 1; start <= 3; start += 1) {
        const one = consumer();
        const inbox = inboxOf(server, storage, { clock, maxDeliveries: 2 });
        inbox.add(one);
        await pollAndWait(inbox, one);
        assert.deepEqual(counts(one), start <= 2 ? [start] : []);
        assert.equal(one.parkedMessages.length, start <= 2 ? 0 : 1);
        await inbox.close();
        await storage.reopen();
      }
    });

    it('missing acknowledgements to MESH are made', async () => {
      await many(2);
      server.fault({ operation: 'acknowledge_message', times: 2, effect: { kind: 'status', status: 503 } });
      const one = consumer({ maxLeases: 1 });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.deepEqual(await statesOf(server, storage), ['delivered', 'spooled']);
      await inbox.close();
      await storage.reopen();
      // From the store alone: the inbox may not be listed yet.
      const after = consumer();
      const again = inboxOf(server, storage, { clock, minimumIntervalMs: HOUR });
      again.add(after);
      server.clearFaults();
      assert.equal(again.poll().started, false);
      await until('the acknowledgements', () => server.messages().every(({ status }) => status === 'acknowledged'));
      await idle(after);
      assert.deepEqual(counts(after), [2, 1]);
    });
  });
});
