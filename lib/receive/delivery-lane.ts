/**
 * From the store to one consumer: oldest first, one `deliver` at a time, no more in flight than it takes. Every consumer has
 * a lane of its own, so that none waits for another.
 *
 * A kill at any point: the delivery is recorded before `deliver` is called. Before the record, the message is delivered as
 * if for the first time; after it, again with a higher count. A file that was written before the record is written again
 * under the same name.
 */
import type { MeshError } from '../errors';
import type { Incoming } from '../store/store';
import type { ReceivedMessage } from '../types';
import type { Clock } from '../clock';
import { Alarm } from './alarm';
import type { Flight, Flights } from './flights';
import { DELIVERABLE, type IncomingRows } from './incoming-rows';
import { asMeshError, type deliveryKinds } from './inbox-rules';
import type { InboxConsumer, MeshAnswer } from './inbox-types';
import type { Routed } from './listed';
import type { Notices } from './notices';
import type { AnswerSettler } from './answer-settler';
import type { ReportSettler } from './report-settler';
import { headersOf, storedDelivery, type DeliveryTarget } from './stored-delivery';
import type { Turns } from './turns';

/** Rows that are read at once, without their payloads. */
const PAGE = 50;
/** After the store or the folder failed (milliseconds). */
const AGAIN_AFTER_MS = 30_000;
/** After the consumer did not take a message (milliseconds). */
const REFUSED_MS = 5 * 60_000;

/** What a lane works with. */
export interface DeliveryLaneParts {
  rows: IncomingRows;
  flights: Flights;
  notices: Notices;
  reports: ReportSettler;
  answers: AnswerSettler;
  clock: Clock;
  /** Payloads are held in memory by one lane at a time. */
  turns: Turns;
  target: Omit<DeliveryTarget, 'folder'>;
  leaseMs: number;
  maxDeliveries: number;
  kindOf: ReturnType<typeof deliveryKinds>;
  /** Whether the message is this consumer's. */
  claims: (routed: Routed, consumer: InboxConsumer) => boolean;
  /** The message is being stored, and may not be delivered yet. */
  isUnderWay: (messageId: string) => boolean;
  /** The consumer is done with it by itself. */
  settle: (messageId: string) => Promise<void>;
  /** A lease begins. */
  onLease: () => void;
  onChange: () => void;
}

type Waiting = Pick<Incoming, 'messageId' | 'workflowId' | 'messageType'>;

/** The lane of one consumer. */
export class DeliveryLane {
  readonly #consumer: InboxConsumer;
  readonly #parts: DeliveryLaneParts;
  readonly #again: Alarm;
  /** Read and not yet delivered, oldest first; all of them this consumer's. */
  #read: Waiting[] = [];
  /** The last row that was read: what comes later is behind it. */
  #after: string | undefined;
  /** Counts the resets. */
  #epoch = 0;
  #run: Promise<void> | undefined;
  #woken = false;
  #closed = false;

  constructor(consumer: InboxConsumer, parts: DeliveryLaneParts) {
    this.#consumer = consumer;
    this.#parts = parts;
    this.#again = new Alarm(parts.clock, () => this.wake());
  }

  get isBusy(): boolean {
    return this.#run !== undefined;
  }

