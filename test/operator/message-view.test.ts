/** What an operator sees of a message without asking for its personal details. */
import assert from 'node:assert/strict';
import { toMessageView } from '../../lib/operator/message-view';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import type { Incoming } from '../../lib/store/store';
import { incoming } from '../store/contract/support';

const received = (changes: Partial<Incoming>): Incoming => ({
  ...incoming(),
  classification: null,
  requestKey: null,
  sequence: 1,
  state: 'acknowledged',
  acknowledgedAt: null,
  deliveryCount: 0,
  leaseUntil: null,
  settledAt: null,
  error: null,
  ...changes,
});

describe('the view of a message', () => {
  for (const [to, isShown] of [
    ['X26ABC2', true],
    ['a91ot001', true],
    ['GPPROVIDER_9434765919_01012000_Smith', false],
    ['9434765919', false],
    ['Smith', false],
    ['SMITH01-01-2000', false],
  ] as const) {
    it(`${isShown ? 'shows' : 'does not show'} the recipient ${to}`, async () => {
      const mailbox = outboxAt(await tlsSandbox(), { storage: await storageIn() });
      const { message } = await mailbox.outbox.enqueue(letter('letter', { to }));
      const [listed] = (await mailbox.operator.list({ direction: 'out' })).messages;
      assert.equal(listed?.to, isShown ? to : undefined);
      assert.equal((await mailbox.operator.privateFields('out', message.id)).to, to);
      assert.equal(JSON.stringify(listed).includes(to), isShown);
    });
  }

  it('shows the sender, and when a message that is leased is delivered again', () => {
    const leaseUntil = Date.UTC(2026, 0, 31, 9);
    const view = toMessageView(received({ state: 'delivered', leaseUntil, headers: { from: 'X26ABC1' } }));
    assert.deepEqual([view.from, view.nextDeliveryAt], ['X26ABC1', '2026-01-31T09:00:00.000Z']);
    assert.equal('nextDeliveryAt' in toMessageView(received({ state: 'done', leaseUntil: null })), false);
    assert.equal('from' in toMessageView(received({ headers: { from: 'Smith, John' } })), false);
  });

  it('offers another delivery of what is leased, parked or done, as long as its payload is kept', () => {
    const payload = { kind: 'inline', bytes: Buffer.from('x') } as const;
    const actions = (state: 'spooled' | 'acknowledged' | 'delivered' | 'done' | 'parked', isKept = true) =>
      toMessageView(received({ state, payload: isKept ? payload : null, size: 1 })).actions;
    assert.deepEqual(actions('spooled'), ['acknowledge']);
    assert.deepEqual(actions('acknowledged'), ['acknowledge']);
    assert.deepEqual(actions('delivered'), ['redeliver', 'acknowledge']);
    assert.deepEqual(actions('parked'), ['redeliver', 'acknowledge']);
    assert.deepEqual(actions('done'), ['redeliver']);
    assert.deepEqual(actions('done', false), []);
  });
});
