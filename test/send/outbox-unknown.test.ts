import assert from 'node:assert/strict';
import { InvalidMessageError, NotFoundError, NotSentError, type OutgoingMessage } from '../../lib/index';
import type { SandboxOptions } from '../../lib/sandbox/index';
import { mailboxAt } from '../harness/mailboxes';
import { steppedClock } from '../harness/clocks';
import { failure } from '../harness/failure';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const MINUTE = 60_000;
const LOST = { kind: 'drop', when: 'after' } as const;
const NOT_THERE = { kind: 'status', status: 500 } as const;

/** A mailbox whose clock advances together with the sandbox's. */
async function start(options: SandboxOptions = {}) {
  const server = await tlsSandbox(options);
  const clock = steppedClock((ms) => server.clock.advance(ms));
  const storage = await storageIn();
  const mailbox = outboxAt(server, { storage, clock });
  /** Lets minutes pass, one at a time. */
  const minutes = async (count: number): Promise<void> => {
    for (let minute = 0; minute < count; minute += 1) {
      clock.advance(MINUTE);
      await new Promise((resolve) => setTimeout(resolve, 15));
      await clock.settled();
    }
  };
  const lookups = (): number =>
    server.requests().filter(({ operation }) => operation === 'tracking_by_local_id').length;
  return { server, clock, storage, mailbox, outbox: mailbox.outbox, minutes, lookups };
}

async function lose(
  all: Awaited<ReturnType<typeof start>>,
  effect: typeof LOST | typeof NOT_THERE,
  message: OutgoingMessage = letter(),
  options: object = {},
): Promise<string> {
  const { server, mailbox, outbox } = all;
  server.fault({ operation: 'send_message', effect });
  const taken = await outbox.enqueue(message, options);
  mailbox.start();
  await eventually('unknown', () => mailbox.eventsOf(taken.message.id).includes('unknown'));
  return taken.message.id;
}

