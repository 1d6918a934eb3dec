import assert from 'node:assert/strict';
import type { StageState } from '../../../lib/store/store';
import { enqueued, ids, inState, MAILBOX, note, OTHER, outgoing, T, type UseStore } from './support';

const STAGE: StageState = {
  name: 'receipt',
  kind: 'receipt',
  occurs: 'expected',
  dueWithin: { hours: 1 },
  outcome: 'awaited',
  replies: [],
};
const expected = { stages: [STAGE], replies: 'awaited' } as const;

export function describeReplies(store: UseStore): void {
  describe('findByReplyKeys', () => {
    it('returns messages that were enqueued with one of the keys, newest first, each once, without payloads', async () => {
      const first = await enqueued(store(), { ...expected, stages: [STAGE], replyKeys: ['a', 'b'] });
      await enqueued(store(), { ...expected, stages: [STAGE], replyKeys: ['c'] });
      await enqueued(store(), { replyKeys: ['a'], mailbox: OTHER });
      await enqueued(store());
      const second = await inState(store(), 'closed', {}, { replyKeys: ['b', 'b'] });
      const found = await store().findByReplyKeys(MAILBOX, ['b', 'a'], 9);
      assert.deepEqual(ids(found), [second, first]);
      assert.ok(found.every(({ payload }) => payload === null));
      assert.deepEqual(found[1]?.stages, [STAGE]);
      assert.deepEqual(ids(await store().findByReplyKeys(MAILBOX, ['a', 'b'], 1)), [second]);
      assert.deepEqual(ids(await store().findByReplyKeys(MAILBOX, ['a'], 9)), [first]);
      for (const keys of [['none'], []]) assert.deepEqual(await store().findByReplyKeys(MAILBOX, keys, 9), []);
      assert.deepEqual(await store().findByReplyKeys('https://nowhere X', ['a'], 9), []);
    });

    it('finds a message that takes the place of another one', async () => {
      const id = await inState(store(), 'parked');
      const replaced = { id, from: ['parked'] as const, change: { state: 'closed' as const }, note: note('resent') };
      const message = outgoing({ replyKeys: ['k'], ...expected, stages: [STAGE] });
      assert.ok((await store().replaceOutgoing(replaced, message, note('queued')))?.isNew);
      const [row] = await store().findByReplyKeys(MAILBOX, ['k'], 9);
      assert.deepEqual([row?.id, row?.replies, row?.repliesRevision], [message.id, 'awaited', 0]);
    });
  });

  describe('the stages of replies', () => {
    it('are changed only by who has read their last revision', async () => {
      const id = await enqueued(store(), { ...expected, stages: [STAGE] });
      const settled: StageState = {
        ...STAGE,
        outcome: 'negative',
        replies: [{ messageId: 'R1', at: T, outcome: 'negative', code: '400' }],
      };
      const change = (repliesRevision: number) =>
        store().changeOutgoing(
          id,
          ['queued'],
          { stages: [settled], replies: 'negative', repliesRevision: repliesRevision + 1 },
          note('reply negative'),
          { repliesRevision },
        );
      const changed = await Promise.all([change(0), change(0), change(0)]);
      assert.equal(changed.filter(Boolean).length, 1);
      const row = await store().getOutgoing(id);
      assert.deepEqual([row?.stages, row?.replies, row?.repliesRevision], [[settled], 'negative', 1]);
      assert.ok(await change(1));
    });

    it('have a time that is due while the message has not ended uncollected, and are overdue where one is', async () => {
      const due = await inState(store(), 'accepted', { repliesBy: T + 1 }, { ...expected, stages: [STAGE] });
      await inState(store(), 'undelivered', { repliesBy: T + 1 }, { ...expected, stages: [STAGE] });
      await inState(store(), 'acknowledged', { repliesBy: T + 9 }, { ...expected, stages: [STAGE] });
      assert.deepEqual(ids(await store().dueOverdue(MAILBOX, T + 1, 9)), [due]);
      await store().changeOutgoing(due, ['accepted'], { repliesBy: null, replies: 'overdue', collectBy: T + 99 });
      assert.deepEqual(await store().dueOverdue(MAILBOX, T + 8, 9), []);
      assert.equal((await store().attention(MAILBOX, 9)).overdue, 1);
    });
  });
}
