/** What was delivered and is not done: in flight until its lease ends, then due again. As many as the flows may hold. */
import type { Incoming, IncomingSummary } from '../store/store';
import type { InboxConsumer } from './inbox-types';
import type { Routed } from './listed';

/** One of them. */
export interface Lease extends Routed {
  readonly messageId: string;
  readonly receivedAt: number;
  /** Who has it; undefined after a restart, or when that one is gone. */
  consumer: InboxConsumer | undefined;
  /** `deliver` is running: the lease begins when it is through. */
  running: boolean;
  /** Milliseconds since 1970. */
  leaseUntil: number;
  /** Its consumer did not take it: another one may. */
  refused: boolean;
}

/** The flights of one mailbox. */
export class Leases {
  readonly #flights = new Map<string, Lease>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#flights.size;
  }

  get(messageId: string): Lease | undefined {
    return this.#flights.get(messageId);
  }

  /** It is with a consumer, and its lease has not ended. */
  isHeld(messageId: string): boolean {
    const flight = this.#flights.get(messageId);
    return flight !== undefined && !this.#isDue(flight);
  }

  /** It is on its way to this consumer. */
  begin(row: Incoming, consumer: InboxConsumer): Lease {
    const flight = this.add(row, 0);
    flight.consumer = consumer;
    flight.running = true;
    flight.refused = false;
    return flight;
  }

  /** It was delivered some time, by whomever. */
  add({ messageId, receivedAt, workflowId, messageType }: IncomingSummary, leaseUntil: number): Lease {
    const known = this.#flights.get(messageId);
    if (known) return known;
    const flight: Lease = {
      messageId,
      receivedAt,
      workflowId,
      messageType,
      leaseUntil,
      consumer: undefined,
      running: false,
      refused: false,
    };
    this.#flights.set(messageId, flight);
    return flight;
  }

  delete(messageId: string): void {
    this.#flights.delete(messageId);
  }

  /** Whoever had it is gone: it is due. */
  free(messageId: string): void {
    const flight = this.#flights.get(messageId);
    if (flight && !flight.running) flight.leaseUntil = 0;
  }

  /** Another instance delivers from now on. */
  clear(): void {
    this.#flights.clear();
  }

  /** The consumer is gone; its flights stay until their leases end, but for what it did not take. */
  release(consumer: InboxConsumer): void {
    for (const flight of this.#flights.values()) {
      if (flight.consumer !== consumer) continue;
      flight.consumer = undefined;
      if (flight.refused) flight.leaseUntil = 0;
    }
  }

  /** How many the consumer has. */
  of(consumer: InboxConsumer): number {
    let count = 0;
    for (const flight of this.#flights.values()) {
      if (flight.consumer === consumer && !this.#isDue(flight)) count += 1;
    }
    return count;
  }

  /** The oldest whose lease has ended, of those that are `wanted`. */
  nextDue(wanted: (flight: Lease) => boolean): Lease | undefined {
    let oldest: Lease | undefined;
    for (const flight of this.#flights.values()) {
      if (!this.#isDue(flight) || (oldest && oldest.receivedAt <= flight.receivedAt)) continue;
      if (wanted(flight)) oldest = flight;
    }
    return oldest;
  }

  /** When the next lease ends; undefined if none does. */
  nextEnd(): number | undefined {
    let next = Infinity;
    const now = this.#now();
    for (const { running, leaseUntil } of this.#flights.values()) {
      if (!running && leaseUntil > now) next = Math.min(next, leaseUntil);
    }
    return next === Infinity ? undefined : next;
  }

  #isDue({ running, leaseUntil }: Lease): boolean {
    return !running && leaseUntil <= this.#now();
  }
}
