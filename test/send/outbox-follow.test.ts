import assert from 'node:assert/strict';
import { InvalidMessageError } from '../../lib/index';
import type { MessageHeaders, OutboxMessage } from '../../lib/index';
import { afterWorkingDays } from '../../lib/send/deadlines';
import { mailboxAt } from '../harness/mailboxes';
import { steppedClock } from '../harness/clocks';
import { failure } from '../harness/failure';
import { eventually, letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function start() {
  const server = await tlsSandbox();
  const clock = steppedClock();
  const storage = await storageIn();
  const mailbox = outboxAt(server, { storage, clock });
  mailbox.start();
  const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
  const sendOne = async (options: object = {}): Promise<{ id: string; messageId: string }> => {
    const { message } = await mailbox.outbox.enqueue(letter(), options);
    const { messageId = '' } = await mailbox.outbox.accepted(message.id);
    return { id: message.id, messageId };
  };
  const pass = async (ms: number, step = ms): Promise<void> => {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(step);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  };
  const tracked = (): number => server.requests().filter(({ operation }) => operation.startsWith('tracking')).length;
  const stateOf = async (id: string): Promise<string | undefined> => (await mailbox.outbox.get(id))?.state;
  return { server, clock, storage, mailbox, outbox: mailbox.outbox, bob, sendOne, pass, tracked, stateOf };
}

const report = (linkedMessageId: string, more: Partial<MessageHeaders> = {}): MessageHeaders => ({
  mailboxId: 'X26ABC1',
  messageId: 'REPORT1',
  messageType: 'REPORT',
  from: '',
  to: 'X26ABC1',
  workflowId: 'TEST_WORKFLOW',
  totalChunks: 1,
  linkedMessageId,
  statusCode: '14',
  statusEvent: 'SEND',
  ...more,
});

const pick = ({ infrastructure, business }: Partial<OutboxMessage> = {}) => ({ infrastructure, business });

describe('outbox: tracking to the end', () => {
  it('a message is acknowledged once its recipient has acknowledged it, and then asked about no more', async () => {
    const { bob, sendOne, pass, stateOf, tracked, mailbox } = await start();
    const { id, messageId } = await sendOne();
    await pass(6 * MINUTE);
    await eventually('a first look', () => tracked() === 1);
    assert.equal(await stateOf(id), 'accepted');
    await bob.acknowledge(messageId);
    await pass(30 * MINUTE, 5 * MINUTE);
    await eventually('acknowledged', async () => (await stateOf(id)) === 'acknowledged');
    const asked = tracked();
    await pass(24 * HOUR, HOUR);
    assert.equal(tracked(), asked);
    assert.deepEqual(mailbox.eventsOf(id), ['queued', 'sending', 'accepted', 'acknowledged']);
  });

  it('an answer that was given for another message (replayed) settles nothing: what MESH never had becomes overdue', async () => {
    const { server, sendOne, pass, stateOf, bob, mailbox, outbox } = await start();
    const first = await sendOne();
    const body = { message_id: first.messageId };
    server.fault({ operation: 'send_message', effect: { kind: 'status', status: 202, body } });
    const second = await sendOne();
    assert.equal(second.messageId, first.messageId);
    assert.equal(server.messages().length, 1);
    await bob.acknowledge(first.messageId);
    await pass(13 * HOUR, 30 * MINUTE);
    await eventually('overdue', () => mailbox.eventsOf(second.id).includes('overdue'));
    assert.deepEqual([await stateOf(first.id), await stateOf(second.id)], ['acknowledged', 'accepted']);
    assert.equal((await outbox.get(second.id))?.state, 'accepted');
  });

  it('tracking says that it was not delivered', async () => {
    const { server, sendOne, pass, stateOf, outbox } = await start();
    const { id } = await sendOne();
    server.fault({
      operation: 'tracking_by_message_id',
      effect: {
        kind: 'status',
        status: 200,
        after: true,
        body: {
          message_id: server.messages()[0]?.messageId,
          status: 'Undeliverable',
          status_code: '14',
          status_event: 'TRANSFER',
        },
      },
    });
    await pass(6 * MINUTE);
    await eventually('undelivered', async () => (await stateOf(id)) === 'undelivered');
    assert.equal((await outbox.get(id))?.error?.meshCode, '14');
  });

  it('a report settles it at once; the same report again changes and tells nothing', async () => {
    const { mailbox, sendOne, stateOf } = await start();
    const { id, messageId } = await sendOne();
    assert.equal(await mailbox.settleReport(report(messageId)), true);
    assert.equal(await stateOf(id), 'undelivered');
    assert.equal(await mailbox.settleReport(report(messageId)), true);
    assert.equal(mailbox.eventsOf(id).filter((event) => event === 'undelivered').length, 1);
    assert.equal(await mailbox.settleReport(report('SOMEBODY_ELSES')), false);
  });

  it('what nobody collects is overdue after 12 hours or its own time, told once; a late collection still settles', async () => {
    const { mailbox, bob, sendOne, pass, stateOf } = await start();
    const slow = await sendOne();
    const hasty = await sendOne({ collectWithinMs: 2 * HOUR });
    const overdue = (): string[] =>
      mailbox.events.filter(({ event }) => event === 'overdue').map(({ message }) => message.id);
    await pass(3 * HOUR, HOUR);
    await eventually('one overdue', () => overdue().length > 0);
    assert.deepEqual(overdue(), [hasty.id]);
    await pass(10 * HOUR, HOUR);
    await eventually('two overdue', () => overdue().length > 1);
    await pass(24 * HOUR, HOUR);
    assert.deepEqual(overdue(), [hasty.id, slow.id]);
    await bob.acknowledge(slow.messageId);
    await pass(8 * HOUR, HOUR);
    await eventually('acknowledged', async () => (await stateOf(slow.id)) === 'acknowledged');
  });

  it('an answer that is asked for is overdue after 24 hours or 2 working days, told once each; a late one still settles', async () => {
    const { mailbox, sendOne, pass, outbox, clock } = await start();
    const { id, messageId } = await sendOne({ asks: { infrastructure: true, business: true } });
    await sendOne();
    assert.deepEqual(Object.values(pick(await outbox.get(id))), ['awaited', 'awaited']);
    const overdue = (what: string): number =>
      mailbox.events.filter((each) => each.overdue === what && each.message.id === id).length;
    await pass(23 * HOUR, HOUR);
    assert.deepEqual([overdue('infrastructure'), overdue('business')], [0, 0]);
    await pass(2 * HOUR, HOUR);
    await eventually('infrastructure overdue', () => overdue('infrastructure') === 1);
    const businessBy = afterWorkingDays(Date.parse((await outbox.get(id))?.acceptedAt ?? ''), 2);
    await pass(businessBy - clock.now() - HOUR);
    assert.equal(overdue('business'), 0);
    await pass(2 * HOUR, HOUR);
    await eventually('business overdue', () => overdue('business') === 1);
    await pass(48 * HOUR, 6 * HOUR);
    assert.deepEqual(['collection', 'infrastructure', 'business'].map(overdue), [1, 1, 1]);
    assert.deepEqual(pick(await outbox.get(id)), { infrastructure: 'overdue', business: 'overdue' });
    assert.equal(
      mailbox.events.filter((each) => each.overdue !== undefined).length,
      4,
      'collection of the other one too',
    );
    const whats = (await outbox.history(id))
      .filter(({ event }) => event === 'overdue')
      .map(({ detail }) => detail['what']);
    assert.deepEqual(whats, ['collection', 'infrastructure', 'business']);

    assert.equal(await mailbox.settleOutcome({ messageId }, { kind: 'business', outcome: 'positive' }), true);
    assert.equal(await mailbox.settleOutcome({ messageId }, { kind: 'business', outcome: 'positive' }), true);
    assert.equal((await outbox.get(id))?.business, 'positive');
    assert.equal(mailbox.eventsOf(id).filter((event) => event === 'business positive').length, 1);
    assert.equal(
      await mailbox.settleOutcome({ messageId: 'NOT_OURS' }, { kind: 'business', outcome: 'positive' }),
      false,
    );
  });

  it('an answer that has come in time is not overdue, even where its limit was left', async () => {
    const { mailbox, sendOne, pass, storage, outbox } = await start();
    const { id } = await sendOne({ asks: { infrastructure: true }, collectWithinMs: 20 * HOUR });
    const { localId = '' } = (await outbox.get(id)) ?? {};
    await mailbox.settleOutcome({ localId }, { kind: 'infrastructure', outcome: 'positive' });
    await storage.store.changeOutgoing(id, ['accepted'], { infrastructureBy: 1 });
    await pass(30 * HOUR, HOUR);
    await eventually('collection overdue', () => mailbox.events.some(({ overdue }) => overdue === 'collection'));
    assert.equal((await outbox.get(id))?.infrastructure, 'positive');
    assert.ok(!mailbox.events.some(({ overdue }) => overdue === 'infrastructure'));
  });

  it('the deadlines are those of the workflow where the message has none, and counted from the acceptance', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const deadlines = [{ workflow: 'TEST_*', collectWithinMs: HOUR, infrastructureWithinMs: 2 * HOUR }];
    const mailbox = outboxAt(server, { storage: await storageIn(), clock, deadlines });
    const { message } = await mailbox.outbox.enqueue(letter(), { asks: { infrastructure: true } });
    clock.advance(24 * HOUR);
    mailbox.start();
    await mailbox.outbox.accepted(message.id);
    const told = (): unknown[] => mailbox.events.flatMap(({ overdue }) => overdue ?? []);
    clock.advance(HOUR / 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(told(), []);
    // It may have looked a moment before: minute by minute.
    const after = (what: string, count: number): Promise<void> =>
      eventually(what, () => {
        clock.advance(60_000);
        return told().length === count;
      });
    clock.advance(HOUR);
    await after('collection overdue', 1);
    clock.advance(HOUR);
    await after('answer overdue', 2);
    assert.deepEqual(told(), ['collection', 'infrastructure']);
  });

  it('in six days it asks about a message less than forty times', async () => {
    const { sendOne, pass, tracked } = await start();
    await sendOne();
    await pass(6 * 24 * HOUR, HOUR / 2);
    assert.ok(tracked() >= 20 && tracked() < 40, `asked ${tracked()} times`);
  });

  it('what MESH never gives an outcome for is closed after 31 days, and said', async () => {
    const { mailbox, sendOne, pass, stateOf, outbox } = await start();
    const { id } = await sendOne();
    await pass(32 * 24 * HOUR, 6 * HOUR);
    await eventually('closed', async () => (await stateOf(id)) === 'closed');
    assert.ok(mailbox.eventsOf(id).includes('no outcome'));
    assert.equal((await outbox.accepted(id)).state, 'closed', 'MESH had accepted it');
  });

  it('a wrong password does not make it ask about message after message', async () => {
    const { server, sendOne, pass, tracked, outbox } = await start();
    for (let count = 0; count < 5; count += 1) await sendOne();
    server.fault({ operation: 'tracking_by_message_id', times: Infinity, effect: { kind: 'status', status: 403 } });
    await pass(6 * MINUTE);
    assert.equal(tracked(), 1);
    server.clearFaults();
    assert.equal((await outbox.list({ states: ['accepted'] })).length, 5);
  });
});

describe('outbox: resend and drop', () => {
  it('a resend is a new message that is linked to the first; asked twice it is sent once', async () => {
    const { mailbox, server, sendOne, outbox } = await start();
    const { id, messageId } = await sendOne();
    await mailbox.settleReport(report(messageId));
    const [one, two] = await Promise.all([outbox.resend(id), outbox.resend(id)]);
    assert.equal(one.id, two.id);
    assert.equal(one.resendOf, id);
    const { messageId: again } = await outbox.accepted(one.id);
    assert.equal((await outbox.resend(id)).id, one.id);
    assert.equal(server.messages().length, 2);
    assert.equal((await outbox.history(id)).filter(({ event }) => event === 'resent').length, 1);
    // Where that fails as well, it may be sent once more.
    await mailbox.settleReport(report(again ?? ''));
    const third = await outbox.resend(id);
    assert.notEqual(third.id, one.id);
    await outbox.accepted(third.id);
    assert.equal(server.messages().length, 3);
  });

  it('the same bytes and headers are sent again, from the spool too, with no name that is ours', async () => {
    const { mailbox, bob, outbox, server } = await start();
    const payload = Buffer.alloc(100_000, 'spooled');
    const { message } = await outbox.enqueue(letter(payload, { subject: 'S', localId: 'own' }));
    const { messageId = '' } = await outbox.accepted(message.id);
    await mailbox.settleReport(report(messageId));
    await outbox.accepted((await outbox.resend(message.id)).id);
    const sent = server.messages().map((each) => each.messageId);
    const received = await Promise.all(sent.map((each) => bob.receive(each)));
    assert.equal(received.length, 2);
    // MESH itself names a file without a name after the message.
    const told = received.map(({ message: { messageId: own, fileName, subject, localId, contentType } }) => [
      fileName?.replace(own, 'ID'),
      subject,
      localId,
      contentType,
    ]);
    assert.deepEqual(told[1], told[0]);
    assert.deepEqual(told[0]?.slice(1, 3), ['S', 'own']);
    assert.ok(received.every((each) => each.payload?.equals(payload)));
  });

  for (const [outcome, again] of [
    ['negative', true],
    ['partial', true],
    ['positive', false],
  ] as const) {
    it(`what the recipient has answered as ${outcome} may ${again ? '' : 'not '}be sent again`, async () => {
      const { mailbox, outbox, server, sendOne } = await start();
      const { id, messageId } = await sendOne({ asks: { business: true } });
      await failure(InvalidMessageError, outbox.resend(id));
      await mailbox.settleOutcome({ messageId }, { kind: 'business', outcome });
      if (!again) return void (await failure(InvalidMessageError, outbox.resend(id)));
      await outbox.accepted((await outbox.resend(id)).id);
      assert.equal(server.messages().length, 2);
      assert.equal((await outbox.get(id))?.state, 'accepted');
    });
  }

  it('what is on its way is neither resent nor dropped', async () => {
    const { outbox, sendOne } = await start();
    const { id } = await sendOne();
    await failure(InvalidMessageError, outbox.resend(id));
    await failure(InvalidMessageError, outbox.drop(id));
    assert.equal((await outbox.list({})).length, 1);
  });

  it('what failed is closed by a person, with its error and the time it was settled, and no more in a list of failures', async () => {
    const { mailbox, sendOne, outbox } = await start();
    const { id, messageId } = await sendOne();
    await mailbox.settleReport(report(messageId));
    const rejected = await outbox.enqueue(letter('x', { workflowId: 'UNKNOWN_WORKFLOW', to: 'NOBODY' }));
    await assert.rejects(outbox.accepted(rejected.message.id), { code: 'MESH_REJECTED' });
    for (const each of [id, rejected.message.id]) {
      const before = await outbox.get(each);
      const after = await outbox.drop(each);
      const { serviceDesk: _gone, ...kept } = before ?? { serviceDesk: '' };
      assert.deepEqual(after, { ...kept, state: 'closed' });
      assert.equal((await outbox.history(each)).at(-1)?.event, 'dropped');
      await failure(InvalidMessageError, outbox.drop(each));
    }
    assert.deepEqual(await outbox.list({ states: ['undelivered', 'rejected'] }), []);
    // The last error was not why it ended.
    await assert.rejects(outbox.accepted(rejected.message.id), { code: 'MESH_NOT_SENT' });
  });

  it('neither touches a message of another mailbox', async () => {
    const { outbox, storage, server, sendOne } = await start();
    const { id } = await sendOne();
    const other = outboxAt(server, { storage, mailboxId: 'X26ABC3' });
    assert.equal(await other.outbox.get(id), undefined);
    await assert.rejects(other.outbox.drop(id));
    await assert.rejects(other.outbox.resend(id));
    assert.equal((await outbox.get(id))?.state, 'accepted');
  });
});

describe('outbox: what is written down', () => {
  it('the history has every event in order', async () => {
    const { outbox, sendOne, bob, pass, stateOf } = await start();
    const { id, messageId } = await sendOne();
    await bob.acknowledge(messageId);
    await pass(6 * MINUTE);
    await eventually('acknowledged', async () => (await stateOf(id)) === 'acknowledged');
    for (const reference of [id, messageId]) {
      const events = (await outbox.history(reference)).map(({ event }) => event);
      assert.deepEqual(events.slice(-2), ['accepted', 'acknowledged']);
    }
    assert.deepEqual(
      (await outbox.history(id)).map(({ event }) => event),
      ['queued', 'attempt', 'accepted', 'acknowledged'],
    );
  });

  it('neither the ledger nor an event nor a state carries patient data or secrets', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const storage = await storageIn();
    const mailbox = outboxAt(server, { storage, clock, password: 'MARKED-password' });
    const { outbox } = mailbox;
    mailbox.start();
    const marked = {
      to: 'MARKED-to',
      subject: 'MARKED-subject',
      localId: 'MARKED-local',
      fileName: 'MARKED-file',
      partnerId: 'MARKED-partner',
    };
    const { message } = await outbox.enqueue(letter('MARKED-payload', marked), { onceKey: 'MARKED-key' });
    await eventually('a pause', () => mailbox.states.at(-1)?.paused);
    await mailbox.close();
    const good = outboxAt(server, { storage, clock });
    good.start();
    await eventually('rejected', () => good.eventsOf(message.id).includes('rejected'));
    await good.outbox.resend(message.id);
    const found = [
      ...mailbox.events,
      ...mailbox.states,
      ...good.events,
      ...good.states,
      ...(await good.outbox.list({})),
      ...(await storage.store.ledger(good.storeKey, { from: 0, to: 9e15 }, { limit: 1000 })),
    ];
    assert.ok(found.length > 10);
    assert.doesNotMatch(JSON.stringify(found), /MARKED/i);
  });

  it('what was under way at another instance of the sandbox is closed as "sandbox restarted"', async () => {
    const server = await tlsSandbox();
    const storage = await storageIn();
    const one = outboxAt(server, { storage, instance: 'one' });
    const queued = await one.outbox.enqueue(letter());
    await one.close();
    const other = outboxAt(server, { storage, instance: 'two' });
    other.start();
    const fresh = await other.outbox.enqueue(letter());
    await other.outbox.accepted(fresh.message.id);
    assert.equal((await other.outbox.get(queued.message.id))?.state, 'closed');
    const history = await other.outbox.history(queued.message.id);
    assert.deepEqual(
      history.map(({ event }) => event),
      ['queued', 'sandbox restarted'],
    );
    assert.equal(server.messages().length, 1);
  });
});