  /** There may be something to deliver. */
  wake(): void {
    this.#woken = true;
    // What failed is not tried again with every message that comes: a large file may have been copied in vain.
    if (this.#run || this.#closed || this.#again.time !== undefined) return;
    this.#run = this.#work()
      .catch((error: unknown) => this.#failed(asMeshError(error)))
      .finally(() => {
        this.#run = undefined;
        this.#parts.onChange();
        if (this.#woken) this.wake();
      });
  }

  /** Other consumers have come or gone: every row may be somebody else's. */
  reset(): void {
    this.#read = [];
    this.#after = undefined;
    this.#epoch += 1;
  }

  /** Delivers no more. Resolves when the delivery under way is through. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#again.clear();
    await this.#run;
  }

  async #work(): Promise<void> {
    const { flights, notices } = this.#parts;
    while (this.#woken && !this.#closed) {
      this.#woken = false;
      while (!this.#closed && flights.of(this.#consumer) < this.#consumer.maxInFlight) {
        const due = flights.nextDue((flight) => this.#claims(flight));
        const next = due ?? (await this.#nextWaiting());
        if (!next) break;
        const row = await this.#parts.rows.get(next.messageId);
        if (row && DELIVERABLE.includes(row.state)) {
          if (!flights.isHeld(row.messageId)) await this.#deliver(row);
        } else if (due) {
          flights.delete(next.messageId);
        }
        if (!due && this.#read[0] === next) this.#read.shift();
        notices.over('delivery');
      }
    }
  }

  /** The oldest that waits for its first delivery; it stays the next one until it is taken off. */
  async #nextWaiting(): Promise<Waiting | undefined> {
    const { rows, isUnderWay } = this.#parts;
    if (rows.waiting.count((routed) => this.#claims(routed)) === 0) return undefined;
    while (this.#read.length === 0) {
      const epoch = this.#epoch;
      const page = await rows.listWaiting(PAGE, this.#after);
      if (epoch !== this.#epoch) continue;
      this.#after = page.at(-1)?.messageId ?? this.#after;
      this.#read = page.filter((row) => this.#claims(row));
      if (page.length < PAGE) break;
    }
    const [next] = this.#read;
    return next && !isUnderWay(next.messageId) ? next : undefined;
  }

  #claims(routed: Routed): boolean {
    return this.#parts.claims(routed, this.#consumer);
  }

  async #deliver(row: Incoming): Promise<void> {
    const { flights, rows, reports, answers, leaseMs, maxDeliveries, clock, turns } = this.#parts;
    const { messageId } = row;
    if (row.deliveryCount >= maxDeliveries) {
      await this.#park(row, undefined);
      return;
    }
    if (row.messageType === 'REPORT' && row.deliveryCount === 0) await reports.settle(headersOf(row));
    const answer = await answers.settle(messageId, headersOf(row), row.recognised);
    const folder = this.#consumer.folder;
    const endTurn = folder === undefined ? await turns.next() : () => undefined;
    try {
      let received: ReceivedMessage;
      try {
        received = await storedDelivery(row, { ...this.#parts.target, folder });
      } catch (thrown) {
        const error = asMeshError(thrown, messageId);
        // The folder cannot be written now: nothing is wrong with the message.
        if (error.retry !== 'never') throw error;
        await this.#park(row, error);
        return;
      }
      // While a large file was copied the consumer may have gone, or another one may have come and taken it.
      if (this.#closed || !this.#claims(row) || flights.isHeld(messageId)) return;
      const isNew = flights.get(messageId) === undefined;
      const flight = flights.begin(row, this.#consumer);
      let delivered: Incoming | undefined;
      try {
        delivered = await rows.deliver(row, clock.now() + leaseMs);
      } catch (error) {
        // Not recorded: it is where it was.
        flight.running = false;
        if (isNew) flights.delete(messageId);
        throw error;
      }
      if (!delivered) {
        flights.delete(messageId);
        return;
      }
      this.#parts.onChange();
      const delivering = this.#handOver(delivered, received, answer);
      // From here on it is the flow that holds the payload.
      endTurn();
      await this.#delivered(flight, delivered, await delivering);
    } finally {
      endTurn();
    }
  }

  /** Gives the error of a delivery that was not taken. */
  async #handOver(
    row: Incoming,
    received: ReceivedMessage,
    answer: MeshAnswer | undefined,
  ): Promise<MeshError | undefined> {
    try {
      const kind = this.#parts.kindOf(received.message, row.recognised);
      const { deliveryCount } = row;
      await this.#consumer.deliver({ received, kind, deliveryCount, ...(answer && { answer }) });
      return undefined;
    } catch (thrown) {
      return asMeshError(thrown, row.messageId);
    }
  }

  async #delivered(flight: Flight, row: Incoming, error: MeshError | undefined): Promise<void> {
    const { flights, clock, leaseMs, settle, onLease } = this.#parts;
    flight.running = false;
    flight.refused = error?.retry === 'safe';
    flight.leaseUntil = clock.now() + (flight.refused ? Math.min(REFUSED_MS, leaseMs) : leaseMs);
    onLease();
    // The flow may have been done with it while deliver() ran.
    if (flights.get(row.messageId) !== flight) return;
    if (error?.retry === 'never') await this.#park(row, error);
    if (flight.refused) await this.#parts.rows.refused(row);
    if (error && error.retry !== 'never') this.#consumer.failed(error, row.messageId);
    else if (!error && this.#consumer.acknowledge === 'after-delivery') await settle(row.messageId);
  }

  async #park(row: Incoming, error: MeshError | undefined): Promise<void> {
    const parked = await this.#parts.rows.park(row, error);
    this.#parts.flights.delete(row.messageId);
    if (parked) this.#consumer.parked(headersOf(row), error, row.deliveryCount);
  }

  /** The store or the folder: tried again soon. */
  #failed(error: MeshError): void {
    if (this.#closed) return;
    this.#parts.notices.raise('delivery', error, [this.#consumer], error.messageId);
    this.#again.set(this.#parts.clock.now() + AGAIN_AFTER_MS);
  }
}
