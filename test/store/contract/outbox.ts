import assert from 'node:assert/strict';
import { furthestAttempt, furthestTracking } from '../../../lib/store/rules/due-times';
import type { Outgoing, OutgoingState } from '../../../lib/store/store';
import { enqueued, everyPage, ids, inState, MAILBOX, newId, note, OTHER, outgoing, T, type UseStore } from './support';

const UNFINISHED: OutgoingState[] = ['queued', 'sending', 'unknown', 'parked'];
const FINISHED: OutgoingState[] = ['accepted', 'acknowledged', 'undelivered', 'rejected', 'closed'];

export function describeOutbox(store: UseStore): void {
  const next = async (limit = 99, now = T): Promise<string[]> => {
    const rows = ids(await store().nextToSend(MAILBOX, now, limit));
    assert.deepEqual(await store().idsToSend(MAILBOX, now, limit), rows);
    return rows;
  };

  describe('nextToSend and idsToSend', () => {
    it('return queued messages of this mailbox, oldest first, with their payloads', async () => {
      const [one, two] = [await enqueued(store()), await enqueued(store())];
      await enqueued(store(), { mailbox: OTHER });
      for (const state of FINISHED) await inState(store(), state);
      await inState(store(), 'sending');
      const rows = await store().nextToSend(MAILBOX, T, 99);
      assert.deepEqual(ids(rows), [one, two]);
      assert.deepEqual(rows[0]?.payload, { kind: 'inline', bytes: new Uint8Array(Buffer.from('hello')) });
    });

    it('order by the store’s sequence: an id from a clock that was set back, or lags, overtakes nothing', async () => {
      const [lagging, ahead] = [newId(), newId()];
      await enqueued(store(), { id: ahead });
      await enqueued(store(), { id: lagging });
      assert.deepEqual(await next(), [ahead, lagging]);
    });

    it('return at most `limit` messages', async () => {
      const [one, two] = [await enqueued(store()), await enqueued(store()), await enqueued(store())];
      assert.deepEqual(await next(1), [one]);
      assert.deepEqual(await next(2), [one, two]);
      assert.deepEqual(await next(0), []);
    });

    it('wait for nextAttemptAt to the millisecond, and let other messages overtake meanwhile', async () => {
      const waits = await enqueued(store());
      await store().changeOutgoing(waits, ['queued'], { nextAttemptAt: T + 100 });
      const other = await enqueued(store());
      assert.deepEqual(await next(9, T + 99), [other]);
      assert.deepEqual(await next(9, T + 100), [waits, other]);
    });

    it('return a message whose nextAttemptAt is further ahead than any is planned: the clock was set back', async () => {
      const [planned, stale] = [await enqueued(store()), await enqueued(store())];
      const furthest = furthestAttempt(T);
      await store().changeOutgoing(planned, ['queued'], { nextAttemptAt: furthest });
      await store().changeOutgoing(stale, ['queued'], { nextAttemptAt: furthest + 1 });
      assert.deepEqual(await next(9), [stale]);
      assert.equal(await store().nextSendTime(MAILBOX, T), 0);
      assert.equal(await store().nextSendTime(MAILBOX, T + 1), furthest);
    });

    it('return nothing for a mailbox that was never used', async () => {
      assert.deepEqual(await store().nextToSend('never used', T, 9), []);
      assert.deepEqual(await store().idsToSend('never used', T, 9), []);
      assert.equal(await store().nextSendTime('never used', T), undefined);
    });
  });

  describe('strict order', () => {
    const strict = { strictOrder: true };

    it('lets only the first message of a lane go, independent of other lanes', async () => {
      const first = await enqueued(store(), strict);
      await enqueued(store(), strict);
      const elsewhere = await enqueued(store(), { ...strict, lane: 'another' });
      const otherMailbox = await enqueued(store(), { ...strict, mailbox: OTHER });
      assert.deepEqual(await next(), [first, elsewhere]);
      assert.deepEqual(ids(await store().nextToSend(OTHER, T, 9)), [otherMailbox]);
    });

    for (const state of UNFINISHED) {
      it(`waits while an earlier message of the lane is ${state}, strict or not`, async () => {
        const first = await inState(store(), state, { nextAttemptAt: T + 100 });
        const second = await enqueued(store(), strict);
        assert.deepEqual(await next(), []);
        await store().changeOutgoing(first, [state], { state: 'closed' });
        assert.deepEqual(await next(), [second]);
      });
    }

    for (const state of FINISHED) {
      it(`goes on once an earlier message is ${state}`, async () => {
        await inState(store(), state);
        const second = await enqueued(store(), strict);
        assert.deepEqual(await next(), [second]);
      });
    }

    it('does not hold up a message without strict order', async () => {
      await inState(store(), 'parked', {}, strict);
      const lax = await enqueued(store());
      assert.deepEqual(await next(), [lax]);
    });

    it('blocks again when an earlier message returns to the queue', async () => {
      const first = await inState(store(), 'undelivered');
      const second = await enqueued(store(), strict);
      await store().changeOutgoing(first, ['undelivered'], { state: 'queued' });
      assert.deepEqual(await next(), [first]);
      await store().changeOutgoing(first, ['queued'], { state: 'rejected' });
      assert.deepEqual(await next(), [second]);
    });

    it('blocks a later message whose id is from a clock that was set back, or lags', async () => {
      const lagging = newId();
      const first = await enqueued(store(), strict);
      await enqueued(store(), { ...strict, id: lagging });
      assert.deepEqual(await next(), [first]);
      await store().changeOutgoing(first, ['queued'], { state: 'accepted' });
      assert.deepEqual(await next(), [lagging]);
    });

    it('is kept after any sequence of changes (300 random ones against the plain rule)', async () => {
      let seed = 7;
      const random = (below: number): number => {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        return Math.floor((seed / 2 ** 31) * below);
      };
      const waiting: string[] = Array.from({ length: 300 }, () => newId());
      const rows = new Map<string, Pick<Outgoing, 'id' | 'lane' | 'strictOrder' | 'state'>>();
      for (let step = 0; step < 300; step += 1) {
        if (random(3) > 0) {
          const [id = ''] = waiting.splice(random(Math.min(5, waiting.length)), 1);
          const row = { id, lane: `lane ${random(4)}`, strictOrder: random(3) > 0 };
          await store().enqueue(outgoing(row), note('queued'));
          rows.set(id, { ...row, state: 'queued' });
        } else if (rows.size > 0) {
          const row = [...rows.values()][random(rows.size)];
          const state = [...UNFINISHED, ...FINISHED][random(9)];
          if (!row || !state) continue;
          await store().changeOutgoing(row.id, [row.state], { state });
          row.state = state;
        }
        const sorted = [...rows.values()];
        const expected = sorted.filter(
          (row, index) =>
            row.state === 'queued' &&
            !(
              row.strictOrder &&
              sorted.slice(0, index).some((each) => each.lane === row.lane && UNFINISHED.includes(each.state))
            ),
        );
        assert.deepEqual(await next(999), ids(expected), `step ${step}`);
      }
    });

    it('claims from a lane of 5,000 as fast as from one of ten', async () => {
      const messages = Array.from({ length: 5000 }, () => outgoing(strict));
      await Promise.all(messages.map((message) => store().enqueue(message, note('queued'))));
      const started = performance.now();
      for (const { id } of messages.slice(0, 50)) {
        assert.deepEqual(await next(2), [id]);
        await store().changeOutgoing(id, ['queued'], { state: 'accepted' });
      }
      assert.ok(performance.now() - started < 5000);
    }).timeout(60_000);
  });

  describe('nextSendTime', () => {
    it('is the earliest nextAttemptAt of the queued messages', async () => {
      assert.equal(await store().nextSendTime(MAILBOX, T), undefined);
      const one = await enqueued(store());
      assert.equal(await store().nextSendTime(MAILBOX, T), 0);
      await store().changeOutgoing(one, ['queued'], { nextAttemptAt: T + 5 });
      await store().changeOutgoing(await enqueued(store()), ['queued'], { nextAttemptAt: T + 3 });
      assert.equal(await store().nextSendTime(MAILBOX, T), T + 3);
      assert.equal(await store().nextSendTime(OTHER, T), undefined);
      await store().changeOutgoing(one, ['queued'], { state: 'sending', nextAttemptAt: 0 });
      assert.equal(await store().nextSendTime(MAILBOX, T), T + 3);
    });

    it('ignores messages that strict order holds up', async () => {
      await inState(store(), 'unknown');
      await enqueued(store(), { strictOrder: true });
      assert.equal(await store().nextSendTime(MAILBOX, T), undefined);
    });
  });

  describe('sendingProgress', () => {
    it('is 0 at first, and is recorded with a batch, for each mailbox', async () => {
      assert.deepEqual(await store().sendingProgress(MAILBOX), { commits: 0, begun: 0 });
      const id = await enqueued(store());
      const transition = { id, from: ['queued'], change: { state: 'sending' }, note: note('attempt') } as const;
      await store().changeBatch([transition], { mailbox: MAILBOX, commits: 1, begun: 0 });
      await store().changeBatch([], { mailbox: MAILBOX, commits: 2, begun: 2 ** 40 });
      await store().changeBatch([]);
      assert.deepEqual(await store().sendingProgress(MAILBOX), { commits: 2, begun: 2 ** 40 });
      assert.deepEqual(await store().sendingProgress(OTHER), { commits: 0, begun: 0 });
      await store().changeBatch([], { mailbox: OTHER, commits: 5, begun: 6 });
      assert.deepEqual(await store().sendingProgress(OTHER), { commits: 5, begun: 6 });
    });
  });

  describe('addWithoutPayload', () => {
    const known = { attempts: 2, firstAttemptAt: T, messageId: 'M1', nextTrackAt: null, error: null } as const;

    it('adds a message without a payload in the state that is named, with its line', async () => {
      const { payload: _none, ...message } = outgoing();
      const change = { ...known, state: 'unknown' } as const;
      const row = await store().addWithoutPayload(message, change, note('held'));
      assert.deepEqual({ ...row, ...message, ...change, payload: null }, row);
      assert.deepEqual(await store().getOutgoing(message.id), row);
      const lines = await store().history(MAILBOX, message.id);
      assert.deepEqual(
        lines.map(({ event, messageId }) => [event, messageId]),
        [['held', 'M1']],
      );
      assert.equal((await store().countOutgoing(MAILBOX)).messages.unknown, 1);
      assert.deepEqual(await next(), []);
    });

    it('adds nothing, and no line, if the store has the message', async () => {
      const id = await enqueued(store());
      const before = await store().getOutgoing(id);
      const { payload: _none, ...message } = outgoing({ id });
      assert.equal(await store().addWithoutPayload(message, { ...known, state: 'unknown' }, note('held')), undefined);
      assert.deepEqual(await store().getOutgoing(id), before);
      assert.equal((await store().history(MAILBOX, id)).length, 1);
    });
  });

  describe('generation', () => {
    it('stays the same', async () => {
      const first = await store().generation();
      assert.match(first, /^[0-9a-f-]{32,36}$/);
      assert.equal(await store().generation(), first);
    });
  });

  describe('dueTracking', () => {
    it('lists messages whose nextTrackAt has passed, in any state, oldest first, without payloads', async () => {
      const late = await inState(store(), 'unknown', { nextTrackAt: T });
      const early = await inState(store(), 'accepted', { nextTrackAt: T - 5 });
      await inState(store(), 'accepted', { nextTrackAt: T + 1 });
      await inState(store(), 'accepted', {});
      await inState(store(), 'accepted', { nextTrackAt: T }, { mailbox: OTHER });
      const rows = await store().dueTracking(MAILBOX, T, 9);
      assert.deepEqual(ids(rows), [early, late]);
      assert.deepEqual(
        rows.map(({ payload }) => payload),
        [null, null],
      );
      assert.deepEqual(ids(await store().dueTracking(MAILBOX, T, 1)), [early]);
      await store().changeOutgoing(early, ['accepted'], { nextTrackAt: null });
      assert.deepEqual(ids(await store().dueTracking(MAILBOX, T, 9)), [late]);
    });
  });

  describe('dueTracking after the clock was set back', () => {
    it('lists last what is further ahead than is planned in its state, unknown messages first', async () => {
      const stale: string[] = [];
      for (const state of ['unknown', 'accepted'] as const) {
        stale.push(await inState(store(), state, { nextTrackAt: furthestTracking(state, T) + 1 }));
        await inState(store(), state, { nextTrackAt: furthestTracking(state, T) });
      }
      const due = await inState(store(), 'accepted', { nextTrackAt: T });
      const all = [due, ...stale];
      for (const limit of [9, 3, 2, 1])
        assert.deepEqual(ids(await store().dueTracking(MAILBOX, T, limit)), all.slice(0, limit));
    });
  });

  describe('dueOverdue', () => {
    const due = async (now = T): Promise<string[]> => ids(await store().dueOverdue(MAILBOX, now, 9));

    it('lists messages from the time of a limit on, oldest limit first', async () => {
      const collect = await inState(store(), 'accepted', { collectBy: T });
      const business = await inState(store(), 'acknowledged', { business: 'awaited', businessBy: T - 2 });
      const infrastructure = await inState(store(), 'accepted', { infrastructure: 'awaited', infrastructureBy: T - 1 });
      await inState(store(), 'accepted', { collectBy: T - 9 }, { mailbox: OTHER });
      assert.deepEqual(await due(T - 3), []);
      assert.deepEqual(await due(T - 1), [business, infrastructure]);
      assert.deepEqual(await due(), [business, infrastructure, collect]);
      assert.deepEqual(ids(await store().dueOverdue(MAILBOX, T, 1)), [business]);
    });

    it('lists messages that still wait to be sent, too', async () => {
      const id = await enqueued(store(), { collectBy: T });
      assert.deepEqual(await due(), [id]);
    });

    it('lists a message once for all its limits, and no longer once each is reported', async () => {
      const all = { infrastructure: 'awaited', business: 'awaited' } as const;
      const id = await inState(store(), 'accepted', { ...all, collectBy: T, infrastructureBy: T, businessBy: T });
      assert.deepEqual(await due(), [id]);
      await store().changeOutgoing(id, ['accepted'], { collectBy: null });
      await store().changeOutgoing(id, ['accepted'], { infrastructure: 'overdue' });
      assert.deepEqual(await due(), [id]);
      await store().changeOutgoing(id, ['accepted'], { business: 'overdue' });
      assert.deepEqual(await due(), []);
    });

    it('ignores messages that were collected or acknowledged in time, and those that have failed', async () => {
      await inState(store(), 'acknowledged', { collectBy: T });
      for (const business of ['positive', 'partial', 'negative', 'overdue', 'not-asked'] as const) {
        await inState(store(), 'acknowledged', { business, businessBy: T });
      }
      for (const state of ['undelivered', 'rejected', 'closed'] as const) {
        await inState(store(), state, { collectBy: T, business: 'awaited', businessBy: T });
      }
      assert.deepEqual(await due(), []);
    });
  });

  describe('listOutgoing', () => {
    it('lists by each field of a filter, and by all of them', async () => {
      const id = await inState(
        store(),
        'accepted',
        { messageId: 'M1' },
        { localId: 'L1', onceKey: 'K1', resendOf: 'R1' },
      );
      await inState(store(), 'accepted', { messageId: 'M2' }, { localId: 'L2', onceKey: 'K2', resendOf: 'R2' });
      await inState(store(), 'queued', {}, { mailbox: OTHER });
      for (const filter of [
        { messageId: 'M1' },
        { localId: 'L1' },
        { onceKey: 'K1' },
        { resendOf: 'R1' },
        { messageId: 'M1', localId: 'L1', onceKey: 'K1', resendOf: 'R1', mailbox: MAILBOX, states: ['accepted'] },
        { localId: 'L1', states: ['queued', 'accepted'] },
      ] as const) {
        assert.deepEqual(ids(await store().listOutgoing(filter, { limit: 9 })), [id], JSON.stringify(filter));
      }
      for (const filter of [
        { messageId: 'M1', localId: 'L2' },
        { messageId: 'M1', mailbox: OTHER },
        { onceKey: 'K1', states: ['queued'] },
        { mailbox: 'never used' },
        { states: [] },
      ] as const) {
        assert.deepEqual(await store().listOutgoing(filter, { limit: 9 }), [], JSON.stringify(filter));
      }
      assert.equal((await store().listOutgoing({}, { limit: 9 })).length, 3);
      assert.equal((await store().listOutgoing({ states: ['queued'] }, { limit: 9 })).length, 1);
    });

    it('returns no payloads', async () => {
      await enqueued(store());
      await enqueued(store(), { payload: { kind: 'spool', name: 'n' } });
      const rows = await store().listOutgoing({ mailbox: MAILBOX }, { limit: 9 });
      assert.deepEqual(
        rows.map(({ payload }) => payload),
        [null, null],
      );
    });

    it('returns every row once, oldest first, over pages of any size and states in any order', async () => {
      const all: string[] = [];
      const states = ['unknown', 'queued', 'parked'] as const;
      for (let i = 0; i < 20; i += 1) all.push(await inState(store(), states[i % 3] ?? 'queued', {}, { localId: 'L' }));
      await inState(store(), 'accepted', {}, { localId: 'other' });
      for (const limit of [1, 3, 20, 50]) {
        for (const filter of [{ states, mailbox: MAILBOX }, { localId: 'L' }]) {
          const pages = await everyPage(
            limit,
            (row: Outgoing) => row.id,
            (page) => store().listOutgoing(filter, page),
          );
          assert.deepEqual(ids(pages.flat()), all);
          assert.equal(pages[0]?.length, Math.min(limit, 20));
        }
      }
    });
  });

  describe('countOutgoing', () => {
    it('is zero for a mailbox that was never used', async () => {
      const { messages, pendingBytes } = await store().countOutgoing('never used');
      assert.deepEqual([Object.keys(messages).length, new Set(Object.values(messages)).size, pendingBytes], [9, 1, 0]);
    });

    it('counts each state, and the bytes of pending messages except files of users', async () => {
      const file = { kind: 'file', path: '/f', size: 1000, mtimeMs: 1, ino: 1 } as const;
      for (const state of [...UNFINISHED, ...FINISHED]) await inState(store(), state, {}, { size: 10 });
      await enqueued(store(), { size: 100, payload: { kind: 'spool', name: 'n' } });
      await enqueued(store(), { size: 1000, payload: file });
      await enqueued(store(), { size: 5000, mailbox: OTHER });
      const { messages, pendingBytes } = await store().countOutgoing(MAILBOX);
      assert.deepEqual(messages, {
        queued: 3,
        sending: 1,
        accepted: 1,
        acknowledged: 1,
        undelivered: 1,
        rejected: 1,
        unknown: 1,
        parked: 1,
        closed: 1,
      });
      assert.equal(pendingBytes, 140);
    });

    it('follows changes of state and payload, but not refused ones', async () => {
      const id = await enqueued(store(), { size: 10 });
      await store().changeOutgoing(id, ['queued'], { state: 'sending' });
      await store().changeOutgoing(id, ['queued'], { state: 'accepted' });
      assert.equal((await store().countOutgoing(MAILBOX)).pendingBytes, 10);
      await store().changeOutgoing(id, ['sending'], { payload: null });
      const { messages, pendingBytes } = await store().countOutgoing(MAILBOX);
      assert.deepEqual([messages.queued, messages.sending, pendingBytes], [0, 1, 0]);
    });
  });
}
