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
  /** Of the store. */
  readonly sequence: number;
  /** The consumer that holds it; undefined after a restart, or when that consumer has been removed. */
  consumer: InboxConsumer | undefined;
  /** True while `deliver` runs: the lease starts when `deliver` has ended. */
  delivering: boolean;
  /** When it ends (milliseconds of the steady clock). */
  endsAt: number;
  /** The consumer refused the message: another one may take it. */
  refused: boolean;
}

/** The delivery leases of one mailbox. */
export class DeliveryLeases {
  readonly #leases = new Map<string, DeliveryLease>();
  readonly #now: () => number;

  /** `now` returns milliseconds of the steady clock. */
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

  /**
   * Adds the lease of a message that was delivered earlier, by this process or another; keeps one that is there.
   * `leftMs`: how much of the lease is left (milliseconds); 0 if the message is due.
   */
  add({ messageId, sequence, workflowId, messageType }: IncomingSummary, leftMs: number): DeliveryLease {
    const known = this.#leases.get(messageId);
    if (known) return known;
    const lease: DeliveryLease = {
      messageId,
      sequence,
      workflowId,
      messageType,
      endsAt: this.#now() + leftMs,
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
    if (lease && !lease.delivering) lease.endsAt = this.#now();
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
      if (lease.refused) lease.endsAt = this.#now();
    }
  }

  /** Makes everything due that this consumer has refused. */
  retryRefused(consumer: InboxConsumer): void {
    for (const lease of this.#leases.values()) {
      if (lease.consumer === consumer && lease.refused && !lease.delivering) lease.endsAt = this.#now();
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
      if (!this.#isDue(lease) || (oldest && oldest.sequence <= lease.sequence)) continue;
      if (isWanted(lease)) oldest = lease;
    }
    return oldest;
  }

  /** Starts the lease of a message that was handed over: it lasts `ms` milliseconds. */
  start(lease: DeliveryLease, ms: number): void {
    lease.delivering = false;
    lease.endsAt = this.#now() + ms;
  }

  /** Returns in how many milliseconds the next lease ends; undefined while none runs. */
  nextEndMs(): number | undefined {
    let next = Infinity;
    const now = this.#now();
    for (const { delivering, endsAt } of this.#leases.values()) {
      if (!delivering && endsAt > now) next = Math.min(next, endsAt - now);
    }
    return next === Infinity ? undefined : next;
  }

  #isDue({ delivering, endsAt }: DeliveryLease): boolean {
    return !delivering && endsAt <= this.#now();
  }
}
