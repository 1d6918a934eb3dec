/** The silence of a file flow: each stage is overdue at its own time, once. */
import assert from 'node:assert/strict';
import { loadProfiles } from '../../lib/index';
import { settleReply } from '../../lib/send/settle-reply';
import { afterWorkingDays } from '../../lib/send/working-days';
import { steppedClock } from '../harness/clocks';
import { outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const HOUR = 60 * 60_000;
const PROFILES = loadProfiles(
  JSON.stringify({
    profiles: [
      {
        workflowId: 'CHECK',
        replies: [
          {
            name: 'receipt',
            kind: 'receipt',
            dueWithin: { hours: 2 },
            when: { subject: 'SUCCESS' },
            match: [{ in: 'localId', request: 'localId' }],
          },
          {
            name: 'list',
            kind: 'result',
            dueWithin: { workingDays: 1 },
            match: [{ in: 'localId', request: 'localId' }],
          },
          {
            name: 'report',
            kind: 'report',
            occurs: 'any',
            dueWithin: { minutes: 1 },
            when: { workflowId: 'REPORT' },
            match: [{ in: 'localId', request: 'localId' }],
          },
        ],
      },
    ],
  }),
);

async function start() {
  const server = await tlsSandbox();
  const clock = steppedClock();
  const storage = await storageIn();
  const mailbox = outboxAt(server, { storage, clock, profiles: PROFILES });
  mailbox.start();
  const send = async (localId: string): Promise<string> => {
    const { message } = await mailbox.outbox.enqueue(
      { to: 'X26ABC2', workflowId: 'CHECK', payload: '1,\n', localId },
      { requestedAcknowledgements: 'automatic', collectWithinMs: 1000 * HOUR },
    );
    await mailbox.outbox.accepted(message.id);
    return message.id;
  };
  const pass = async (ms: number, step = ms): Promise<void> => {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(step);
      await new Promise((resolve) => setTimeout(resolve, 15));
      await clock.settled();
    }
  };
  let replies = 0;
  /** Settles a stage, as a received reply does. */
  const reply = (stage: string, localId: string) => {
    replies += 1;
    const values = [{ request: 'localId' as const, value: localId }];
    const kind = stage === 'list' ? 'result' : 'receipt';
    const reading = {
      requestWorkflowId: 'CHECK',
      stage,
      kind,
      from: 'recipient',
      outcome: 'positive',
      values,
    } as const;
    return settleReply(
      { store: storage.store, spool: storage.spool, outbox: mailbox.outbox, clock, mailbox: mailbox.storeKey },
      { kind: 'reply', readings: [{ ...reading, values }] },
      { from: 'X26ABC2', messageId: `REPLY${replies}` },
    );
  };
  const overdue = (id: string): Array<string | undefined> =>
    mailbox.events
      .filter(({ event, message }) => event === 'overdue' && message.id === id)
      .map(({ reply: each }) => each?.stage);
  return { clock, storage, mailbox, send, pass, reply, overdue };
}

describe('a reply that does not come', () => {
  it('is overdue at the time of its stage, once, by the hour and by the working day; a late one still settles', async () => {
    const { clock, mailbox, send, pass, reply, overdue } = await start();
    const id = await send('REF-1');
    const { stages, acceptedAt = '' } = (await mailbox.outbox.get(id)) ?? {};
    const accepted = Date.parse(acceptedAt);
    const listDue = afterWorkingDays(accepted, 1);
    assert.deepEqual(
      stages?.map(({ name, outcome, dueBy }) => [name, outcome, dueBy && Date.parse(dueBy)]),
      [
        ['receipt', 'awaited', accepted + 2 * HOUR],
        ['list', 'awaited', listDue],
        ['report', 'not-asked', undefined],
      ],
    );
    await pass(1.5 * HOUR, HOUR / 2);
    assert.deepEqual(overdue(id), []);
    await pass(HOUR, HOUR / 2);
    await eventually('the receipt is overdue', () => overdue(id).length === 1);
    await pass(listDue - clock.now() - HOUR);
    assert.deepEqual(overdue(id), ['receipt']);
    await pass(2 * HOUR, HOUR);
    await eventually('the list is overdue', () => overdue(id).length === 2);
    await pass(48 * HOUR, 6 * HOUR);
    assert.deepEqual(overdue(id), ['receipt', 'list']);
    assert.equal((await mailbox.outbox.get(id))?.replies, 'overdue');
    await reply('receipt', 'REF-1');
    await reply('list', 'REF-1');
    assert.equal((await mailbox.outbox.get(id))?.replies, 'positive');
    assert.equal(mailbox.events.filter(({ event }) => event === 'reply positive').length, 2);
  });

  it('is not overdue when it came in time, nor is what follows a negative one', async () => {
    const { mailbox, send, pass, reply, overdue } = await start();
    const [answered, silent] = [await send('REF-1'), await send('REF-2')];
    await reply('receipt', 'REF-1');
    await pass(4 * HOUR, HOUR);
    await eventually('one is overdue', () => overdue(silent).length === 1);
    assert.deepEqual(overdue(answered), []);
    await reply('list', 'REF-1');
    await pass(96 * HOUR, 6 * HOUR);
    await eventually('the other list is overdue', () => overdue(silent).length === 2);
    assert.deepEqual(overdue(answered), []);
    assert.equal((await mailbox.outbox.get(answered))?.replies, 'positive');
  });

  it('is overdue in its time although the clock was set back a day after the request was accepted', async () => {
    const { clock, send, pass, overdue } = await start();
    const id = await send('REF-1');
    clock.step(-24 * HOUR);
    await pass(HOUR, HOUR / 4);
    assert.deepEqual(overdue(id), []);
    await pass(2 * HOUR, HOUR / 4);
    await eventually('the receipt is overdue', () => overdue(id).length === 1);
  });

  it('that came before MESH’s response does not lose the times of the stages after it', async () => {
    const { storage, mailbox, send, reply } = await start();
    const id = await send('REF-1');
    const row = await storage.store.getOutgoing(id);
    assert.ok(row?.acceptedAt);
    await storage.store.changeOutgoing(id, ['accepted'], { state: 'sending', acceptedAt: null, repliesBy: null });
    await reply('receipt', 'REF-1');
    assert.equal((await storage.store.getOutgoing(id))?.repliesBy, null);
    // The worker commits what it has read before.
    await storage.store.changeOutgoing(id, ['sending'], {
      state: 'accepted',
      acceptedAt: row.acceptedAt,
      repliesBy: row.repliesBy,
    });
    const stages = (await mailbox.outbox.get(id))?.stages;
    assert.deepEqual(
      stages?.map(({ name, outcome }) => [name, outcome]),
      [
        ['receipt', 'positive'],
        ['list', 'awaited'],
        ['report', 'not-asked'],
      ],
    );
    assert.equal(Date.parse(stages?.[1]?.dueBy ?? ''), afterWorkingDays(row.acceptedAt, 1));
  });
});
