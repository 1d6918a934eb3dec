import assert from 'node:assert/strict';
import { enqueued, ids, inState, MAILBOX, OTHER, received, T, type UseStore } from './support';

export function describeAcknowledgements(store: UseStore): void {
  describe('findByAcknowledgementReference', () => {
    it('returns messages sent under a reference, in any state, newest first, without payloads', async () => {
      const first = await enqueued(store(), { acknowledgementReference: 'itk3 a' });
      await enqueued(store(), { acknowledgementReference: 'itk3 b' });
      await enqueued(store());
      await enqueued(store(), { acknowledgementReference: 'itk3 a', mailbox: OTHER });
      const second = await inState(store(), 'closed', {}, { acknowledgementReference: 'itk3 a' });
      const found = await store().findByAcknowledgementReference(MAILBOX, 'itk3 a', 9);
      assert.deepEqual(ids(found), [second, first]);
      assert.deepEqual(
        found.map(({ payload, acknowledgementReference }) => [payload, acknowledgementReference]),
        [
          [null, 'itk3 a'],
          [null, 'itk3 a'],
        ],
      );
      assert.deepEqual(ids(await store().findByAcknowledgementReference(MAILBOX, 'itk3 a', 1)), [second]);
      assert.deepEqual(await store().findByAcknowledgementReference(MAILBOX, 'itk3', 9), []);
      assert.deepEqual(await store().findByAcknowledgementReference('https://nowhere X', 'itk3 a', 9), []);
    });
  });

  describe('firstIncomingRequest', () => {
    it('returns the first received message with a key, done or not, without its payload', async () => {
      const classification = { kind: 'request', form: 'itk3' };
      // The clock was set back between the two.
      const first = await received(store(), 'done', {}, { requestKey: 'k', classification, receivedAt: T + 2 });
      const later = await received(store(), 'spooled', {}, { requestKey: 'k', classification, receivedAt: T + 1 });
      await received(store(), 'spooled', {}, { requestKey: 'k', mailbox: OTHER });
      await received(store(), 'spooled', {}, { requestKey: 'l' });
      const found = await store().firstIncomingRequest(MAILBOX, 'k');
      assert.deepEqual([found?.messageId, found?.payload, found?.classification], [first, null, classification]);
      assert.deepEqual((await store().getIncoming(MAILBOX, later))?.classification, classification);
      assert.equal(await store().firstIncomingRequest(MAILBOX, 'none'), undefined);
    });

    it('the classification may be changed, and nothing else changes with it', async () => {
      const messageId = await received(
        store(),
        'spooled',
        {},
        { requestKey: 'k', classification: { kind: 'acknowledgement' } },
      );
      const before = await store().getIncoming(MAILBOX, messageId);
      const classification = { kind: 'acknowledgement', settled: { id: 'x', texts: ['"', 'ü'] } };
      assert.ok(await store().changeIncoming(MAILBOX, messageId, ['spooled'], { classification }));
      assert.deepEqual(await store().getIncoming(MAILBOX, messageId), { ...before, classification });
    });
  });
}
