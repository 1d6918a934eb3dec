/** Which delivered message comes next when leases have ended. */
import assert from 'node:assert/strict';
import { DeliveryLeases } from '../../lib/receive/deliver/delivery-leases';
import { systemClock } from '../../lib/clock';
import type { IncomingSummary } from '../../lib/store/store';

const summary = (messageId: string, sequence: number, receivedAt: number): IncomingSummary => ({
  messageId,
  sequence,
  receivedAt,
  workflowId: 'WF',
  messageType: 'DATA',
  state: 'delivered',
  acknowledgedAt: null,
  deliveryCount: 1,
  leaseUntil: null,
  error: null,
  size: 1,
  classification: null,
});

describe('the leases of delivered messages', () => {
  it('that have ended come in the order of storing, also when the clock was set back between two messages', () => {
    const leases = new DeliveryLeases(systemClock, () => undefined);
    leases.add(summary('second', 2, 1_000), 0);
    leases.add(summary('first', 1, 9_000), 0);
    assert.equal(leases.nextDue(() => true)?.messageId, 'first');
    assert.equal(leases.nextDue(({ messageId }) => messageId !== 'first')?.messageId, 'second');
  });
});
