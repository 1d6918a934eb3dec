/** Parked messages on request, refused deliveries, and acknowledgements whose commit a kill prevented. */
import assert from 'node:assert/strict';
import {
  InvalidMessageError,
  NotFoundError,
  PayloadError,
  UnavailableError,
  type InboxPoller,
  type Mailbox,
} from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { steppedClock } from '../harness/clocks';
import { consumer, pollAndWait, type TestConsumer } from '../harness/consumer';
import { failure } from '../harness/failure';
import { operations } from '../harness/mailboxes';
import { until } from '../harness/until';
import { eventsOf, inboxOf, keyOf, rowsOf, statesOf, world, type StorageFolder } from './durable-support';

describe('the durable inbox', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let storage: StorageFolder;
  beforeEach(async () => ({ server, alice, storage } = await world()));

  const send = async (workflowId = 'WF', payload = 'letter'): Promise<string> =>
    (await alice.send({ to: 'X26ABC2', workflowId, payload })).messageId;
  const counts = (one: TestConsumer): number[] => one.deliveries.map(({ deliveryCount }) => deliveryCount);
  const listParked = async (inbox: InboxPoller) => {
    const found = [];
    for await (const each of inbox.parked()) found.push(each);
    return found;
  };

  it('delivers a message that is leased or done again now at a person’s request, as long as its payload is kept', async () => {
    const messageId = await send();
    const one = consumer();
    const inbox = inboxOf(server, storage, { maxDeliveries: 2 });
    inbox.add(one);
    await pollAndWait(inbox, one);
    // Its lease runs for an hour.
    await inbox.deliverNow(messageId);
    await until('the second delivery', () => one.deliveries.length === 2);
    await inbox.acknowledge(messageId);
    // It was delivered as often as allowed, and is not parked for that.
    await inbox.deliverNow(messageId);
    await until('the third delivery', () => one.deliveries.length === 3);
    assert.deepEqual(await statesOf(server, storage), ['delivered']);
    assert.equal(one.parkedMessages.length, 0);
    await inbox.acknowledge(messageId);
    assert.deepEqual(await statesOf(server, storage), ['done']);
    await failure(NotFoundError, inbox.deliverNow('20260101000000000000_000000'));
    // Retention has removed its payload.
    await storage.store.changeIncoming(keyOf(server), messageId, ['done'], { payload: null });
    await failure(PayloadError, inbox.deliverNow(messageId));
  });

  describe('a parked message', () => {
    it('is listed, and redelivered on request at least once, with a higher count', async () => {
      const [messageId, other] = [await send(), await send()];
      const clock = steppedClock();
      const one = consumer();
      const inbox = inboxOf(server, storage, { clock, maxDeliveries: 2, leaseMs: 60_000 });
      inbox.add(one);
      await pollAndWait(inbox, one);
      await inbox.acknowledge(other);
      for (const count of [2, 3]) {
        clock.advance(61_000);
        await until('the next', () => one.deliveries.length + one.parkedMessages.length === count + 1);
      }
      assert.deepEqual(await statesOf(server, storage), ['parked', 'done']);
      assert.deepEqual(
        (await listParked(inbox)).map((each) => [each.message.messageId, each.error.code, each.deliveryCount]),
        [[messageId, 'MESH_NOT_ACKNOWLEDGED', 2]],
      );
      await inbox.redeliver(messageId);
      await until('the delivery', () => one.deliveries.length === 4);
      assert.deepEqual(await listParked(inbox), []);
      assert.deepEqual(counts(one), [1, 1, 2, 2]);
      await inbox.acknowledge(messageId);
      assert.deepEqual(await statesOf(server, storage), ['done', 'done']);
      assert.ok((await eventsOf(server, storage, messageId)).includes('redelivery asked for'));
    });

    it('that was never delivered can be parked again, or delivered after a restart ahead of later ones', async () => {
      const one = consumer({ maxLeases: 1 });
      const messageId = await send('WF', 'too large for a Buffer');
      let inbox = inboxOf(server, storage, { maxBufferBytes: 10 });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.deepEqual(await statesOf(server, storage), ['parked']);
      await inbox.redeliver(messageId);
      await until('parked again', () => one.parkedMessages.length === 2);
      await inbox.close();
      await storage.reopen();

      const blocker = await send();
      const later = await send();
      const other = consumer({ maxLeases: 1 });
      inbox = inboxOf(server, storage);
      inbox.add(other);
      await pollAndWait(inbox, other);
      assert.deepEqual(other.ids(), [blocker]);
      await inbox.redeliver(messageId);
      assert.equal(other.states.at(-1)?.pending, 2);
      for (const id of [blocker, messageId, later]) {
        await inbox.acknowledge(id);
        await until('the next', () => other.ids().includes(id === blocker ? messageId : later));
      }
      assert.deepEqual(other.ids(), [blocker, messageId, later]);
      assert.deepEqual(await statesOf(server, storage), ['done', 'done', 'done']);
      assert.equal(other.states.at(-1)?.pending, 0);
    });

    it('is downloaded again if its download had failed', async () => {
      const messageId = await send();
      const one = consumer();
      const inbox = inboxOf(server, storage, { maxDeliveries: 1 });
      server.fault({ operation: 'retrieve_message', effect: { kind: 'truncate', bytes: 5 } });
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.equal(one.parkedMessages.length, 1);
      server.clearFaults();
      await pollAndWait(inbox, one);
      assert.deepEqual(one.ids(), []);
      await inbox.redeliver(messageId);
      await until('the delivery', () => one.ids().includes(messageId));
    });

    it('is the only kind that can be redelivered on request', async () => {
      const messageId = await send();
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      assert.match(
        (await failure(InvalidMessageError, inbox.redeliver(messageId))).message,
        /not parked, but delivered/,
      );
      await inbox.acknowledge(messageId);
      await failure(InvalidMessageError, inbox.redeliver(messageId));
      await failure(NotFoundError, inbox.redeliver('20260101000000000000_000000'));
      assert.equal(one.deliveries.length, 1);
    });
  });

  describe('a message that a consumer refuses', () => {
    const refusal = () => new UnavailableError('not wired');

    it('is tried again after five minutes, and no refusal counts as a delivery', async () => {
      const messageId = await send();
      const clock = steppedClock();
      let refuses = true;
      const one = consumer({
        deliver: async () => {
          if (refuses) throw refusal();
        },
      });
      const inbox = inboxOf(server, storage, { clock, maxDeliveries: 2 });
      inbox.add(one);
      await pollAndWait(inbox, one);
      for (let tries = 2; tries <= 5; tries += 1) {
        clock.advance(5 * 60_000 + 1000);
        await until(`try ${tries}`, () => one.deliveries.length === tries);
      }
      assert.equal(one.parkedMessages.length, 0);
      refuses = false;
      clock.advance(5 * 60_000 + 1000);
      await until('the last try', () => one.deliveries.length === 6);
      assert.deepEqual([...new Set(counts(one))], [1, 2]);
      await inbox.acknowledge(messageId);
      assert.deepEqual(await statesOf(server, storage), ['done']);
    });

    it('goes to the next consumer at once, and in this process’s next inbox too', async () => {
      const messageId = await send();
      const [refusing, taking] = [consumer({ deliver: () => Promise.reject(refusal()) }), consumer()];
      const inbox = inboxOf(server, storage);
      inbox.add(refusing);
      await pollAndWait(inbox, refusing);
      inbox.remove(refusing);
      inbox.add(taking);
      await until('the delivery', () => taking.ids().includes(messageId));
      inbox.remove(taking);
      await inbox.close();

      const other = await send();
      const again = inboxOf(server, storage, { freshStart: false });
      again.add(refusing);
      await pollAndWait(again, refusing);
      await again.close();
      const last = consumer();
      const third = inboxOf(server, storage, { freshStart: false });
      third.add(last);
      await until('the delivery', () => last.ids().includes(other));
      assert.deepEqual(last.ids(), [other], 'and not what the consumer before it holds');
    });
  });

  for (const [what, gone] of [
    ['still has it', false],
    ['no longer has it', true],
  ] as const) {
    it(`acknowledges a message again after a kill between acknowledgement and commit, when MESH ${what}`, async () => {
      const messageId = await send();
      const one = consumer();
      const inbox = inboxOf(server, storage);
      inbox.add(one);
      await pollAndWait(inbox, one);
      await inbox.acknowledge(messageId);
      await inbox.close();
      await storage.store.changeIncoming(keyOf(server), messageId, ['done'], { acknowledgedAt: null });
      await storage.reopen();
      if (gone) server.fault({ operation: 'acknowledge_message', effect: { kind: 'status', status: 410 } });
      const before = operations(server, 'acknowledge_message').length;
      const next = inboxOf(server, storage);
      const other = consumer();
      next.add(other);
      await pollAndWait(next, other);
      assert.equal(operations(server, 'acknowledge_message').length, before + 1);
      assert.notEqual((await rowsOf(server, storage))[0]?.acknowledgedAt, null);
      assert.deepEqual([await statesOf(server, storage), other.ids()], [['done'], []]);
    });
  }

  it('reports unclaimed messages again after an hour', async () => {
    await send('NOBODYS');
    const clock = steppedClock();
    const one = consumer({ workflows: ['MINE'] });
    const inbox = inboxOf(server, storage, { clock });
    inbox.add(one);
    await pollAndWait(inbox, one);
    clock.advance(50 * 60_000);
    await pollAndWait(inbox, one);
    assert.equal(one.failures.length, 1);
    clock.advance(11 * 60_000);
    await pollAndWait(inbox, one);
    assert.equal(one.failures.length, 2);
  });
});
