/** The first deliveries of several small messages, recorded in one commit before any of them is handed over. */
import { INLINE_BYTES } from '../payload/stored-payload';
import type { Incoming, IncomingSummary } from '../store/store';
import type { Clock } from '../clock';
import type { ReceivedMessage } from '../types';
import { ackIn } from './acknowledgement-settler';
import type { Lease, Leases } from './leases';
import { DELIVERABLE, type IncomingRows } from './incoming-rows';
import type { InboxConsumer } from './inbox-types';
import { storedDelivery, type DeliveryTarget } from './stored-delivery';
import type { Turns } from './turns';

/** A message, and what became of the record of its delivery: undefined where it was settled meanwhile. */
export interface Recorded {
  received: ReceivedMessage;
  flight: Lease;
  record: PromiseSettledResult<Incoming | undefined>;
}

/** What it works with. */
interface Parts {
  rows: IncomingRows;
  flights: Leases;
  clock: Clock;
  /** Payloads are held in memory by one lane at a time. */
  turns: Turns;
  target: Omit<DeliveryTarget, 'folder'>;
  leaseMs: number;
  /** Whether it is still to be delivered here. */
  isWanted: (row: Incoming) => boolean;
}

/** Its payload is in its row, it was never delivered, and nothing has to be settled before it is. */
export function isSmall({ size, deliveryCount, messageType, classification }: IncomingSummary): boolean {
  return size <= INLINE_BYTES && deliveryCount === 0 && messageType === 'DATA' && !ackIn(classification);
}

/** Records them, up to the first that is not as it was listed: that one is looked at by itself. Each is in flight from here on. */
export async function recordTogether(
  listed: readonly IncomingSummary[],
  consumer: InboxConsumer,
  parts: Parts,
): Promise<Recorded[]> {
  const { rows, flights, clock, leaseMs, turns } = parts;
  const endTurn = await turns.next();
  try {
    const fresh = await Promise.all(listed.map(({ messageId }) => rows.take(messageId)));
    const ready = (await readyOnes(fresh, parts)).filter(({ row }) => parts.isWanted(row));
    const begun = ready.map(({ row }) => flights.begin(row, consumer));
    const records = await Promise.allSettled(ready.map(({ row }) => rows.deliver(row, clock.now() + leaseMs)));
    return ready.map(({ received }, i) => ({
      received,
      flight: begun[i] as Lease,
      record: records[i] as PromiseSettledResult<Incoming | undefined>,
    }));
  } finally {
    endTurn();
  }
}

async function readyOnes(
  fresh: ReadonlyArray<Incoming | undefined>,
  { flights, target, isWanted }: Parts,
): Promise<Array<{ row: Incoming; received: ReceivedMessage }>> {
  const ready: Array<{ row: Incoming; received: ReceivedMessage }> = [];
  for (const row of fresh) {
    const isNew = row && DELIVERABLE.includes(row.state) && isSmall(row) && !flights.get(row.messageId);
    if (!isNew || !isWanted(row)) break;
    try {
      ready.push({ row, received: await storedDelivery(row, { ...target, folder: undefined }) });
    } catch {
      // By itself it is parked, or told.
      break;
    }
  }
  return ready;
}