describe('outbox: unknown outcomes', () => {
  it('a message whose response was lost is found by its local id and adopted: one message at MESH', async () => {
    const all = await start();
    const id = await lose(all, LOST);
    await all.minutes(3);
    const message = await all.outbox.accepted(id);
    assert.equal(message.state, 'accepted');
    const [only, ...more] = all.server.messages();
    assert.equal(message.messageId, only?.messageId);
    assert.deepEqual(more, []);
    assert.deepEqual(all.mailbox.eventsOf(id), ['queued', 'sending', 'unknown', 'adopted']);
  });

  it('an unknown message is looked up before messages that were accepted earlier and are only tracked', async () => {
    const all = await start();
    const { outbox, clock, server, mailbox, lookups } = all;
    mailbox.start();
    const sent = await Promise.all(Array.from({ length: 70 }, () => outbox.enqueue(letter())));
    for (const { message } of sent) await outbox.accepted(message.id);
    await all.minutes(4);
    await lose(all, LOST);
    const tracked = (): number => server.requests().filter(({ operation }) => operation.startsWith('tracking')).length;
    const before = tracked();
    // All 70 are due, and so is the unknown one: more than are tracked in a minute.
    clock.advance(20 * MINUTE);
    await eventually('a minute of requests', () => tracked() - before >= 60);
    assert.equal(lookups(), 1);
  });

  it('an unknown message needs a decision only when it is looked up no more', async () => {
    const all = await start();
    const id = await lose(all, NOT_THERE);
    await all.minutes(5);
    assert.equal((await all.outbox.get(id))?.needsDecision, false);
    assert.deepEqual([...new Set(all.mailbox.states.map(({ needsDecision }) => needsDecision))], [0]);
    await all.minutes(50);
    await eventually('a decision needed', () => all.mailbox.states.at(-1)?.needsDecision === 1);
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
  });

  it('while tracking lags by minutes, it is looked up again', async () => {
    const all = await start({ trackingLagMs: 4 * MINUTE });
    const id = await lose(all, LOST);
    await all.minutes(2);
    assert.equal((await all.outbox.get(id))?.state, 'unknown');
    await all.minutes(8);
    assert.equal((await all.outbox.get(id))?.state, 'accepted');
    assert.ok(all.lookups() > 1 && all.lookups() <= 5, `${all.lookups()} lookups`);
    assert.equal(all.server.messages().length, 1);
  });

  it('a message that MESH does not know after 40 minutes needs a decision, and can be resent', async () => {
    const all = await start();
    const id = await lose(all, NOT_THERE);
    const waiting = failure(NotSentError, all.outbox.accepted(id));
    await all.minutes(50);
    assert.equal((await waiting).retry, 'unsafe');
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
    assert.equal(all.mailbox.eventsOf(id).filter((event) => event === 'held').length, 1);
    assert.equal(all.lookups(), 6);
    assert.equal(all.mailbox.states.at(-1)?.needsDecision, 1);
    assert.equal(all.server.messages().length, 0);
    const again = await all.outbox.resend(id);
    await all.outbox.accepted(again.id);
    assert.equal(again.resendOf, id);
    assert.equal((await all.outbox.get(id))?.state, 'closed');
    assert.equal(all.server.messages().length, 1);
  });

  it('MESH is asked now at a person’s request: what it has is adopted, also after the message needed a decision', async () => {
    const all = await start({ trackingLagMs: 60 * MINUTE });
    const id = await lose(all, LOST);
    await failure(NotFoundError, all.mailbox.askAbout(id));
    const { state, nextAttemptAt } = (await all.outbox.get(id)) ?? {};
    assert.deepEqual([state, nextAttemptAt], ['unknown', undefined]);
    await all.minutes(50);
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
    await all.minutes(20);
    assert.equal((await all.mailbox.askAbout(id))?.state, 'accepted');
    assert.equal(all.mailbox.eventsOf(id).filter((event) => event === 'held').length, 1);
    assert.equal(all.server.messages().length, 1);
  });

  it('asking MESH changes nothing if it does not have the message, and asks about no message that has ended', async () => {
    const all = await start();
    const id = await lose(all, NOT_THERE);
    for (let times = 0; times < 10; times += 1) await failure(NotFoundError, all.mailbox.askAbout(id));
    assert.equal((await all.outbox.get(id))?.needsDecision, false);
    await all.outbox.drop(id);
    await failure(InvalidMessageError, all.mailbox.askAbout(id));
    await failure(NotFoundError, all.mailbox.askAbout('no-such-id'));
  });

  it('a dropped message is not looked up any more', async () => {
    const all = await start();
    const id = await lose(all, NOT_THERE);
    await all.outbox.drop(id);
    const before = all.lookups();
    await all.minutes(10);
    assert.equal(all.lookups(), before);
    assert.equal((await all.outbox.get(id))?.state, 'closed');
  });

  it('a message that is resent during the look-up is not looked up any more', async () => {
    const all = await start();
    const id = await lose(all, NOT_THERE);
    await all.outbox.resend(id);
    const before = all.lookups();
    await all.minutes(10);
    assert.equal(all.lookups(), before);
    assert.equal(all.server.messages().length, 1);
  });

  it('several messages with its local id at MESH (300): it needs a decision', async () => {
    const all = await start();
    const other = mailboxAt(all.server);
    await other.send(letter('a', { localId: 'same' }));
    await other.send(letter('b', { localId: 'same' }));
    const id = await lose(all, NOT_THERE, letter('c', { localId: 'same' }));
    await all.minutes(3);
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
    assert.equal(all.lookups(), 1);
  });

  it('a message with a shared local id needs a decision at once, and MESH is not asked', async () => {
    const all = await start();
    const id = await lose(all, LOST, letter('c', { localId: 'A81001' }), { localIdIsShared: true });
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
    await all.minutes(3);
    assert.equal(all.lookups(), 0);
  });

  it('a message that shares its local id with another of the outbox needs a decision', async () => {
    const all = await start();
    const first = await all.outbox.enqueue(letter('a', { localId: 'mine' }));
    all.mailbox.start();
    await all.outbox.accepted(first.message.id);
    const id = await lose(all, NOT_THERE, letter('b', { localId: 'mine' }));
    await all.minutes(3);
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
    assert.equal((await all.outbox.get(id))?.messageId, undefined);
  });

  for (const [what, different] of Object.entries({ recipient: { to: 'X26ABC3' }, workflow: { workflowId: 'OTHER' } })) {
    it(`a message of another ${what} with its local id is not adopted: it needs a decision`, async () => {
      const all = await start();
      await mailboxAt(all.server).send(letter('a', { localId: 'mine', ...different }));
      const id = await lose(all, NOT_THERE, letter('b', { localId: 'mine' }));
      await all.minutes(3);
      assert.equal((await all.outbox.get(id))?.needsDecision, true);
      assert.equal((await all.outbox.get(id))?.messageId, undefined);
    });
  }

  it('a message with its local id that MESH had long before is not adopted', async () => {
    const all = await start();
    await mailboxAt(all.server).send(letter('a', { localId: 'mine' }));
    await all.minutes(20);
    const id = await lose(all, NOT_THERE, letter('b', { localId: 'mine' }));
    await all.minutes(3);
    assert.equal((await all.outbox.get(id))?.needsDecision, true);
  });

  it('a message whose look-up fails at MESH does not keep the others from being looked up', async () => {
    const all = await start();
    const first = await lose(all, LOST);
    const second = await lose(all, LOST);
    all.server.fault({ operation: 'tracking_by_local_id', times: 1, effect: { kind: 'status', status: 500 } });
    await all.minutes(3);
    const states = await Promise.all([first, second].map(async (id) => (await all.outbox.get(id))?.state));
    assert.deepEqual(new Set(states), new Set(['accepted', 'unknown']));
    await all.minutes(8);
    assert.equal((await all.outbox.list({ states: ['accepted'] })).length, 2);
  });

  it('a report settles an unknown message by its local id at once', async () => {
    const all = await start();
    const id = await lose(all, LOST);
    const known = await all.mailbox.settleReport({
      mailboxId: 'X26ABC1',
      messageId: 'REPORT1',
      messageType: 'REPORT',
      from: '',
      to: 'X26ABC1',
      workflowId: 'TEST_WORKFLOW',
      totalChunks: 1,
      localId: id,
      linkedMessageId: 'LOST1',
      statusCode: '14',
    });
    assert.equal(known, true);
    const message = await all.outbox.get(id);
    assert.deepEqual([message?.state, message?.messageId, message?.error?.meshCode], ['undelivered', 'LOST1', '14']);
  });
});
