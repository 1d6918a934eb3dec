/**
 * The leases of delivered messages that the flow has not finished: when a lease ends, its message is due for
 * redelivery. Not to be confused with the mailbox's lease (`store/mailbox-lease.ts`), which lets one instance poll.
 */
import { steadyTime, type Clock } from '../../clock';
import type { Incoming, IncomingSummary } from '../../store/store';
import type { RoutingKey } from '../poll/inbox-router';
import { WakeTimer } from '../wake-timer';
import type { InboxConsumer } from '../inbox-types';

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
  readonly #clock: Clock;
  readonly #onFreed: () => void;
  readonly #timer: WakeTimer;
  #closed = false;

  /** `onFreed` is called when a lease has ended, or its message needs none any more: more may be delivered. */
  constructor(clock: Clock, onFreed: () => void) {
    this.#clock = clock;
    this.#onFreed = onFreed;
    this.#timer = new WakeTimer(clock, () => {
      this.#planNextEnd();
      onFreed();
    });
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
    const lease = this.#leases.get(row.messageId) ?? this.#new(row);
    lease.consumer = consumer;
    lease.delivering = true;
    lease.refused = false;
    return lease;
  }

  /**
   * Adds the lease of a message that was delivered earlier, by this process or another; keeps one that is there.
   * `leftMs`: how much of the lease is left (milliseconds); 0 if the message is due.
   */
  add(row: IncomingSummary, leftMs: number): void {
    if (this.#leases.has(row.messageId)) return;
    this.#end(this.#new(row), leftMs);
  }

  /** Starts the lease of a message that was handed over: it lasts `ms` milliseconds. */
  start(lease: DeliveryLease, ms: number): void {
    lease.delivering = false;
    this.#end(lease, ms);
  }

  /** The delivery did not take place: the message is due for another one, here or at another consumer. */
  undo(lease: DeliveryLease): void {
    lease.consumer = undefined;
    this.start(lease, 0);
  }

  /** The message needs no lease: it is finished, parked, or was not delivered after all. */
  delete(messageId: string): void {
    if (this.#leases.delete(messageId)) this.#onFreed();
  }

  /** Ends the lease of an instance that has gone: the message is due at once. */
  expire(messageId: string): void {
    const lease = this.#leases.get(messageId);
    if (lease && !lease.delivering) this.#end(lease, 0);
  }

  /** Forgets all leases: another instance delivers from now on. */
  clear(): void {
    this.#leases.clear();
    this.#timer.clear();
  }

  /** Calls back no more. */
  close(): void {
    this.#closed = true;
    this.#timer.clear();
  }

  /** Removes a consumer. Its leases run on until they end; what it refused is due at once. */
  release(consumer: InboxConsumer): void {
    for (const lease of this.#leases.values()) {
      if (lease.consumer !== consumer) continue;
      lease.consumer = undefined;
      if (lease.refused) this.#end(lease, 0);
    }
  }

  /** Makes everything due that this consumer has refused. */
  retryRefused(consumer: InboxConsumer): void {
    for (const lease of this.#leases.values()) {
      if (lease.consumer === consumer && lease.refused && !lease.delivering) this.#end(lease, 0);
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

  #new({ messageId, sequence, workflowId, messageType }: IncomingSummary): DeliveryLease {
    const lease: DeliveryLease = {
      messageId,
      sequence,
      workflowId,
      messageType,
      endsAt: 0,
      consumer: undefined,
      delivering: false,
      refused: false,
    };
    this.#leases.set(messageId, lease);
    return lease;
  }

  /** Has the lease end in `ms` milliseconds; 0: it has ended, and its message is due. */
  #end(lease: DeliveryLease, ms: number): void {
    lease.endsAt = this.#now + ms;
    if (ms <= 0) this.#onFreed();
    else if (!this.#closed) this.#timer.setAtLatest(ms);
  }

  #planNextEnd(): void {
    const now = this.#now;
    let next = Infinity;
    for (const { delivering, endsAt } of this.#leases.values()) {
      if (!delivering && endsAt > now) next = Math.min(next, endsAt - now);
    }
    if (next < Infinity && !this.#closed) this.#timer.set(next);
  }

  get #now(): number {
    return steadyTime(this.#clock);
  }

  #isDue({ delivering, endsAt }: DeliveryLease): boolean {
    return !delivering && endsAt <= this.#now;
  }
}
