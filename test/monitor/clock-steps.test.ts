/** The wall clock is set, and a person sees it (docs/design.md, rule 6). */
import assert from 'node:assert/strict';
import { ClockSteps, openStorage } from '../../lib/index';
import { findConditions } from '../../lib/monitor/conditions';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { steppedClock } from '../harness/clocks';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('a step of the wall clock', () => {
  for (const ms of [-8 * HOUR, -3000, 3000, 450 * DAY]) {
    it(`of ${ms / 1000} s is noticed once, by every listener, within seconds`, async () => {
      const clock = steppedClock();
      const seen: number[] = [];
      for (let n = 0; n < 2; n += 1) afterThisTest(ClockSteps.of(clock).onStep((step) => seen.push(step.ms)));
      clock.step(ms);
      await eventually('both', () => seen.length === 2);
      assert.ok(
        seen.every((one) => Math.abs(one - ms) < 500),
        seen.join(),
      );
      assert.equal(ClockSteps.of(clock).last?.ms, seen[0]);
      assert.equal(seen.length, 2);
    });
  }

  it('is forgotten when a harness has restored the clock', () => {
    const clock = steppedClock();
    const steps = ClockSteps.of(clock);
    clock.step(HOUR);
    assert.ok(steps.last);
    clock.step(-HOUR);
    steps.forget();
    assert.equal(steps.last, undefined);
  });

  it('is not what drifts by a second an hour, nor time that passes', () => {
    const clock = steppedClock();
    assert.equal(ClockSteps.of(clock).last, undefined);
    for (let hour = 0; hour < 48; hour += 1) {
      clock.advance(HOUR);
      clock.step(1000);
      assert.equal(ClockSteps.of(clock).last, undefined);
    }
  });

  it('is a condition of the mailbox for a day, and the failures that it hides still are', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const mailbox = outboxAt(server, { storage: await storageIn(), clock });
    server.fault({ operation: 'handshake', times: Infinity, effect: { kind: 'status', status: 403 } });
    await mailbox.handshake().catch(() => undefined);
    const monitoredSince = clock.now();
    const conditions = (): string[] =>
      findConditions(
        {
          now: clock.now(),
          monitoredSince,
          health: mailbox.health(),
          freeBytes: null,
          oldestUnacknowledged: null,
          counts: { held: 0, unknown: 0, overdue: 0, redelivered: 0, parked: 0, unclaimed: 0 },
        },
        { stoppedMs: 30 * MINUTE, minFreeBytes: 0 },
      ).map(({ kind }) => kind);
    assert.deepEqual(conditions(), []);
    clock.step(-8 * HOUR);
    clock.advance(29 * MINUTE);
    assert.deepEqual(conditions(), ['clock-set']);
    clock.advance(MINUTE);
    assert.deepEqual(conditions(), ['handshake', 'clock-set']);
    clock.advance(DAY);
    assert.deepEqual(conditions(), ['handshake']);
  });

  it('back while no process ran is noticed at the start, because the store knows a later time', async () => {
    const folder = await emptyFolder();
    const before = steppedClock();
    await (await openStorage({ folder, clock: before })).close();
    const clock = steppedClock();
    clock.step(-8 * HOUR);
    const storage = await openStorage({ folder, clock });
    afterThisTest(() => storage.close());
    assert.ok(Math.abs((ClockSteps.of(clock).last?.ms ?? 0) + 8 * HOUR) < MINUTE);
  });

  for (const when of ['while the process runs', 'while no process runs']) {
    it(`back by 900 days ${when}: limits counted from the earlier clock are set anew`, async () => {
      const server = await tlsSandbox();
      const folder = await emptyFolder();
      const clock = steppedClock();
      clock.step(900 * DAY);
      let storage = await openStorage({ folder, clock });
      afterThisTest(() => storage.close());
      let mailbox = outboxAt(server, { storage, clock });
      mailbox.start();
      const { message } = await mailbox.outbox.enqueue(letter());
      await mailbox.outbox.accepted(message.id);
      const key = mailbox.storeKey;
      if (when === 'while no process runs') {
        await mailbox.close();
        await storage.close();
        clock.step(-900 * DAY);
        storage = await openStorage({ folder, clock });
        mailbox = outboxAt(server, { storage, clock });
        mailbox.start();
      } else {
        clock.advance(MINUTE);
        clock.step(-900 * DAY);
      }
      await eventually('the limits', async () => {
        clock.advance(MINUTE);
        const [row] = await storage.store.listOutgoing({ mailbox: key }, { limit: 1 });
        return row?.collectBy !== null && (row?.collectBy ?? Infinity) <= clock.now() + 12 * HOUR;
      });
    });
  }
});
