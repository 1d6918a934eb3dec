/** What must not trust a jump of the wall clock (docs/design.md, rule 6), on a real SQLite store. */
import assert from 'node:assert/strict';
import { openStorage, type Storage } from '../../lib/index';
import { TrustedTime } from '../../lib/store/trusted-time';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { steppedClock, type SteppedClock } from '../harness/clocks';
import { mailboxAt } from '../harness/mailboxes';
import { letter, outboxAt, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

async function open(folder: string, clock: SteppedClock): Promise<Storage & { trusted: TrustedTime }> {
  const storage = await openStorage({ folder, clock });
  afterThisTest(() => storage.close());
  assert.ok(storage.trusted);
  return { ...storage, trusted: storage.trusted };
}

describe('retention', () => {
  it('deletes nothing at a start with a clock 450 days ahead, nor later, until MESH confirms the time', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const clock = steppedClock();
    const first = await open(folder, clock);
    const mailbox = outboxAt(server, { storage: first, clock });
    mailbox.start();
    const { message: sent } = await mailbox.outbox.enqueue(letter('collected'));
    const { messageId = '' } = await mailbox.outbox.accepted(sent.id);
    await mailboxAt(server, { mailboxId: 'X26ABC2' }).acknowledge(messageId);
    await eventually('the collection', async () => {
      clock.advance(MINUTE);
      return (await mailbox.outbox.get(sent.id))?.state === 'acknowledged';
    });
    const { message: waits } = await mailbox.outbox.enqueue(letter('needs a decision'), {});
    await first.store.changeOutgoing(waits.id, ['queued', 'sending', 'accepted'], { state: 'parked' });
    await mailbox.close();
    await first.close();

    clock.step(450 * DAY);
    const storage = await open(folder, clock);
    const purge = () =>
      storage.store.purge(storage.trusted.now(), {
        settledPayloadMs: 7 * DAY,
        unsettledPayloadMs: 35 * DAY,
        rowsMs: 100 * DAY,
        ledgerMs: 400 * DAY,
      });
    clock.advance(HOUR);
    assert.deepEqual(await purge(), { spoolNames: [], rows: 0, ledgerEntries: 0 });
    assert.notEqual((await storage.store.getOutgoing(sent.id))?.payload, null);
    assert.notDeepEqual(await storage.store.history(mailbox.storeKey, sent.id), []);

    storage.trusted.heardFromMesh(clock.now());
    await purge();
    assert.equal((await storage.store.getOutgoing(sent.id))?.payload ?? null, null);
    const kept = await storage.store.getOutgoing(waits.id);
    assert.deepEqual([kept?.state, kept?.payload?.kind], ['parked', 'inline']);
  });

  it('counts on while the process runs, whatever the wall clock is set to', async () => {
    const clock = steppedClock();
    const { trusted } = await open(await emptyFolder(), clock);
    const began = clock.now();
    clock.step(450 * DAY);
    clock.advance(10 * DAY);
    const passed = trusted.now() - began;
    assert.ok(Math.abs(passed - 10 * DAY) < MINUTE, `${passed} ms`);
  });

  it('is never ahead of the wall clock, and knows by how much that is behind', async () => {
    const folder = await emptyFolder();
    const clock = steppedClock();
    await (await open(folder, clock)).close();
    clock.step(-8 * HOUR);
    const { trusted } = await open(folder, clock);
    assert.ok(trusted.now() <= clock.now());
    assert.ok(trusted.behindMs > 8 * HOUR - MINUTE, `${trusted.behindMs} ms`);
  });

  it('trusts a clock that was right again after MESH confirms it, though an earlier one was years ahead', async () => {
    const folder = await emptyFolder();
    const clock = steppedClock();
    clock.step(900 * DAY);
    await (await open(folder, clock)).close();
    clock.step(-900 * DAY);
    const second = await open(folder, clock);
    second.trusted.heardFromMesh(clock.now());
    await second.close();
    clock.step(450 * DAY);
    const { trusted } = await open(folder, clock);
    assert.ok(clock.now() - trusted.now() > 449 * DAY);
  });
});

describe('a clock that jumps ahead', () => {
  async function waiting(limit: object) {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const storage = await open(await emptyFolder(), clock);
    const mailbox = outboxAt(server, { storage, clock });
    mailbox.start();
    const { message } = await mailbox.outbox.enqueue(letter(), limit);
    await mailbox.outbox.accepted(message.id);
    const pass = async (minutes: number): Promise<void> => {
      for (let n = 0; n < minutes; n += 1) {
        clock.advance(MINUTE);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    return { server, clock, storage, mailbox, id: message.id, pass };
  }

  it('reports nothing overdue and closes nothing while MESH’s clock says otherwise', async () => {
    const { clock, mailbox, id, pass } = await waiting({});
    clock.step(450 * DAY);
    await pass(90);
    assert.deepEqual(mailbox.eventsOf(id).includes('overdue'), false);
    assert.equal((await mailbox.outbox.get(id))?.state, 'accepted');
  });

  it('is believed for alarms after an hour in which MESH said nothing', async () => {
    const clock = steppedClock();
    const { trusted } = await open(await emptyFolder(), clock);
    clock.step(3 * DAY);
    assert.ok(clock.now() - trusted.alarmTime() > 2 * DAY);
    clock.advance(59 * MINUTE);
    assert.ok(clock.now() - trusted.alarmTime() > 2 * DAY);
    clock.advance(2 * MINUTE);
    assert.ok(clock.now() - trusted.alarmTime() < MINUTE);
    assert.ok(clock.now() - trusted.now() > 2 * DAY, 'but nothing is deleted');
  });
});
