import assert from 'node:assert/strict';
import type { LedgerEntry } from '../../../lib/store/store';
import { enqueued, everyPage, incoming, inState, MAILBOX, note, OTHER, received, T, type UseStore } from './support';

const events = (entries: readonly LedgerEntry[]): string[] => entries.map(({ event }) => event);

export function describeLedger(store: UseStore): void {
  const line = (event: string, time: number, mailbox = MAILBOX): Omit<LedgerEntry, 'sequence'> => ({
    time,
    mailbox,
    direction: 'in',
    reference: 'R',
    messageId: null,
    event,
    detail: {},
  });

  describe('the ledger', () => {
    it('has a line for each change with a note, with MESH’s id once it is known', async () => {
      const id = await enqueued(store());
      await store().changeOutgoing(id, ['queued'], { state: 'sending' }, { event: 'attempt', time: T + 1 });
      await store().changeOutgoing(id, ['sending'], { chunksSent: 1 });
      const detail = { status: 202, messageId: 'M1', again: false, code: null };
      const change = { state: 'accepted', messageId: 'M1' } as const;
      await store().changeOutgoing(id, ['sending'], change, { event: 'accepted', time: T + 2, detail });
      const history = await store().history(MAILBOX, id);
      assert.deepEqual(
        history.map((entry) => [entry.time, entry.messageId, entry.event, entry.detail]),
        [
          [T, null, 'queued', {}],
          [T + 1, null, 'attempt', {}],
          [T + 2, 'M1', 'accepted', detail],
        ],
      );
      assert.ok(
        history.every((entry) => entry.mailbox === MAILBOX && entry.direction === 'out' && entry.reference === id),
      );
    });

    it('has a line for each change of a received message, by its message id', async () => {
      const message = incoming();
      await store().addIncoming(message, note('spooled'));
      await store().changeIncoming(MAILBOX, message.messageId, ['spooled'], { state: 'done' }, note('done'));
      const history = await store().history(MAILBOX, message.messageId);
      assert.deepEqual(events(history), ['spooled', 'done']);
      assert.deepEqual([history[0]?.direction, history[0]?.reference], ['in', message.messageId]);
    });

    it('accepts a line that belongs to no change', async () => {
      const entry = { ...line('report', T), messageId: 'M9', detail: { text: 'é', n: 1.5 } };
      await store().note(entry);
      const [written] = await store().history(MAILBOX, 'R');
      assert.deepEqual(written, { ...entry, sequence: written?.sequence });
    });

    it('numbers its lines upwards', async () => {
      await Promise.all(Array.from({ length: 50 }, (_, i) => store().note(line(String(i), T))));
      const lines = await store().history(MAILBOX, 'R');
      assert.deepEqual(
        events(lines),
        Array.from({ length: 50 }, (_, i) => String(i)),
      );
      assert.ok(lines.every((each, i) => i === 0 || each.sequence > (lines[i - 1]?.sequence ?? 0)));
    });
  });

  describe('history', () => {
    it('returns all of it by MESH’s id too, including the lines from before MESH assigned it', async () => {
      const id = await enqueued(store());
      await inState(store(), 'accepted');
      await store().changeOutgoing(id, ['queued'], { state: 'accepted', messageId: 'M1' }, note('accepted'));
      await store().changeOutgoing(id, ['accepted'], { state: 'acknowledged' }, note('acknowledged'));
      assert.deepEqual(events(await store().history(MAILBOX, 'M1')), ['queued', 'accepted', 'acknowledged']);
      assert.deepEqual(await store().history(MAILBOX, 'M1'), await store().history(MAILBOX, id));
    });

    it('returns both sides of a message that a mailbox sent to itself', async () => {
      const id = await enqueued(store());
      await store().changeOutgoing(id, ['queued'], { state: 'accepted', messageId: 'M1' }, note('accepted'));
      await received(store(), 'spooled', {}, { messageId: 'M1' });
      assert.deepEqual(events(await store().history(MAILBOX, 'M1')), ['queued', 'accepted', 'spooled']);
    });

    it('is empty in another mailbox and for an unknown id', async () => {
      const id = await enqueued(store());
      assert.deepEqual(await store().history(OTHER, id), []);
      assert.deepEqual(await store().history(MAILBOX, 'no such'), []);
    });
  });

  describe('ledger', () => {
    it('returns the lines of this mailbox from one time up to another, which is excluded', async () => {
      for (const time of [T - 1, T, T + 5, T + 9, T + 10]) await store().note(line(String(time - T), time));
      await store().note(line('elsewhere', T, OTHER));
      const lines = await store().ledger(MAILBOX, { from: T, to: T + 10 }, { limit: 9 });
      assert.deepEqual(events(lines), ['0', '5', '9']);
      assert.deepEqual(await store().ledger('never used', { from: 0, to: T * 2 }, { limit: 9 }), []);
    });

    it('finds the events of this mailbox that are shown as conditions, the newest thousand, in order of time', async () => {
      const events = ['offered again', 'queued', 'store behind', 'offered again'];
      for (const [at, event] of events.entries()) await store().note({ ...line('M', T + at), event });
      await store().note({ ...line('M', T + 9, OTHER), event: 'offered again' });
      const since = async (time: number) =>
        (await store().conditionEvents(MAILBOX, time)).map((each) => [each.event, each.time - T]);
      const [first, ...later] = [
        ['offered again', 0],
        ['store behind', 2],
        ['offered again', 3],
      ];
      assert.deepEqual(await since(T), [first, ...later]);
      assert.deepEqual(await since(T + 1), later);
      assert.deepEqual(await store().conditionEvents('never used', 0), []);
      for (let at = 0; at < 1000; at += 1) await store().note({ ...line('M', T + 10 + at), event: 'offered again' });
      const newest = await since(T);
      assert.deepEqual([newest.length, newest[0], newest.at(-1)?.[1]], [1000, ['offered again', 10], 1009]);
    });

    it('returns every line once, in order of time, over pages of any size', async () => {
      // Times that go back, as after a clock is corrected, and many that are equal.
      const times = Array.from({ length: 40 }, (_, i) => T + ((i * 7) % 10));
      for (const [i, time] of times.entries()) await store().note(line(String(i), time));
      for (const limit of [1, 7, 100]) {
        const pages = await everyPage(
          limit,
          (each: LedgerEntry) => String(each.sequence),
          (page) => store().ledger(MAILBOX, { from: 0, to: T * 2 }, page),
        );
        const lines = pages.flat();
        assert.equal(new Set(events(lines)).size, 40);
        assert.equal(lines.length, 40);
        const sorted = lines.toSorted((one, other) => one.time - other.time || one.sequence - other.sequence);
        assert.deepEqual(lines, sorted);
      }
    });
  });
}
