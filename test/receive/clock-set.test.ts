/** The wall clock is set while an inbox is polled (docs/design.md, rule 6): polls and leases do not follow it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLOCK_STEPS, steppedClock } from '../harness/clocks';
import { consumer, idle, pollAndWait } from '../harness/consumer';
import { until } from '../harness/until';
import { inboxOf, keyOf, world } from './durable-support';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('inbox: the wall clock is set', () => {
  for (const [hours, direction] of CLOCK_STEPS) {
    it(`${direction}: the next poll comes after its five minutes, no earlier and no later`, async () => {
      const { server, storage } = await world();
      const clock = steppedClock();
      const lists = (): number => server.requests().filter(({ operation }) => operation === 'list_messages').length;
      const one = consumer({ intervalMs: 5 * MINUTE });
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(one);
      await until('the first list', () => lists() === 1);
      await idle(one);
      clock.step(hours * HOUR);
      const left = (inbox.state().nextPoll ?? 0) - clock.now();
      assert.ok(left > 4 * MINUTE && left <= 5 * MINUTE, `the next poll is shown ${left} ms ahead`);
      clock.advance(4 * MINUTE);
      await sleep(50);
      assert.equal(lists(), 1);
      clock.advance(MINUTE);
      await until('the second list', () => lists() === 2);
    });

    it(`${direction}: the interval that MESH prescribes is kept, also by a new poller`, async () => {
      const { server, storage } = await world();
      const clock = steppedClock();
      const first = inboxOf(server, storage, { clock, minimumIntervalMs: 5 * MINUTE });
      const one = consumer();
      first.add(one);
      await pollAndWait(first, one);
      await first.close();
      clock.step(hours * HOUR);
      const second = inboxOf(server, storage, { clock, minimumIntervalMs: 5 * MINUTE });
      const two = consumer();
      second.add(two);
      await idle(two);
      const postponed = second.poll();
      assert.equal(postponed.started, false);
      clock.advance(5 * MINUTE);
      assert.deepEqual(second.poll(), { started: true });
    });

    it(`${direction}: a delivered message is redelivered after its hour`, async () => {
      const { server, alice, storage } = await world();
      const clock = steppedClock();
      await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
      const one = consumer();
      const inbox = inboxOf(server, storage, { clock });
      inbox.add(one);
      await pollAndWait(inbox, one);
      clock.step(hours * HOUR);
      clock.advance(59 * MINUTE);
      await sleep(50);
      assert.equal(one.deliveries.length, 1);
      clock.advance(MINUTE);
      await until('the redelivery', () => one.deliveries.length === 2);
    });
  }

  it('back by eight hours at a restart: the lease of an earlier process ends within an hour', async () => {
    const { server, alice, storage } = await world();
    const clock = steppedClock();
    await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
    const one = consumer();
    const first = inboxOf(server, storage, { clock });
    first.add(one);
    await pollAndWait(first, one);
    await first.close();
    clock.step(-8 * HOUR);
    const two = consumer();
    const second = inboxOf(server, storage, { clock, freshStart: false });
    second.add(two);
    await idle(two);
    clock.advance(HOUR);
    await until('the redelivery', () => two.deliveries.length === 1);
    assert.equal((await storage.store.getIncoming(keyOf(server), two.ids()[0] ?? ''))?.deliveryCount, 2);
  });
});
