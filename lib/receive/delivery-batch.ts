/** Records the first deliveries of several small messages in one commit, before any of them is handed to the flow. */
import { DELIVERABLE } from '../message-states';
import { INLINE_BYTES } from '../payload/stored-payload';
import type { SerialQueue } from '../store/serial-queue';
import type { Incoming, IncomingSummary } from '../store/store';
import type { Clock } from '../clock';
import type { ReceivedMessage } from '../types';
import { ackIn } from './acknowledgement-settler';
import type { DeliveryLease, DeliveryLeases } from './delivery-leases';
import type { IncomingRows } from './incoming-rows';
import type { InboxConsumer } from './inbox-types';
import { readStoredMessage, type DeliveryTarget } from './stored-message';

/** A leased message and the outcome of its record: undefined if the message was settled meanwhile. */
export interface RecordedDelivery {
  received: ReceivedMessage;
  lease: DeliveryLease;
  record: PromiseSettledResult<Incoming | undefined>;
}

interface BatchParts {
  rows: IncomingRows;
  leases: DeliveryLeases;
  clock: Clock;
  /** One lane at a time holds payloads in memory. */
  payloadQueue: SerialQueue;
  target: Omit<DeliveryTarget, 'folder' | 'unwrapMultipart'>;
  leaseMs: number;
  /** Returns whether the message is still to be delivered by this lane. */
  isWanted: (row: Incoming) => boolean;
}

/** Returns whether the payload is in its row, the delivery is the first, and nothing has to be settled before it. */
export function isBatchable({ size, deliveryCount, messageType, classification }: IncomingSummary): boolean {
  return size <= INLINE_BYTES && deliveryCount === 0 && messageType === 'DATA' && !ackIn(classification);
}

/**
 * Leases and records the listed messages, up to the first that has changed since it was listed: the lane delivers that
 * one by itself.
 */
export async function recordBatch(
  listed: readonly IncomingSummary[],
  consumer: InboxConsumer,
  parts: BatchParts,
): Promise<RecordedDelivery[]> {
  const { rows, leases, clock, leaseMs, payloadQueue } = parts;
  return payloadQueue.run(async () => {
    const fresh = await Promise.all(listed.map(({ messageId }) => rows.take(messageId)));
    const ready = (await readReady(fresh, consumer, parts)).filter(({ row }) => parts.isWanted(row));
    const begun = ready.map(({ row }) => leases.begin(row, consumer));
    const records = await Promise.allSettled(ready.map(({ row }) => rows.deliver(row, clock.now() + leaseMs)));
    return ready.map(({ received }, i) => ({
      received,
      lease: begun[i] as DeliveryLease,
      record: records[i] as PromiseSettledResult<Incoming | undefined>,
    }));
  });
}

async function readReady(
  fresh: ReadonlyArray<Incoming | undefined>,
  { unwrapMultipart = false }: InboxConsumer,
  { leases, target, isWanted }: BatchParts,
): Promise<Array<{ row: Incoming; received: ReceivedMessage }>> {
  const ready: Array<{ row: Incoming; received: ReceivedMessage }> = [];
  for (const row of fresh) {
    const isNew = row && DELIVERABLE.includes(row.state) && isBatchable(row) && !leases.get(row.messageId);
    if (!isNew || !isWanted(row)) break;
    try {
      ready.push({ row, received: await readStoredMessage(row, { ...target, folder: undefined, unwrapMultipart }) });
    } catch {
      // The lane then delivers it by itself, and parks or reports it.
      break;
    }
  }
  return ready;
}
