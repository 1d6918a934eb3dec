/** The overview of a mailbox: newest first, counted up to a limit. */
import assert from 'node:assert/strict';
import type { IncomingState, OutgoingState } from '../../../lib/store/store';
import { enqueued, ids, inState, MAILBOX, messageIds, note, OTHER, received, T, type UseStore } from './support';

const SENT: readonly OutgoingState[] = ['queued', 'accepted', 'acknowledged'];
const RECEIVED: readonly IncomingState[] = ['spooled', 'done', 'parked'];

export function describeOverview(store: UseStore): void {
  describe('recentOutgoing', () => {
    it('lists sent messages of this mailbox in these states, newest first, without payloads', async () => {
      const first = await inState(store(), 'accepted');
      const second = await enqueued(store());
      await inState(store(), 'unknown');
      await enqueued(store(), { mailbox: OTHER });
      const third = await inState(store(), 'acknowledged');
      const rows = await store().recentOutgoing(MAILBOX, SENT, { limit: 9 });
      assert.deepEqual(ids(rows), [third, second, first]);
      assert.ok(rows.every(({ payload, mailbox }) => payload === null && mailbox === MAILBOX));
      assert.deepEqual(await store().recentOutgoing('never used', SENT, { limit: 9 }), []);
      assert.deepEqual(await store().recentOutgoing(MAILBOX, [], { limit: 9 }), []);
    });

    it('lists every message once over its pages, even when messages are added in between', async () => {
      const made: string[] = [];
      for (let n = 0; n < 11; n += 1) made.unshift(await inState(store(), SENT[n % 3] ?? 'queued'));
      const found: string[] = [];
      for (let before: string | undefined; ;) {
        const page = await store().recentOutgoing(MAILBOX, SENT, { limit: 4, ...(before ? { before } : {}) });
        if (page.length === 0) break;
        found.push(...ids(page));
        before = found.at(-1);
        await enqueued(store());
      }
      assert.deepEqual(found, made);
    });
  });

  describe('recentIncoming', () => {
    it('lists received messages in these states, last stored first, over its pages', async () => {
      const made: string[] = [];
      // The clock is set back as they arrive, and two share each time.
      for (let n = 0; n < 9; n += 1) {
        const state = RECEIVED[n % 3] ?? 'done';
        made.unshift(await received(store(), state, {}, { receivedAt: T - Math.floor(n / 2) }));
      }
      await received(store(), 'delivered');
      await received(store(), 'done', {}, { mailbox: OTHER });
      const found: string[] = [];
      for (let before: string | undefined; ;) {
        const page = await store().recentIncoming(MAILBOX, RECEIVED, { limit: 4, ...(before ? { before } : {}) });
        if (page.length === 0) break;
        assert.ok(page.every(({ payload }) => payload === null));
        found.push(...messageIds(page));
        before = found.at(-1);
      }
      assert.deepEqual(found, made);
      assert.deepEqual(await store().recentIncoming('never used', RECEIVED, { limit: 9 }), []);
    });

    it('ends when the last row of the page before is gone: nothing is listed twice', async () => {
      await received(store(), 'done');
      assert.deepEqual(await store().recentIncoming(MAILBOX, RECEIVED, { limit: 9, before: 'gone' }), []);
    });
  });

  describe('parkedBytes', () => {
    it('is the size of the payloads that parked messages of the mailbox keep', async () => {
      assert.equal(await store().parkedBytes('never used'), 0);
      assert.equal(await store().parkedBytes(MAILBOX), 0);
      const first = await received(store(), 'parked', {}, { size: 100 });
      await received(store(), 'parked', {}, { size: 20 });
      await received(store(), 'parked', { payload: null }, { size: 3 });
      await received(store(), 'done', {}, { size: 4 });
      await received(store(), 'parked', {}, { size: 5, mailbox: OTHER });
      assert.equal(await store().parkedBytes(MAILBOX), 120);
      await store().changeIncoming(MAILBOX, first, ['parked'], { state: 'acknowledged' });
      assert.equal(await store().parkedBytes(MAILBOX), 20);
    });
  });

  describe('overdueOutgoing', () => {
    it('lists messages not collected or acknowledged in time, until they end otherwise', async () => {
      const collection = await inState(store(), 'accepted', { collectBy: null });
      await inState(store(), 'accepted', { collectBy: T + 1 });
      const business = await inState(store(), 'acknowledged', { business: 'overdue' });
      const infrastructure = await inState(store(), 'accepted', { infrastructure: 'overdue', collectBy: T });
      await inState(store(), 'closed', { business: 'overdue' });
      await inState(store(), 'undelivered', { infrastructure: 'overdue' });
      await inState(store(), 'acknowledged', { business: 'positive' });
      const all = [infrastructure, business, collection];
      assert.deepEqual(ids(await store().overdueOutgoing(MAILBOX, { limit: 9 })), all);
      assert.deepEqual(ids(await store().overdueOutgoing(MAILBOX, { limit: 9, before: business })), [collection]);
      assert.deepEqual(await store().overdueOutgoing(OTHER, { limit: 9 }), []);
    });
  });

  describe('attention', () => {
    it('counts what may need a person, up to the limit', async () => {
      for (let n = 0; n < 4; n += 1) await received(store(), 'parked');
      await received(store(), 'spooled');
      await received(store(), 'acknowledged');
      for (let n = 0; n < 2; n += 1) await received(store(), 'delivered');
      await received(store(), 'done');
      await inState(store(), 'acknowledged', { business: 'overdue' });
      const counted = await store().attention(MAILBOX, 3);
      assert.deepEqual(counted, { overdue: 1, spooled: 1, acknowledged: 1, delivered: 2, parked: 3 });
      const nothing = { overdue: 0, spooled: 0, acknowledged: 0, delivered: 0, parked: 0 };
      assert.deepEqual(await store().attention('never used', 3), nothing);
    });
  });

  describe('activity', () => {
    it('sums sent, received and collected messages of a span, its end excluded', async () => {
      const id = await enqueued(store(), { size: 700 });
      await store().changeOutgoing(id, ['queued'], { state: 'accepted', acceptedAt: T }, note('accepted', T));
      const late = await enqueued(store(), { size: 50 });
      await store().changeOutgoing(
        late,
        ['queued'],
        { state: 'accepted', acceptedAt: T - 9000 },
        note('adopted', T + 1),
      );
      await store().changeOutgoing(id, ['accepted'], { state: 'acknowledged' }, note('acknowledged', T + 4000));
      await store().changeOutgoing(late, ['accepted'], { state: 'acknowledged' }, note('acknowledged', T + 1000));
      const line = { mailbox: MAILBOX, direction: 'in', messageId: 'M', reference: 'M', event: 'spooled' } as const;
      await store().note({ ...line, time: T + 5, detail: { bytes: 30, workflowId: 'W' } });
      await store().note({ ...line, time: T + 6, detail: { bytes: 12, workflowId: 'W' } });
      // Our acknowledgement to MESH of a received message: not the collection of a sent one.
      await store().note({ ...line, time: T + 7, event: 'acknowledged', detail: {} });
      assert.deepEqual(await store().activity(MAILBOX, { from: T, to: T + 4001 }), {
        sent: { messages: 2, bytes: 750 },
        received: { messages: 2, bytes: 42 },
        collected: { messages: 2, totalMs: 14_000, longestMs: 10_000 },
      });
      const nothing = {
        sent: { messages: 0, bytes: 0 },
        received: { messages: 0, bytes: 0 },
        collected: { messages: 0, totalMs: 0, longestMs: 0 },
      };
      assert.deepEqual(await store().activity(MAILBOX, { from: T - 100, to: T }), nothing);
      assert.deepEqual(await store().activity('never used', { from: T, to: T + 1 }), nothing);
    });
  });
}
