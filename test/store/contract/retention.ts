import assert from 'node:assert/strict';
import type { OutgoingChange, OutgoingState, Retention } from '../../../lib/store/store';
import {
  DAY,
  enqueued,
  incoming,
  inState,
  MAILBOX,
  note,
  OTHER,
  outgoing,
  received,
  T,
  type UseStore,
} from './support';

const RETENTION: Retention = {
  settledPayloadMs: 7 * DAY,
  unsettledPayloadMs: 40 * DAY,
  rowsMs: 90 * DAY,
  ledgerMs: 400 * DAY,
};
const NEVER = T + 10_000 * DAY;

export function describeRetention(store: UseStore): void {
  const hasPayload = async (id: string): Promise<boolean> => (await store().getOutgoing(id))?.payload !== null;
  const purge = (now: number, changes: Partial<Retention> = {}) => store().purge(now, { ...RETENTION, ...changes });
  /**
   * Asserts that the payload of a message after this change is removed at the time and not a millisecond before, or
   * never.
   */
  const goesAfter = async (state: OutgoingState, change: OutgoingChange, ms: number | 'never'): Promise<void> => {
    const id = await inState(store(), state, change);
    const forever = { rowsMs: Number.MAX_SAFE_INTEGER / 2 };
    await purge(ms === 'never' ? NEVER : T + ms - 1, forever);
    assert.equal(await hasPayload(id), true, 'kept until then');
    if (ms === 'never') return;
    await purge(T + ms, forever);
    assert.equal(await hasPayload(id), false, 'removed then');
  };

  describe('purge of payloads', () => {
    const settled = { settledAt: T };
    for (const [title, state, change, ms] of [
      ['acknowledged, no acknowledgement awaited', 'acknowledged', settled, 7 * DAY],
      ['acknowledged, business positive', 'acknowledged', { ...settled, business: 'positive' }, 7 * DAY],
      ['acknowledged, infrastructure positive', 'acknowledged', { ...settled, infrastructure: 'positive' }, 7 * DAY],
      ['undelivered', 'undelivered', settled, 40 * DAY],
      ['rejected', 'rejected', settled, 40 * DAY],
      ['closed', 'closed', settled, 40 * DAY],
      ['business negative', 'acknowledged', { ...settled, business: 'negative' }, 40 * DAY],
      ['business partial', 'acknowledged', { ...settled, business: 'partial' }, 40 * DAY],
      ['business overdue', 'acknowledged', { ...settled, business: 'overdue' }, 40 * DAY],
      ['infrastructure negative', 'acknowledged', { ...settled, infrastructure: 'negative' }, 40 * DAY],
      ['infrastructure overdue', 'acknowledged', { ...settled, infrastructure: 'overdue' }, 40 * DAY],
      ['unknown: it may need a decision', 'unknown', { firstAttemptAt: T }, 'never'],
      ['business awaited', 'acknowledged', { ...settled, business: 'awaited' }, 'never'],
      ['infrastructure awaited', 'acknowledged', { ...settled, infrastructure: 'awaited' }, 'never'],
      ['queued', 'queued', {}, 'never'],
      ['sending', 'sending', {}, 'never'],
      ['accepted', 'accepted', { acceptedAt: T }, 'never'],
      ['parked', 'parked', {}, 'never'],
    ] as const) {
      const when = ms === 'never' ? 'never' : `after ${ms / DAY} days`;
      it(`${title}: ${when}`, () => goesAfter(state, change, ms));
    }

    it('of messages that may have to be resent comes after at least 30 days, whatever the setting', async () => {
      const id = await inState(store(), 'undelivered', { settledAt: T });
      await purge(T + 30 * DAY - 1, { unsettledPayloadMs: 0, rowsMs: 0 });
      assert.equal(await hasPayload(id), true);
      await purge(T + 30 * DAY, { unsettledPayloadMs: 0 });
      assert.equal(await hasPayload(id), false);
    });

    it('removes the bytes and keeps the row', async () => {
      const id = await inState(store(), 'rejected', { settledAt: T });
      await purge(T + 40 * DAY);
      assert.equal((await store().countOutgoing(MAILBOX)).messages.rejected, 1);
      assert.equal((await store().getOutgoing(id))?.payload, null);
    });

    it('of received messages: done after settledPayloadMs, all others never', async () => {
      const done = await received(store(), 'done', { settledAt: T });
      const kept = [];
      for (const state of ['spooled', 'acknowledged', 'delivered', 'parked'] as const) {
        kept.push(await received(store(), state, { settledAt: T }));
      }
      await purge(T + 7 * DAY - 1);
      assert.notEqual((await store().getIncoming(MAILBOX, done))?.payload, null);
      await purge(T + 7 * DAY);
      assert.equal((await store().getIncoming(MAILBOX, done))?.payload, null);
      await purge(NEVER);
      for (const each of kept) assert.notEqual((await store().getIncoming(MAILBOX, each))?.payload, null);
    });
  });

  describe('the trusted time', () => {
    it('is none in a new store, and goes back only if MESH confirms it', async () => {
      assert.equal(await store().trustedTime(), undefined);
      await store().trustTime(T, false);
      await store().trustTime(T - 5, false);
      assert.equal(await store().trustedTime(), T);
      await store().trustTime(T + 5, false);
      assert.equal(await store().trustedTime(), T + 5);
      await store().trustTime(T - 5, true);
      assert.equal(await store().trustedTime(), T - 5);
    });
  });

  describe('purge of rows and of the ledger', () => {
    it('removes rows of settled messages after rowsMs, and counts them', async () => {
      for (const state of ['acknowledged', 'undelivered', 'rejected', 'closed'] as const) {
        await inState(store(), state, { settledAt: T, payload: null });
      }
      await received(store(), 'done', { settledAt: T });
      const open = await inState(store(), 'accepted', { acceptedAt: T });
      const awaited = await inState(store(), 'acknowledged', { settledAt: T, business: 'awaited', payload: null });
      const parked = await received(store(), 'parked', { settledAt: T });
      assert.equal((await purge(T + 90 * DAY - 1)).rows, 0);
      assert.equal((await purge(T + 90 * DAY)).rows, 5);
      await purge(NEVER);
      assert.ok((await store().getOutgoing(open)) && (await store().getOutgoing(awaited)));
      assert.ok(await store().getIncoming(MAILBOX, parked));
      const { messages } = await store().countOutgoing(MAILBOX);
      assert.deepEqual([messages.acknowledged, messages.undelivered, messages.accepted], [1, 0, 1]);
    });

    it('keeps a row as long as its payload, whatever rowsMs says', async () => {
      const id = await inState(store(), 'undelivered', { settledAt: T });
      await purge(T + 40 * DAY - 1, { rowsMs: 0 });
      assert.ok(await store().getOutgoing(id));
      await purge(T + 40 * DAY, { rowsMs: 0 });
      assert.equal(await store().getOutgoing(id), undefined);
    });

    it('frees a key with its row', async () => {
      await inState(store(), 'acknowledged', { settledAt: T }, { onceKey: 'K' });
      await purge(T + 90 * DAY);
      assert.equal((await store().enqueue(outgoing({ onceKey: 'K' }), note('queued'))).isNew, true);
    });

    it('removes the lines of several mailboxes, more than a slice has, and counts them all', async () => {
      const line = { direction: 'in', reference: 'R', messageId: null, event: 'e', time: T, detail: {} } as const;
      const mailboxes = [MAILBOX, OTHER, 'third'];
      await Promise.all(
        mailboxes.flatMap((mailbox) => Array.from({ length: 900 }, () => store().note({ ...line, mailbox }))),
      );
      assert.equal((await purge(T + 400 * DAY)).ledgerEntries, 2700);
      for (const mailbox of mailboxes) {
        assert.deepEqual(await store().ledger(mailbox, { from: 0, to: NEVER }, { limit: 9 }), []);
      }
    });

    it('removes ledger lines after ledgerMs, and counts them', async () => {
      const id = await enqueued(store());
      await store().changeOutgoing(id, ['queued'], { attempts: 1 }, note('attempt', T + 1));
      await enqueued(store(), { mailbox: OTHER });
      assert.equal((await purge(T + 400 * DAY - 1)).ledgerEntries, 0);
      assert.equal((await purge(T + 400 * DAY)).ledgerEntries, 2);
      assert.deepEqual(
        (await store().history(MAILBOX, id)).map(({ event }) => event),
        ['attempt'],
      );
    });

    it('removes everything in one call, even thousands of rows, and serves other operations meanwhile', async () => {
      const rows = Array.from({ length: 1500 }, () => outgoing());
      await Promise.all(rows.map((row) => store().enqueue(row, note('queued'))));
      const closed = { state: 'closed', settledAt: T } as const;
      await Promise.all(rows.map(({ id }) => store().changeOutgoing(id, ['queued'], closed, note('closed'))));
      const purging = purge(NEVER);
      const id = await enqueued(store(), { queuedAt: NEVER });
      const { rows: gone, ledgerEntries } = await purging;
      assert.equal(gone, 1500);
      assert.ok(ledgerEntries >= 3000);
      assert.ok(await store().getOutgoing(id));
      assert.deepEqual(await purge(NEVER), { spoolNames: [], rows: 0, ledgerEntries: 0 });
    }).timeout(60_000);
  });

  describe('the store itself', () => {
    it('has an id and a spool key of its own, and remembers every folder that had files of its messages', async () => {
      assert.match(await store().identity(), /^[0-9a-f-]{36}$/);
      assert.equal(await store().identity(), await store().identity());
      assert.match(await store().spoolKey(), /^[0-9a-f]{64}$/);
      assert.equal(await store().spoolKey(), await store().spoolKey());
      assert.deepEqual(await store().spoolFolders(), []);
      const add = (path: string, hasPayloads: boolean) => store().addSpoolFolder({ path, hasPayloads });
      for (const path of ['/c', '/a', '/b']) await add(path, path === '/a');
      // What may have had payloads once may have some for ever.
      for (const path of ['/c', '/a', '/b']) await add(path, path === '/c');
      assert.deepEqual(await store().spoolFolders(), [
        { path: '/a', hasPayloads: true },
        { path: '/b', hasPayloads: false },
        { path: '/c', hasPayloads: true },
      ]);
    });
  });

  describe('spool names', () => {
    const spool = (name: string) => ({ payload: { kind: 'spool', name } as const });

    it('are those that sent and received messages name', async () => {
      assert.equal((await store().spoolNames()).size, 0);
      await enqueued(store(), spool('a'));
      await enqueued(store(), { ...spool('b'), mailbox: OTHER });
      await store().addIncoming(incoming(spool('c')), note('spooled'));
      await store().changeOutgoing(await enqueued(store(), spool('d')), ['queued'], { payload: null });
      await enqueued(store());
      assert.deepEqual([...(await store().spoolNames())].sort(), ['a', 'b', 'c']);
    });

    it('are returned once by the purge that frees them', async () => {
      await inState(store(), 'acknowledged', { settledAt: T }, spool('sent'));
      await received(store(), 'done', { settledAt: T }, spool('received'));
      await inState(store(), 'accepted', {}, spool('kept'));
      assert.deepEqual((await purge(T + 7 * DAY)).spoolNames.sort(), ['received', 'sent']);
      assert.deepEqual((await purge(T + 7 * DAY)).spoolNames, []);
      assert.deepEqual([...(await store().spoolNames())], ['kept']);
    });

    it('are kept by the purge while another row names them', async () => {
      await inState(store(), 'acknowledged', { settledAt: T }, spool('shared'));
      const resent = await enqueued(store(), spool('shared'));
      assert.deepEqual((await purge(T + 7 * DAY)).spoolNames, []);
      await store().changeOutgoing(resent, ['queued'], { state: 'acknowledged', settledAt: T });
      assert.deepEqual((await purge(T + 7 * DAY)).spoolNames, ['shared']);
    });
  });

  describe('closeOtherInstances', () => {
    const old = { instance: 'old' };

    it('closes messages under way at another instance, each with a ledger line; returns how many', async () => {
      const closed: string[] = [];
      for (const state of ['queued', 'sending', 'accepted', 'unknown', 'parked'] as const) {
        closed.push(await inState(store(), state, { nextTrackAt: T }, old));
      }
      closed.push(await inState(store(), 'acknowledged', { business: 'awaited', businessBy: T }, old));
      const arrived = await received(store(), 'delivered', { leaseUntil: T }, old);
      const kept = [
        await inState(store(), 'acknowledged', { settledAt: 1 }, old),
        await inState(store(), 'rejected', { settledAt: 1 }, old),
        await inState(store(), 'accepted', {}, { instance: 'new' }),
        await inState(store(), 'accepted', {}, { instance: null }),
        await inState(store(), 'accepted', {}, { ...old, mailbox: OTHER }),
      ];
      const before = await Promise.all(kept.map((id) => store().getOutgoing(id)));
      assert.equal(await store().closeOtherInstances(MAILBOX, 'new', note('sandbox restarted', T + 9)), 7);
      for (const id of closed) {
        const row = await store().getOutgoing(id);
        assert.deepEqual([row?.state, row?.settledAt, row?.nextTrackAt], ['closed', T + 9, null]);
        assert.equal((await store().history(MAILBOX, id)).at(-1)?.event, 'sandbox restarted');
      }
      assert.equal((await store().getIncoming(MAILBOX, arrived))?.state, 'done');
      assert.equal((await store().history(MAILBOX, arrived)).at(-1)?.event, 'sandbox restarted');
      assert.deepEqual(await Promise.all(kept.map((id) => store().getOutgoing(id))), before);
      assert.deepEqual(await store().nextToSend(MAILBOX, NEVER, 9), []);
      assert.deepEqual(await store().dueTracking(MAILBOX, NEVER, 9), []);
      assert.deepEqual(await store().dueOverdue(MAILBOX, NEVER, 9), []);
      assert.equal(await store().closeOtherInstances(MAILBOX, 'new', note('sandbox restarted')), 0);
    });

    it('unblocks a strict lane', async () => {
      await inState(store(), 'unknown', {}, old);
      const { message } = await store().enqueue(outgoing({ strictOrder: true, instance: 'new' }), note('queued'));
      assert.equal(await store().closeOtherInstances(MAILBOX, 'new', note('sandbox restarted')), 1);
      assert.equal((await store().nextToSend(MAILBOX, T, 9))[0]?.id, message.id);
    });

    it('returns 0 for a mailbox that was never used', async () =>
      assert.equal(await store().closeOtherInstances('never used', 'new', note('x')), 0));
  });
}
