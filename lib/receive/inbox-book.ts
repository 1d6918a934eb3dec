/**
 * What the poller remembers of the inbox: each message once, in one state, in the order of the inbox. All steps take the
 * same time whether ten messages wait or a hundred thousand.
 */
import type { MessageHeaders } from '../types';
import type { InboxConsumer } from './inbox-types';
import { Queue } from './queue';

/**
 * - `waiting`: listed, to be downloaded · `in-flight`: being downloaded, or delivered and not acknowledged
 * - `acknowledging`: the flow is done with it, MESH not yet told · `failed`: not whole, to be fetched again after the next list
 * - `parked`: not delivered any more · `unclaimed`: no consumer takes it · `left`: another system's
 * - `forgotten`: not in the book any more
 */
export type EntryState =
  'waiting' | 'in-flight' | 'acknowledging' | 'failed' | 'parked' | 'unclaimed' | 'left' | 'forgotten';

/** One message. Its state is changed by the book only. */
export interface Entry {
  readonly messageId: string;
  state: EntryState;
  consumer?: InboxConsumer;
  message?: MessageHeaders;
  deliveries: number;
  failures: number;
  /** The last delivery was not taken. */
  refused?: boolean;
  lease?: NodeJS.Timeout;
}

/** Ids acknowledged lately: MESH's list may be a moment behind, and must not bring them back. */
const REMEMBERED = 50_000;

interface Lane {
  waiting: Queue<Entry>;
  inFlight: Set<Entry>;
}

/** The book of one mailbox. */
export class InboxBook {
  readonly #entries = new Map<string, Entry>();
  readonly #unrouted = new Queue<Entry>();
  readonly #lanes = new Map<InboxConsumer, Lane>();
  readonly #acknowledging = new Set<Entry>();
  readonly #acknowledged = new Queue<string>();
  #unclaimed = 0;
  #turn = 0;

  /** Messages in the book, whatever their state. */
  get size(): number {
    return this.#entries.size;
  }

  get(messageId: string): Entry | undefined {
    return this.#entries.get(messageId);
  }

  /** Takes a whole list of the inbox in; gives the ids that were acknowledged already. */
  listed(messageIds: ReadonlySet<string>): string[] {
    const again: string[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.state === 'failed') this.move(entry, 'waiting');
      // In flight or being acknowledged, a missing message may just have been acknowledged; else somebody else took it.
      const settled = entry.state === 'in-flight' || entry.state === 'acknowledging';
      if (!settled && !messageIds.has(entry.messageId)) this.delete(entry);
    }
    for (const messageId of messageIds) {
      if (this.#acknowledged.has(messageId)) {
        again.push(messageId);
      } else if (!this.#entries.has(messageId)) {
        const entry: Entry = { messageId, state: 'waiting', deliveries: 0, failures: 0 };
        this.#entries.set(messageId, entry);
        this.#unrouted.add(entry);
      }
    }
    return again;
  }

  /** The oldest message that waits for a consumer with room, the consumers taking turns. */
  next(consumers: readonly InboxConsumer[]): { entry: Entry; consumer: InboxConsumer } | undefined {
    for (let step = 0; step < consumers.length; step += 1) {
      const consumer = consumers[(this.#turn + step) % consumers.length] as InboxConsumer;
      const { waiting, inFlight } = this.#lane(consumer);
      const entry = waiting.first();
      if (!entry || inFlight.size >= consumer.maxInFlight) continue;
      this.#turn = (this.#turn + step + 1) % consumers.length;
      return { entry, consumer };
    }
    return undefined;
  }

  /** The oldest message whose consumer is not known yet. */
  nextUnrouted(): Entry | undefined {
    return this.#unrouted.first();
  }

  /** This consumer gets the message. */
  assign(entry: Entry, consumer: InboxConsumer): void {
    this.#takeOut(entry);
    entry.consumer = consumer;
    this.#putIn(entry);
  }

  move(entry: Entry, state: EntryState): void {
    this.#takeOut(entry);
    clearTimeout(entry.lease);
    entry.state = state;
    this.#putIn(entry);
  }

  delete(entry: Entry): void {
    this.move(entry, 'forgotten');
    this.#entries.delete(entry.messageId);
  }

  /** MESH has been told. */
  acknowledged(messageId: string): void {
    const entry = this.#entries.get(messageId);
    if (entry) this.delete(entry);
    this.#acknowledged.add(messageId);
    if (this.#acknowledged.size <= REMEMBERED) return;
    const oldest = this.#acknowledged.first();
    if (oldest !== undefined) this.#acknowledged.delete(oldest);
  }

  /** Ids of messages that the flow is done with and MESH does not know of. */
  unacknowledged(): string[] {
    return [...this.#acknowledging].map((entry) => entry.messageId);
  }

  /** What nobody claimed may be a new consumer's. */
  routeAgain(): void {
    for (const entry of this.#entries.values()) {
      if (entry.state === 'unclaimed' || (entry.state === 'waiting' && entry.deliveries === 0)) {
        this.#takeOut(entry);
        delete entry.consumer;
        entry.state = 'waiting';
        this.#putIn(entry);
      }
    }
  }

  /** A consumer goes: what waits or is parked is free for another, what is in flight stays so until its lease ends. */
  release(consumer: InboxConsumer): void {
    for (const entry of this.#entries.values()) {
      if (entry.consumer !== consumer) continue;
      this.#takeOut(entry);
      delete entry.consumer;
      if (entry.state === 'parked') entry.state = 'waiting';
      this.#putIn(entry);
    }
    this.#lanes.delete(consumer);
  }

  counts(consumer: InboxConsumer): { inFlight: number; waiting: number; unclaimed: number } {
    const lane = this.#lane(consumer);
    return { inFlight: lane.inFlight.size, waiting: lane.waiting.size, unclaimed: this.#unclaimed };
  }

  /** Ends every lease. */
  close(): void {
    for (const entry of this.#entries.values()) clearTimeout(entry.lease);
  }

  #lane(consumer: InboxConsumer): Lane {
    let lane = this.#lanes.get(consumer);
    if (!lane) this.#lanes.set(consumer, (lane = { waiting: new Queue(), inFlight: new Set() }));
    return lane;
  }

  #putIn(entry: Entry): void {
    const lane = entry.consumer && this.#lane(entry.consumer);
    if (entry.state === 'waiting') (lane?.waiting ?? this.#unrouted).add(entry);
    if (entry.state === 'in-flight') lane?.inFlight.add(entry);
    if (entry.state === 'acknowledging') this.#acknowledging.add(entry);
    if (entry.state === 'unclaimed') this.#unclaimed += 1;
  }

  #takeOut(entry: Entry): void {
    const lane = entry.consumer && this.#lane(entry.consumer);
    if (entry.state === 'waiting') (lane?.waiting ?? this.#unrouted).delete(entry);
    if (entry.state === 'in-flight') lane?.inFlight.delete(entry);
    if (entry.state === 'acknowledging') this.#acknowledging.delete(entry);
    if (entry.state === 'unclaimed') this.#unclaimed -= 1;
  }
}
