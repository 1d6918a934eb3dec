import assert from 'node:assert/strict';
import { settleOutcome, type AcknowledgedOutcome } from '../../../lib/store/settle-outcome';
import type { Incoming, Outcome } from '../../../lib/store/store';
import { enqueued, everyPage, inState, MAILBOX, messageIds, note, OTHER, received, T, type UseStore } from './support';

const OUTCOMES: Outcome[] = ['not-asked', 'awaited', 'positive', 'partial', 'negative', 'overdue'];

export function describeOutcomes(store: UseStore): void {
  describe('outcomes', () => {
    it('a change may require one of them, or both', async () => {
      const id = await inState(store(), 'accepted', { infrastructure: 'positive', business: 'awaited' });
      const change = (outcomes: Parameters<ReturnType<UseStore>['changeOutgoing']>[4]) =>
        store().changeOutgoing(id, ['accepted'], { tracked: 7 }, note('x'), outcomes);
      assert.equal(await change({ infrastructure: ['awaited', 'overdue'] }), undefined);
      assert.equal(await change({ business: [] }), undefined);
      assert.equal(await change({ infrastructure: ['positive'], business: ['negative'] }), undefined);
      assert.equal((await store().getOutgoing(id))?.tracked, 0);
      assert.equal((await store().history(MAILBOX, id)).length, 1);
      assert.equal((await change({ infrastructure: ['awaited', 'positive'], business: ['awaited'] }))?.tracked, 7);
      assert.equal((await change({}))?.tracked, 7);
    });

    const finals: Record<AcknowledgedOutcome['outcome'], Outcome[]> = {
      positive: ['positive', 'negative'],
      partial: ['positive', 'partial', 'negative'],
      negative: ['negative'],
    };
    for (const outcome of ['positive', 'partial', 'negative'] as const) {
      const kept = finals[outcome].join(', ');
      it(`a ${outcome} acknowledgement settles all but ${kept}, in any state, with one ledger line`, async () => {
        for (const kind of ['infrastructure', 'business'] as const) {
          for (const before of OUTCOMES) {
            const id = await inState(store(), 'closed', { [kind]: before, infrastructureBy: T, businessBy: T });
            const settled = await settleOutcome(store(), id, { kind, outcome, detail: { code: 'AA' } }, T);
            const isFinal = finals[outcome].includes(before);
            assert.equal(settled === undefined, isFinal, `${before} to ${outcome}`);
            const row = await store().getOutgoing(id);
            assert.equal(row?.[kind], isFinal ? before : outcome);
            const other = kind === 'business' ? 'infrastructureBy' : 'businessBy';
            assert.deepEqual([row?.[`${kind}By`], row?.[other]], [isFinal ? T : null, T]);
            const notes = (await store().history(MAILBOX, id)).filter(({ event }) => event === `${kind} ${outcome}`);
            assert.deepEqual(
              notes.map(({ detail }) => detail),
              isFinal ? [] : [{ code: 'AA' }],
            );
          }
        }
      });
    }

    it('one of fifty racing acknowledgements settles', async () => {
      const id = await inState(store(), 'accepted', { business: 'awaited' });
      const acknowledgement = { kind: 'business', outcome: 'positive' } as const;
      const settled = await Promise.all(
        Array.from({ length: 50 }, () => settleOutcome(store(), id, acknowledgement, T)),
      );
      assert.equal(settled.filter(Boolean).length, 1);
    });
  });

  describe('unacknowledgedIncoming', () => {
    it('lists messages not acknowledged to MESH, in any state, once, in the order of storing, without payloads', async () => {
      const wanted: string[] = [];
      for (const [index, state] of (['done', 'spooled', 'parked', 'delivered', 'done'] as const).entries()) {
        wanted.push(await received(store(), state, {}, { receivedAt: T - index }));
        await received(store(), state, { acknowledgedAt: T });
      }
      await received(store(), 'done', {}, { mailbox: OTHER });
      for (const limit of [1, 2, 99]) {
        const pages = await everyPage<Incoming>(
          limit,
          (row) => row.messageId,
          (page) => store().unacknowledgedIncoming(MAILBOX, page),
        );
        assert.deepEqual(messageIds(pages.flat()), wanted);
        assert.ok(pages.flat().every(({ payload }) => payload === null));
      }
      await store().changeIncoming(MAILBOX, wanted[0] ?? '', ['done'], { acknowledgedAt: T });
      assert.equal((await store().unacknowledgedIncoming(MAILBOX, { limit: 99 })).length, 4);
      assert.deepEqual(await store().unacknowledgedIncoming('never used', { limit: 9 }), []);
    });
  });

  describe('mailboxes', () => {
    it('are those that sent or received a message, each once', async () => {
      assert.deepEqual(await store().mailboxes(), []);
      await store().countOutgoing('only asked for');
      await enqueued(store());
      await enqueued(store());
      await received(store(), 'spooled', {}, { mailbox: OTHER });
      assert.deepEqual((await store().mailboxes()).sort(), [MAILBOX, OTHER].sort());
    });
  });
}
