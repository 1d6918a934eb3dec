/**
 * The leases of delivered messages that the flow has not finished: when a lease ends, its message is due for
 * redelivery. Not to be confused with the mailbox's lease (`store/mailbox-lease.ts`), which lets one instance poll.
 */
import type { Incoming, IncomingSummary } from '../store/store';
import type { RoutingKey } from './inbox-router';
import type { InboxConsumer } from './inbox-types';

/** The lease of one delivered message. */
export interface DeliveryLease extends RoutingKey {
  readonly messageId: string;
  readonly receivedAt: number;
  /** The consumer that holds it; undefined after a restart, or when that consumer has been removed. */
  consumer: InboxConsumer | undefined;
  /** True while `deliver` runs: the lease starts when `deliver` has ended. */
  delivering: boolean;
  /** Milliseconds since 1970. */
  leaseUntil: number;
  /** The consumer refused the message: another one may take it. */
  refused: boolean;
}

/** The delivery leases of one mailbox. */
export class DeliveryLeases {
  readonly #leases = new Map<string, DeliveryLease>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#leases.size;
  }

  get(messageId: string): DeliveryLease | undefined {
    return this.#leases.get(messageId);
  }

  /** Returns whether the message is being delivered, or its lease has not ended. */
  isHeld(messageId: string): boolean {
    const lease = this.#leases.get(messageId);
    return lease !== undefined && !this.#isDue(lease);
  }

  /** Leases a message to the consumer that it is about to be delivered to. */
  begin(row: Incoming, consumer: InboxConsumer): DeliveryLease {
    const lease = this.add(row, 0);
    lease.consumer = consumer;
    lease.delivering = true;
    lease.refused = false;
    return lease;
  }

  /** Adds the lease of a message that was delivered earlier, by this process or another; keeps one that is there. */
  add({ messageId, receivedAt, workflowId, messageType }: IncomingSummary, leaseUntil: number): DeliveryLease {
    const known = this.#leases.get(messageId);
    if (known) return known;
    const lease: DeliveryLease = {
      messageId,
      receivedAt,
      workflowId,
      messageType,
      leaseUntil,
      consumer: undefined,
      delivering: false,
      refused: false,
    };
    this.#leases.set(messageId, lease);
    return lease;
  }

  delete(messageId: string): void {
    this.#leases.delete(messageId);
  }

  /** Ends the lease of an instance that has gone: the message is due at once. */
  expire(messageId: string): void {
    const lease = this.#leases.get(messageId);
    if (lease && !lease.delivering) lease.leaseUntil = 0;
  }

  /** Forgets all leases: another instance delivers from now on. */
  clear(): void {
    this.#leases.clear();
  }

  /** Removes a consumer. Its leases run on until they end; what it refused is due at once. */
  release(consumer: InboxConsumer): void {
    for (const lease of this.#leases.values()) {
      if (lease.consumer !== consumer) continue;
      lease.consumer = undefined;
      if (lease.refused) lease.leaseUntil = 0;
    }
  }

  /** Returns how many leases the consumer holds. */
  heldBy(consumer: InboxConsumer): number {
    let count = 0;
    for (const lease of this.#leases.values()) {
      if (lease.consumer === consumer && !this.#isDue(lease)) count += 1;
    }
    return count;
  }

  /** Returns the oldest message whose lease has ended and that `isWanted`. */
  nextDue(isWanted: (lease: DeliveryLease) => boolean): DeliveryLease | undefined {
    let oldest: DeliveryLease | undefined;
    for (const lease of this.#leases.values()) {
      if (!this.#isDue(lease) || (oldest && oldest.receivedAt <= lease.receivedAt)) continue;
      if (isWanted(lease)) oldest = lease;
    }
    return oldest;
  }

  /** Returns when the next lease ends (milliseconds since 1970); undefined while none runs. */
  nextEnd(): number | undefined {
    let next = Infinity;
    const now = this.#now();
    for (const { delivering, leaseUntil } of this.#leases.values()) {
      if (!delivering && leaseUntil > now) next = Math.min(next, leaseUntil);
    }
    return next === Infinity ? undefined : next;
  }

  #isDue({ delivering, leaseUntil }: DeliveryLease): boolean {
    return !delivering && leaseUntil <= this.#now();
  }
}
