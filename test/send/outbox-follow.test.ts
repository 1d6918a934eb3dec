import assert from 'node:assert/strict';
import type { AckLevel, AckResult, Settled } from '../../lib/acks/types';
import { InvalidMessageError } from '../../lib/index';
import type { MessageHeaders, OutboxMessage } from '../../lib/index';
import { afterWorkingDays } from '../../lib/send/working-days';
import { settleAcknowledgements } from '../../lib/send/settle-acknowledgement';
import { mailboxAt } from '../harness/mailboxes';
import { steppedClock } from '../harness/clocks';
import { failure } from '../harness/failure';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

async function start() {
  const server = await tlsSandbox();
  const clock = steppedClock();
  const storage = await storageIn();
  const mailbox = outboxAt(server, { storage, clock });
  mailbox.start();
  const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
  const sendOne = async (options: object = {}, payload = 'letter'): Promise<{ id: string; messageId: string }> => {
    const { message } = await mailbox.outbox.enqueue(letter(payload), options);
    const { messageId = '' } = await mailbox.outbox.accepted(message.id);
    return { id: message.id, messageId };
  };
  const pass = async (ms: number, step = ms): Promise<void> => {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(step);
      await new Promise((resolve) => setTimeout(resolve, 15));
      await clock.settled();
    }
  };
  /** Settles the message of this control id, as a received HL7 acknowledgement does. */
  const acknowledge = async (controlId: string, level: AckLevel, result: AckResult): Promise<Settled | undefined> => {
    const [settled] = await settleAcknowledgements(
      { store: storage.store, outbox: mailbox.outbox, clock, mailbox: mailbox.storeKey },
      [{ form: 'hl7v2', acknowledges: controlId, level, result, code: 'AA', meaning: 'accepted' }],
      { from: 'X26ABC2', messageId: 'ACK1' },
    );
    return settled;
  };
  const tracked = (): number => server.requests().filter(({ operation }) => operation.startsWith('tracking')).length;
  const stateOf = async (id: string): Promise<string | undefined> => (await mailbox.outbox.get(id))?.state;
  return { server, clock, storage, mailbox, outbox: mailbox.outbox, bob, sendOne, acknowledge, pass, tracked, stateOf };
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

/** An HL7 message with this control id (MSH-10). */
const hl7 = (controlId: string): string => `MSH|^~\\&|A|B|C|D|20260401||ADT^A01|${controlId}|P|2.4\r`;

const pick = ({ infrastructure, business }: Partial<OutboxMessage> = {}) => ({ infrastructure, business });

