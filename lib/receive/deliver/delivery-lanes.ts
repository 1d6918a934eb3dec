/** The delivery lanes of one mailbox: every consumer has its own, so that none waits for another. */
import type { IncomingSummary } from '../../store/store';
import type { InboxConsumer } from '../inbox-types';
import { DeliveryLane, type LaneParts } from './delivery-lane';

/** The lanes of the consumers of one mailbox. */
export class DeliveryLanes {
  readonly #parts: LaneParts;
  readonly #lanes = new Map<InboxConsumer, DeliveryLane>();
  /** Lanes of removed consumers whose last delivery is still running. */
  readonly #leaving = new Set<Promise<void>>();
  #isOpen = false;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** True while a message is being delivered. */
  get isBusy(): boolean {
    return [...this.#lanes.values()].some((lane) => lane.isBusy);
  }

  add(consumer: InboxConsumer): void {
    this.#lanes.set(consumer, new DeliveryLane(consumer, this.#parts));
    this.reset();
  }

  /** Its delivery in progress goes on to its end. */
  remove(consumer: InboxConsumer): void {
    const lane = this.#lanes.get(consumer);
    if (!lane) return;
    this.#lanes.delete(consumer);
    const leaving: Promise<void> = lane.close().finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    this.reset();
  }

  /** Lets the lanes deliver: what earlier processes have delivered is known. */
  open(): void {
    this.#isOpen = true;
  }

  /** Begins no more deliveries, until `open`: another instance delivers. */
  pause(): void {
    this.#isOpen = false;
    this.reset();
  }

  /** There may be something to deliver. */
  wake(): void {
    if (this.#isOpen) for (const lane of this.#lanes.values()) lane.wake();
  }

  /** A message was just stored: it comes after all that were stored before. */
  stored(row: IncomingSummary): void {
    for (const lane of this.#lanes.values()) lane.stored(row);
  }

  /** Forgets what the lanes have listed: any row may belong to another consumer, or sort before it. */
  reset(): void {
    for (const lane of this.#lanes.values()) lane.reset();
  }

  /** Resolves when the deliveries in progress have ended. */
  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
    await Promise.all(this.#leaving);
  }
}
