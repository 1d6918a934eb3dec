import assert from 'node:assert/strict';
import type { OutboxEvent } from '../../lib/index';
import { LATENCY_BOUNDS, TrafficRecorder } from '../../lib/monitor/traffic';

const acceptedAt = '2026-06-01T00:00:00.000Z';

function happening(event: string, afterSeconds = 0): OutboxEvent {
  const settledAt = new Date(Date.parse(acceptedAt) + afterSeconds * 1000).toISOString();
  return { event, message: { bytes: 10, acceptedAt, settledAt } as OutboxEvent['message'] };
}

describe('the traffic of a mailbox', () => {
  it('counts accepted, adopted and received messages, each once', () => {
    const traffic = new TrafficRecorder();
    for (const event of ['queued', 'sending', 'accepted', 'adopted', 'undelivered'])
      traffic.recordEvent(happening(event));
    traffic.recordReceived(7);
    const { sent, received, collected } = traffic.snapshot();
    assert.deepEqual(sent, { messages: 2, bytes: 20 });
    assert.deepEqual(received, { messages: 1, bytes: 7 });
    assert.equal(collected.messages, 0);
  });

  it('puts each latency into the bucket with the lowest bound that is not below it', () => {
    const traffic = new TrafficRecorder();
    for (const seconds of [0, 60, 61, 432_000, 432_001, -5]) traffic.recordEvent(happening('acknowledged', seconds));
    const { messages, totalSeconds, buckets } = traffic.snapshot().collected;
    assert.deepEqual([messages, totalSeconds], [6, 864_122]);
    assert.deepEqual(buckets, [3, 1, 0, 0, 0, 0, 0, 0, 1]);
    assert.equal(buckets.length, LATENCY_BOUNDS.length);
  });
});
