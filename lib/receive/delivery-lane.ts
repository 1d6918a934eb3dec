/**
 * From the store to one consumer: oldest first, one `deliver` at a time, no more in flight than it takes. Every consumer has
 * a lane of its own, so that none waits for another.
 *
 * A kill at any point: the delivery is recorded before `deliver` is called. Before the record, the message is delivered as
 * if for the first time; after it, again with a higher count. A file that was written before the record is written again
 * under the same name.
 *
 * The first deliveries of several small messages are recorded in one commit, and handed over one after the other. What a kill
 * has in flight comes one by one after that: a message that kills the process takes no others with it to their last delivery.
 */
import type { MeshError } from '../errors';
import type { Incoming, IncomingSummary } from '../store/store';
import type { ReceivedMessage } from '../types';
import type { Clock } from '../clock';
import { Alarm } from './alarm';
import type { Lease, Leases } from './leases';
import { isSmall, recordTogether, type Recorded } from './first-deliveries';
import { DELIVERABLE, type IncomingRows } from './incoming-rows';
import { asMeshError, type deliveryKinds } from './inbox-rules';
import type { InboxConsumer, MeshAnswer } from './inbox-types';
import type { Routed } from './listed';
import type { Notices } from './notices';
import type { AcknowledgementSettler } from './acknowledgement-settler';
import type { ReportSettler } from './report-settler';
import { headersOf, storedDelivery, type DeliveryTarget } from './stored-delivery';
import { PAYLOADS_AT_ONCE } from './storing';
import type { Turns } from './turns';

/** Rows that are read at once, without their payloads. */
const PAGE = 50;
/** After the store or the folder failed (milliseconds): a database that moves is back in seconds, a full disk is not. */
const AGAIN_AFTER_MS = { first: 2000, most: 30_000 };
/** After the consumer did not take a message (milliseconds). */
const REFUSED_MS = 5 * 60_000;

/** What a lane works with. */
export interface DeliveryLaneParts {
  rows: IncomingRows;
  flights: Leases;
  notices: Notices;
  reports: ReportSettler;
  answers: AcknowledgementSettler;
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

/** The lane of one consumer. */
export class DeliveryLane {
  readonly #consumer: InboxConsumer;
  readonly #parts: DeliveryLaneParts;
  readonly #again: Alarm;
  /** How deliveries ended, being committed. */
  readonly #settling = new Set<Promise<void>>();
  /** Read and not yet delivered, oldest first; all of them this consumer's. */
  #read: IncomingSummary[] = [];
  /** The last row that was read: what comes later is behind it. */
  #after: string | undefined;
  /** Counts the resets. */
  #epoch = 0;
  #run: Promise<void> | undefined;
  #woken = false;
  #closed = false;
  /** In a row. */
  #failures = 0;

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
    this.#run = this.#workThrough()
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

  /** Until nothing is left to deliver, and what was delivered is committed. */
  async #workThrough(): Promise<void> {
    const failures = this.#failures;
    try {
      await this.#work();
    } finally {
      await Promise.all(this.#settling);
    }
    // A delivery whose end could not be committed has counted as one.
    if (this.#failures === failures) this.#failures = 0;
  }

  async #work(): Promise<void> {
    const { flights, notices } = this.#parts;
    while (this.#woken && !this.#closed) {
      this.#woken = false;
      while (!this.#closed && flights.of(this.#consumer) < this.#consumer.maxInFlight) {
        const due = flights.nextDue((flight) => this.#claims(flight));
        if (!due && (await this.#deliverTogether())) continue;
        const next = due ?? (await this.#nextWaiting());
        if (!next) break;
        const { rows } = this.#parts;
        const row = await (due ? rows.get(next.messageId) : rows.take(next.messageId));
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
  async #nextWaiting(): Promise<IncomingSummary | undefined> {
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

  /** The first of what waits, as far as they are small, and new, and nothing has to be settled first. */
  #smallOnes(): IncomingSummary[] {
    if (this.#consumer.folder !== undefined) return [];
    const room = this.#consumer.maxInFlight - this.#parts.flights.of(this.#consumer);
    const end = this.#read.findIndex((row) => !isSmall(row) || this.#parts.isUnderWay(row.messageId));
    return this.#read.slice(0, Math.min(PAYLOADS_AT_ONCE, room, end < 0 ? Infinity : end));
  }

  /** Delivers several small messages, of which the next waits for no commit of the one before; false if there are none. */
  async #deliverTogether(): Promise<boolean> {
    if (!(await this.#nextWaiting())) return false;
    const epoch = this.#epoch;
    const chosen = this.#smallOnes();
    if (chosen.length < 2) return false;
    const isWanted = (row: Routed): boolean => epoch === this.#epoch && !this.#closed && this.#claims(row);
    const recorded = await recordTogether(chosen, this.#consumer, { ...this.#parts, isWanted });
    if (recorded.length === 0) return false;
    const handled = new Set(recorded.map(({ flight }) => flight.messageId));
    this.#read = this.#read.filter(({ messageId }) => !handled.has(messageId));
    for (const each of recorded) await this.#handOverNext(each);
    const failed = recorded.find(({ record }) => record.status === 'rejected')?.record;
    if (failed?.status === 'rejected') throw failed.reason;
    this.#parts.notices.over('delivery');
    return true;
  }

  async #handOverNext({ received, flight, record }: Recorded): Promise<void> {
    const { flights, rows } = this.#parts;
    const delivered = record.status === 'fulfilled' ? record.value : undefined;
    if (!delivered) {
      // Not recorded, or settled meanwhile.
      flight.running = false;
      flights.delete(flight.messageId);
      return;
    }
    if (this.#closed || !this.#claims(delivered)) {
      await rows.notDelivered(delivered);
      flights.delete(flight.messageId);
      return;
    }
    this.#parts.onChange();
    const error = await this.#handOver(delivered, received, undefined);
    const settling: Promise<void> = this.#delivered(flight, delivered, error)
      .catch((thrown: unknown) => this.#failed(asMeshError(thrown, flight.messageId)))
      .finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
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
    const answer = await answers.settle(messageId, headersOf(row), row.classification);
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
      const kind = this.#parts.kindOf(received.message, row.classification);
      const { deliveryCount } = row;
      await this.#consumer.deliver({ received, kind, deliveryCount, ...(answer && { answer }) });
      return undefined;
    } catch (thrown) {
      return asMeshError(thrown, row.messageId);
    }
  }

  async #delivered(flight: Lease, row: Incoming, error: MeshError | undefined): Promise<void> {
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
    const { first, most } = AGAIN_AFTER_MS;
    this.#again.set(this.#parts.clock.now() + Math.min(most, first * 2 ** this.#failures));
    this.#failures += 1;
  }
}