describe('outbox: tracking to the end', () => {
  it('a message is acknowledged once its recipient has acknowledged it, and is then tracked no more', async () => {
    const { bob, sendOne, pass, stateOf, tracked, mailbox } = await start();
    const { id, messageId } = await sendOne();
    await pass(6 * MINUTE);
    await eventually('a first look', () => tracked() === 1);
    assert.equal(await stateOf(id), 'accepted');
    await bob.acknowledge(messageId);
    await pass(30 * MINUTE, 5 * MINUTE);
    await eventually('acknowledged', async () => (await stateOf(id)) === 'acknowledged');
    const before = tracked();
    await pass(24 * HOUR, HOUR);
    assert.equal(tracked(), before);
    assert.deepEqual(mailbox.eventsOf(id), ['queued', 'sending', 'accepted', 'acknowledged']);
  });

  it('a replayed response settles nothing: a message that MESH never had becomes overdue', async () => {
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

  it('a message is undelivered when tracking says so', async () => {
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

  it('a report settles its message at once; the same report again changes nothing and emits no event', async () => {
    const { mailbox, sendOne, stateOf } = await start();
    const { id, messageId } = await sendOne();
    assert.equal(await mailbox.settleReport(report(messageId)), true);
    assert.equal(await stateOf(id), 'undelivered');
    assert.equal(await mailbox.settleReport(report(messageId)), true);
    assert.equal(mailbox.eventsOf(id).filter((event) => event === 'undelivered').length, 1);
    assert.equal(await mailbox.settleReport(report('NOT_OURS')), false);
  });

  it('a message is overdue after 12 hours or its own deadline, once; a late collection settles it', async () => {
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

  it('a hundred that are overdue together are all raised in the same look, without a request to MESH', async () => {
    const { mailbox, outbox, pass, tracked } = await start();
    const sent = await Promise.all(
      Array.from({ length: 100 }, () => outbox.enqueue(letter(), { collectWithinMs: HOUR })),
    );
    await Promise.all(sent.map(({ message }) => outbox.accepted(message.id)));
    const before = tracked();
    await pass(2 * HOUR);
    const overdue = (): string[] =>
      mailbox.events.filter(({ event }) => event === 'overdue').map(({ message }) => message.id);
    await eventually('all overdue', () => overdue().length === 100);
    assert.equal(new Set(overdue()).size, 100);
    assert.ok(tracked() - before <= 60);
  });

  it('an acknowledgement is overdue after 24 hours or 2 working days, once; a late one still settles', async () => {
    const { mailbox, sendOne, acknowledge, pass, outbox, clock } = await start();
    const requestedAcknowledgements = { infrastructure: true, business: true };
    const { id, messageId } = await sendOne({ requestedAcknowledgements }, hl7('C1'));
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
    const missed = (await outbox.history(id))
      .filter(({ event }) => event === 'overdue')
      .map(({ detail }) => detail['what']);
    assert.deepEqual(missed, ['collection', 'infrastructure', 'business']);

    assert.deepEqual(await acknowledge('C1', 'business', 'positive'), { id, messageId });
    assert.deepEqual(await acknowledge('C1', 'business', 'positive'), { id, messageId });
    assert.equal((await outbox.get(id))?.business, 'positive');
    assert.equal(mailbox.eventsOf(id).filter((event) => event === 'business positive').length, 1);
    assert.equal(await acknowledge('NOT_OURS', 'business', 'positive'), undefined);
  });

  it('an acknowledgement that came in time is not overdue, even if its deadline stayed in the row', async () => {
    const { mailbox, sendOne, acknowledge, pass, storage, outbox } = await start();
    const options = { requestedAcknowledgements: { infrastructure: true }, collectWithinMs: 20 * HOUR };
    const { id } = await sendOne(options, hl7('C1'));
    await acknowledge('C1', 'infrastructure', 'positive');
    await storage.store.changeOutgoing(id, ['accepted'], { infrastructureBy: 1 });
    await pass(30 * HOUR, HOUR);
    await eventually('collection overdue', () => mailbox.events.some(({ overdue }) => overdue === 'collection'));
    assert.equal((await outbox.get(id))?.infrastructure, 'positive');
    assert.ok(!mailbox.events.some(({ overdue }) => overdue === 'infrastructure'));
  });

  it('a message without deadlines has those of its workflow, counted from its acceptance', async () => {
    const server = await tlsSandbox();
    const clock = steppedClock();
    const deadlines = [{ workflow: 'TEST_*', collectWithinMs: HOUR, infrastructureWithinMs: 2 * HOUR }];
    const mailbox = outboxAt(server, { storage: await storageIn(), clock, deadlines });
    const { message } = await mailbox.outbox.enqueue(letter(), { requestedAcknowledgements: { infrastructure: true } });
    clock.advance(24 * HOUR);
    mailbox.start();
    await mailbox.outbox.accepted(message.id);
    const reported = (): unknown[] => mailbox.events.flatMap(({ overdue }) => overdue ?? []);
    clock.advance(HOUR / 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(reported(), []);
    // The follower may have checked a moment before: a minute at a time.
    const after = (what: string, count: number): Promise<unknown> =>
      eventually(what, () => {
        clock.advance(60_000);
        return reported().length === count;
      });
    clock.advance(HOUR);
    await after('collection overdue', 1);
    clock.advance(HOUR);
    await after('acknowledgement overdue', 2);
    assert.deepEqual(reported(), ['collection', 'infrastructure']);
  });

  it('a message is tracked less than forty times in six days', async () => {
    const { sendOne, pass, tracked } = await start();
    await sendOne();
    await pass(6 * 24 * HOUR, HOUR / 2);
    assert.ok(tracked() >= 20 && tracked() < 40, `tracked ${tracked()} times`);
  });

  it('a message without an outcome is closed after 31 days, with an event', async () => {
    const { mailbox, sendOne, pass, stateOf, outbox } = await start();
    const { id } = await sendOne();
    await pass(32 * 24 * HOUR, 6 * HOUR);
    await eventually('closed', async () => (await stateOf(id)) === 'closed');
    assert.ok(mailbox.eventsOf(id).includes('no outcome'));
    assert.equal((await outbox.accepted(id)).state, 'closed', 'MESH had accepted it');
  });

  it('with a wrong password it does not ask about message after message', async () => {
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
  it('a resend is a new message linked to the first; two resends send one message', async () => {
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
    // If that fails as well, it may be sent once more.
    await mailbox.settleReport(report(again ?? ''));
    const third = await outbox.resend(id);
    assert.notEqual(third.id, one.id);
    await outbox.accepted(third.id);
    assert.equal(server.messages().length, 3);
  });

  it('a failed message that was resent is closed, is in no list of failures, and says which message took its place', async () => {
    const { mailbox, sendOne, outbox } = await start();
    const { id, messageId } = await sendOne();
    await mailbox.settleReport(report(messageId));
    const rejected = await outbox.enqueue(letter('x', { workflowId: 'UNKNOWN_WORKFLOW', to: 'NOBODY' }));
    await assert.rejects(outbox.accepted(rejected.message.id), { code: 'MESH_REJECTED' });
    for (const each of [id, rejected.message.id]) {
      const before = await outbox.get(each);
      const again = await outbox.resend(each);
      const after = await outbox.get(each);
      assert.deepEqual([after?.state, after?.settledAt, after?.error], ['closed', before?.settledAt, before?.error]);
      const { message } = (await mailbox.operator.message('out', each)) ?? {};
      assert.equal(message?.resentAs, again.id);
      assert.ok(message.actions.includes('resend'));
    }
    const { messages } = await mailbox.operator.list({ direction: 'out', filter: 'attention' });
    assert.ok(messages.every(({ reference }) => reference !== id && reference !== rejected.message.id));
  });

  it('a resend has the same bytes and headers, from the spool too, and no file name of ours', async () => {
    const { mailbox, bob, outbox, server } = await start();
    const payload = Buffer.alloc(100_000, 'spooled');
    const { message } = await outbox.enqueue(letter(payload, { subject: 'S', localId: 'own' }));
    const { messageId = '' } = await outbox.accepted(message.id);
    await mailbox.settleReport(report(messageId));
    await outbox.accepted((await outbox.resend(message.id)).id);
    const sent = server.messages().map((each) => each.messageId);
    const received = await Promise.all(sent.map((each) => bob.receive(each)));
    assert.equal(received.length, 2);
    // MESH names a file without a name after the message.
    const seen = received.map(({ message: { messageId: own, fileName, subject, localId, contentType } }) => [
      fileName?.replace(own, 'ID'),
      subject,
      localId,
      contentType,
    ]);
    assert.deepEqual(seen[1], seen[0]);
    assert.deepEqual(seen[0]?.slice(1, 3), ['S', 'own']);
    assert.ok(received.every((each) => each.payload?.equals(payload)));
  });

  for (const [outcome, again] of [
    ['negative', true],
    ['partial', true],
    ['positive', false],
  ] as const) {
    it(`a message that was acknowledged as ${outcome} can ${again ? '' : 'not '}be sent again`, async () => {
      const { outbox, server, sendOne, acknowledge } = await start();
      const { id } = await sendOne({ requestedAcknowledgements: { business: true } }, hl7('C1'));
      await failure(InvalidMessageError, outbox.resend(id));
      await acknowledge('C1', 'business', outcome);
      if (!again) return void (await failure(InvalidMessageError, outbox.resend(id)));
      await outbox.accepted((await outbox.resend(id)).id);
      assert.equal(server.messages().length, 2);
      assert.equal((await outbox.get(id))?.state, 'accepted');
    });
  }

  it('a message on its way is neither resent nor dropped', async () => {
    const { outbox, sendOne } = await start();
    const { id } = await sendOne();
    await failure(InvalidMessageError, outbox.resend(id));
    await failure(InvalidMessageError, outbox.drop(id));
    assert.equal((await outbox.list({})).length, 1);
  });

  it('a failed message that is dropped keeps its error and settled time, and is in no list of failures', async () => {
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
    // The last error is not why it ended.
    await assert.rejects(outbox.accepted(rejected.message.id), { code: 'MESH_NOT_SENT' });
  });

  it('resend and drop do not touch a message of another mailbox', async () => {
    const { outbox, storage, server, sendOne } = await start();
    const { id } = await sendOne();
    const other = outboxAt(server, { storage, mailboxId: 'X26ABC3' });
    assert.equal(await other.outbox.get(id), undefined);
    await assert.rejects(other.outbox.drop(id));
    await assert.rejects(other.outbox.resend(id));
    assert.equal((await outbox.get(id))?.state, 'accepted');
  });
});

describe('outbox: the ledger', () => {
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

  it('a message of another instance of the sandbox is closed as "sandbox restarted"', async () => {
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

describe('outbox: the time to collection', () => {
  it('is the one that MESH says, however late tracking notices it', async () => {
    const { server, mailbox, bob, sendOne, pass, clock, stateOf } = await start();
    const { id, messageId } = await sendOne();
    server.clock.advance(10 * MINUTE);
    await bob.acknowledge(messageId);
    await pass(3 * HOUR, HOUR);
    await eventually('the end', async () => (await stateOf(id)) === 'acknowledged');
    const end = (await mailbox.outbox.history(id)).find(({ event }) => event === 'acknowledged');
    const told = Number(end?.detail['collectedAfterMs']);
    assert.ok(told >= 9 * MINUTE && told <= 11 * MINUTE, String(told));
    const { collected } = await mailbox.operator.activity({ from: 0, to: clock.now() + HOUR });
    assert.deepEqual(collected, { messages: 1, totalMs: told, longestMs: told });
  });
});
