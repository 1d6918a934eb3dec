/** The wall clock is set while messages are being sent (docs/design.md, rule 6): waits do not follow it. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setRandomness } from '../../lib/random';
import { uuidOfTime } from '../../lib/uuid';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { CLOCK_STEPS, steppedClock, type SteppedClock } from '../harness/clocks';
import { mailboxAt } from '../harness/mailboxes';
import { gateTo } from '../harness/mesh-gate';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Makes ids as a machine does whose clock is set differently (milliseconds), until the test ends. */
function idsOfMachine(differenceMs: number): void {
  setRandomness({
    number: Math.random,
    bytes: randomBytes,
    uuid: randomUUID,
    uuidv7: () => uuidOfTime(Date.now() + differenceMs, 0, randomBytes(8)),
  });
  afterThisTest(() => setRandomness());
}

/** Lets minutes pass, one by one. */
async function minutesPass(clock: SteppedClock, minutes: number): Promise<void> {
  for (let passed = 0; passed < minutes; passed += 1) {
    clock.advance(MINUTE);
    await sleep(15);
    await clock.settled();
  }
}

describe('outbox: the wall clock is set', () => {
  for (const [hours, direction] of CLOCK_STEPS) {
    it(`${direction} during an outage: the pause ends after its minutes all the same`, async () => {
      const server = await tlsSandbox();
      const gate = await gateTo(server);
      const clock = steppedClock();
      const mailbox = outboxAt(gate, { storage: await storageIn(), clock });
      gate.shut();
      const { message } = await mailbox.outbox.enqueue(letter());
      mailbox.start();
      await eventually('a pause', () => mailbox.states.some(({ paused }) => paused));
      clock.step(hours * HOUR);
      gate.open();
      clock.advance(MINUTE);
      await mailbox.outbox.accepted(message.id);
    });

    it(`${direction} during an outage: the pause that is shown ends within its five minutes from now`, async () => {
      const server = await tlsSandbox();
      const gate = await gateTo(server);
      const clock = steppedClock();
      const mailbox = outboxAt(gate, { storage: await storageIn(), clock });
      gate.shut();
      await mailbox.outbox.enqueue(letter());
      mailbox.start();
      await eventually('a pause', () => mailbox.states.some(({ paused }) => paused));
      clock.step(hours * HOUR);
      const seen = mailbox.states.length;
      await eventually('another pause', () => {
        clock.advance(10_000);
        return mailbox.states.slice(seen).some(({ paused }) => paused);
      });
      const until = Date.parse(mailbox.states.at(-1)?.paused?.until ?? '');
      assert.ok(until - clock.now() <= 5 * MINUTE && until - clock.now() > -MINUTE, `${until - clock.now()} ms`);
    });
  }

  /** A message is set aside for five minutes, the clock is set back by `ms`, and the message is sent at once. */
  const isSentAfterStepBack = async (ms: number): Promise<void> => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage, clock });
    const { message } = await mailbox.outbox.enqueue(letter());
    await storage.store.changeOutgoing(message.id, ['queued'], { nextAttemptAt: clock.now() + 5 * MINUTE });
    clock.step(-ms);
    mailbox.start();
    await mailbox.outbox.accepted(message.id);
  };

  it('back by eight hours: a message that was set aside for five minutes is sent at once', () =>
    isSentAfterStepBack(8 * HOUR));

  it('back by 40 minutes: a message that was set aside for five is sent at once', () =>
    isSentAfterStepBack(40 * MINUTE));

  for (const strictOrder of [true, false]) {
    const which = strictOrder ? 'in strict order' : 'without strict order';
    it(`back by eight hours at a restart: what is enqueued after it overtakes nothing, ${which}`, async () => {
      const server = await tlsSandbox();
      const folder = await emptyFolder();
      const ids: string[] = [];
      for (const hours of [0, -8, -16]) {
        const storage = await storageIn(folder);
        const mailbox = outboxAt(server, { storage });
        idsOfMachine(hours * HOUR);
        for (let n = 0; n < 3; n += 1) {
          ids.push((await mailbox.outbox.enqueue(letter(), { strictOrder })).message.id);
        }
        await mailbox.close();
        await storage.close();
      }
      const mailbox = outboxAt(server, { storage: await storageIn(folder) });
      const [listed, shown] = [
        await mailbox.outbox.list({}, { limit: 99 }),
        await mailbox.operator.list({ direction: 'out' }),
      ];
      assert.deepEqual(
        listed.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(shown.messages.map(({ reference }) => reference).toReversed(), ids);
      mailbox.start();
      await mailbox.outbox.accepted(ids.at(-1) ?? '');
      assert.deepEqual(
        server.messages().map(({ localId }) => localId),
        ids,
      );
    });
  }

  for (const [back, ms] of [
    ['eight hours', 8 * HOUR],
    ['three hours', 3 * HOUR],
    ['40 minutes', 40 * MINUTE],
  ] as const) {
    it(`back by ${back}: an accepted message is tracked within minutes`, async () => {
      const server = await tlsSandbox();
      const clock = steppedClock();
      const mailbox = outboxAt(server, { storage: await storageIn(), clock });
      const { message } = await mailbox.outbox.enqueue(letter());
      mailbox.start();
      const { messageId = '' } = await mailbox.outbox.accepted(message.id);
      clock.step(-ms);
      await mailboxAt(server, { mailboxId: 'X26ABC2' }).acknowledge(messageId);
      await minutesPass(clock, 30);
      assert.equal((await mailbox.outbox.get(message.id))?.state, 'acknowledged');
    });

    it(`back by ${back}: a message whose response was lost is found at MESH within minutes`, async () => {
      const server = await tlsSandbox();
      const clock = steppedClock();
      const mailbox = outboxAt(server, { storage: await storageIn(), clock });
      server.fault({ operation: 'send_message', times: 1, effect: { kind: 'drop', when: 'after' } });
      const { message } = await mailbox.outbox.enqueue(letter());
      mailbox.start();
      await eventually('unknown', async () => (await mailbox.outbox.get(message.id))?.state === 'unknown');
      clock.step(-ms);
      await minutesPass(clock, 10);
      assert.equal((await mailbox.outbox.get(message.id))?.state, 'accepted');
    });
  }
});
