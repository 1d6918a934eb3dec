import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Incoming, IncomingChange, IncomingSummary } from '../../../lib/store/store';
import { everyPage, incoming, MAILBOX, messageIds, note, OTHER, received, T, type UseStore } from './support';

/** The summary of a row, as lists and changes return it. */
function summaryOf(row: Incoming): IncomingSummary {
  const { messageId, workflowId, messageType, receivedAt, state, acknowledgedAt, deliveryCount, leaseUntil, error } =
    row;
  const { size, classification, sequence } = row;
  const kept = { size, classification, sequence };
  return {
    messageId,
    workflowId,
    messageType,
    receivedAt,
    state,
    acknowledgedAt,
    deliveryCount,
    leaseUntil,
    error,
    ...kept,
  };
}

export function describeInbox(store: UseStore): void {
  describe('addIncoming', () => {
    it('stores a message with its start values', async () => {
      const message = incoming({ headers: { from: 'X', subject: 'Ünïcödé 患者', list: [1] } });
      const sequence = await store().addIncoming(message, note('spooled'));
      assert.ok(sequence);
      assert.deepEqual(await store().getIncoming(MAILBOX, message.messageId), {
        ...message,
        sequence,
        payload: { kind: 'inline', bytes: new Uint8Array(Buffer.from('hello')) },
        state: 'spooled',
        acknowledgedAt: null,
        deliveryCount: 0,
        leaseUntil: null,
        settledAt: null,
        error: null,
        requestKey: null,
        classification: null,
      });
    });

    it('keeps 64 KiB, a spool name, and no payload', async () => {
      const bytes = new Uint8Array(randomBytes(65_536));
      for (const payload of [{ kind: 'inline', bytes }, { kind: 'spool', name: 'n' }, null] as const) {
        const messageId = await received(store(), 'spooled', {}, { payload, messageType: 'REPORT' });
        assert.deepEqual((await store().getIncoming(MAILBOX, messageId))?.payload, payload);
      }
    });

    it('returns nothing for a message that is there, and changes nothing', async () => {
      const messageId = await received(store(), 'delivered');
      assert.equal(await store().addIncoming(incoming({ messageId, size: 99 }), note('spooled')), undefined);
      const message = await store().getIncoming(MAILBOX, messageId);
      assert.deepEqual([message?.state, message?.size], ['delivered', 5]);
      assert.equal((await store().history(MAILBOX, messageId)).length, 1);
    });

    it('accepts the same id in two mailboxes', async () => {
      const messageId = await received(store());
      assert.ok(await store().addIncoming(incoming({ messageId, mailbox: OTHER }), note('spooled')));
    });

    it('adds one of fifty copies that race', async () => {
      const message = incoming();
      const results = await Promise.all(
        Array.from({ length: 50 }, () => store().addIncoming(message, note('spooled'))),
      );
      assert.equal(results.filter(Boolean).length, 1);
    });
  });

  describe('getIncoming and knownIncoming', () => {
    it('return nothing for an unknown id', async () => {
      assert.equal(await store().getIncoming(MAILBOX, 'no such'), undefined);
      assert.equal((await store().knownIncoming(MAILBOX, ['no such'])).size, 0);
      await received(store());
      assert.equal((await store().knownIncoming(MAILBOX, [])).size, 0);
    });

    it('return the states of 10,000 ids, of this mailbox only', async () => {
      const messages = Array.from({ length: 5000 }, () => incoming({ payload: null }));
      await Promise.all(messages.map((message) => store().addIncoming(message, note('spooled'))));
      const done = messages[7]?.messageId ?? '';
      await store().changeIncoming(MAILBOX, done, ['spooled'], { state: 'done' });
      const elsewhere = await received(store(), 'spooled', {}, { mailbox: OTHER });
      const asked = [...messageIds(messages), ...messages.map((_, index) => `unknown ${index}`), elsewhere];
      const known = await store().knownIncoming(MAILBOX, asked);
      assert.equal(known.size, 5000);
      assert.deepEqual([known.get(done), known.get(messages[8]?.messageId ?? '')], ['done', 'spooled']);
    }).timeout(60_000);
  });

  describe('changeIncoming', () => {
    it('writes the lines of several notes in the same commit, in order', async () => {
      const messageId = await received(store());
      const change: IncomingChange = { state: 'delivered', acknowledgedAt: T + 1, deliveryCount: 1 };
      await store().changeIncoming(MAILBOX, messageId, ['spooled'], change, note('acknowledged'), note('delivered'));
      const events = (await store().history(MAILBOX, messageId)).map(({ event }) => event);
      assert.deepEqual(events.slice(-2), ['acknowledged', 'delivered']);
    });

    it('changes every changeable field', async () => {
      const messageId = await received(store());
      const change: IncomingChange = {
        state: 'parked',
        payload: { kind: 'spool', name: 'n' },
        acknowledgedAt: T + 1,
        deliveryCount: 3,
        leaseUntil: T + 2,
        settledAt: T + 3,
        error: { code: 'C', message: 'm' },
        classification: { kind: 'request' },
      };
      const before = await store().getIncoming(MAILBOX, messageId);
      const summary = await store().changeIncoming(MAILBOX, messageId, ['spooled'], change, note('parked'));
      const after = await store().getIncoming(MAILBOX, messageId);
      assert.deepEqual(after, { ...before, ...change });
      assert.deepEqual(summary, after && summaryOf(after));
    });

    it('changes nothing in another state or mailbox, or for an unknown id', async () => {
      const messageId = await received(store(), 'done');
      const change = { state: 'delivered' } as const;
      assert.equal(await store().changeIncoming(MAILBOX, messageId, ['acknowledged'], change, note('x')), undefined);
      assert.equal(await store().changeIncoming(OTHER, messageId, ['done'], change, note('x')), undefined);
      assert.equal(await store().changeIncoming(MAILBOX, 'no such', ['done'], change, note('x')), undefined);
      assert.equal((await store().getIncoming(MAILBOX, messageId))?.state, 'done');
      assert.equal((await store().history(MAILBOX, messageId)).length, 1);
    });

    it('lets one of fifty racing transitions win', async () => {
      const messageId = await received(store(), 'acknowledged');
      const results = await Promise.all(
        Array.from({ length: 50 }, () =>
          store().changeIncoming(MAILBOX, messageId, ['acknowledged'], { state: 'delivered' }, note('delivered')),
        ),
      );
      assert.equal(results.filter((row) => row !== undefined).length, 1);
      assert.equal((await store().history(MAILBOX, messageId)).length, 2);
    });
  });

  describe('listIncoming and incomingSummaries', () => {
    it('return every row in the states once, in the order of storing, without payloads, over pages of any size', async () => {
      const all: string[] = [];
      for (let i = 0; i < 20; i += 1) {
        const state = i % 2 ? 'parked' : 'done';
        // The clock is set back as they arrive, and some share a time.
        all.push(await received(store(), state, {}, { receivedAt: T - Math.floor(i / 3) }));
      }
      await received(store(), 'spooled');
      await received(store(), 'parked', {}, { mailbox: OTHER });
      for (const limit of [1, 3, 20, 50]) {
        const pages = await everyPage(
          limit,
          (row: Incoming) => row.messageId,
          (page) => store().listIncoming(MAILBOX, ['parked', 'done'], page),
        );
        assert.deepEqual(messageIds(pages.flat()), all);
        assert.ok(pages.flat().every(({ payload }) => payload === null));
        const summaries = await everyPage(
          limit,
          (row: IncomingSummary) => row.messageId,
          (page) => store().incomingSummaries(MAILBOX, ['parked', 'done'], page),
        );
        assert.deepEqual(
          summaries,
          pages.map((page) => page.map(summaryOf)),
        );
      }
      assert.equal((await store().listIncoming(MAILBOX, ['parked'], { limit: 50 })).length, 10);
      assert.deepEqual(await store().listIncoming(MAILBOX, [], { limit: 50 }), []);
      assert.deepEqual(await store().incomingSummaries(MAILBOX, [], { limit: 50 }), []);
      assert.deepEqual(await store().incomingSummaries('never used', ['done'], { limit: 50 }), []);
      assert.deepEqual(await store().listIncoming('never used', ['done'], { limit: 50 }), []);
    });
  });
}
