/**
 * Delivers stored messages to one consumer: oldest first, one `deliver` at a time, never more leases than the consumer
 * allows. Every consumer has its own lane, so that none waits for another.
 *
 * A kill at any point: each delivery is recorded before `deliver` is called. A message killed before its record is
 * delivered as if for the first time, after it with a higher count. A file written before the record is written again
 * under its name.
 *
 * The first deliveries of several small messages are recorded in one commit, then handed over one after the other.
 * After a kill their redeliveries come one by one, so that a message that kills the process does not use up the
 * deliveries of others.
 */
import type { MeshError } from '../errors';
import { DELIVERABLE } from '../message-states';
import type { SerialQueue } from '../store/serial-queue';
import type { Incoming, IncomingSummary } from '../store/store';
import type { ReceivedMessage } from '../types';
import type { Clock } from '../clock';
import type { AcknowledgementSettler } from './acknowledgement-settler';
import { isBatchable, recordBatch, type RecordedDelivery } from './delivery-batch';
import type { DeliveryLease, DeliveryLeases } from './delivery-leases';
import type { RoutingKey } from './inbox-router';
import { toMeshError, type deliveryClassifier } from './inbox-rules';
import type { DeliveredAcknowledgement, InboxConsumer } from './inbox-types';
import type { IncomingRows } from './incoming-rows';
import type { ProblemNotifier } from './problem-notifier';
import type { ReportSettler } from './report-settler';
import { headersOf, readStoredMessage, type DeliveryTarget } from './stored-message';
import { MAX_PAYLOADS_IN_MEMORY } from './storing-tasks';
import { WakeTimer } from './wake-timer';

/** Rows that are listed at once, without their payloads. */
const PAGE = 50;
/**
 * Back-off after the store or the folder failed (milliseconds): a database that moves is back in seconds, a full disk
 * is not.
 */
const RETRY_MS = { first: 2000, max: 30_000 };
/** Wait after the consumer refused a message (milliseconds). */
const REFUSED_RETRY_MS = 5 * 60_000;

interface DeliveryLaneParts {
  rows: IncomingRows;
  leases: DeliveryLeases;
  problems: ProblemNotifier;
  reports: ReportSettler;
  acknowledgements: AcknowledgementSettler;
  clock: Clock;
  /** One lane at a time holds payloads in memory. */
  payloadQueue: SerialQueue;
  target: Omit<DeliveryTarget, 'folder' | 'unwrapMultipart'>;
  leaseMs: number;
  maxDeliveries: number;
  classifyDelivery: ReturnType<typeof deliveryClassifier>;
  /** Returns whether messages of this workflow and type go to this consumer. */
  claims: (key: RoutingKey, consumer: InboxConsumer) => boolean;
  /** Returns whether the message is still being stored, and must not be delivered yet. */
  isBeingStored: (messageId: string) => boolean;
  /** Ends a message whose consumer acknowledges after delivery. */
  settle: (messageId: string) => Promise<void>;
  /** Called when a lease starts. */
  onLeaseStarted: () => void;
  onChange: () => void;
}

/** The lane of one consumer. */
export class DeliveryLane {
  readonly #consumer: InboxConsumer;
  readonly #parts: DeliveryLaneParts;
  readonly #retryTimer: WakeTimer;
  /** Commits of deliveries that have ended. */
  readonly #settling = new Set<Promise<void>>();
  /** Pending deliveries of this consumer that are listed and not yet delivered, oldest first. */
  #listed: IncomingSummary[] = [];
  /** Id of the last listed row: later rows sort behind it. */
  #after: string | undefined;
  /** Counts the resets. */
  #epoch = 0;
  #run: Promise<void> | undefined;
  #woken = false;
  #closed = false;
  /** Consecutive failures. */
  #failures = 0;

  constructor(consumer: InboxConsumer, parts: DeliveryLaneParts) {
    this.#consumer = consumer;
    this.#parts = parts;
    this.#retryTimer = new WakeTimer(parts.clock, () => this.wake());
  }

  get isBusy(): boolean {
    return this.#run !== undefined;
  }

  /** Starts a run: there may be something to deliver. */
  wake(): void {
    this.#woken = true;
    // New messages do not shorten the back-off: a failed attempt may have copied a large file in vain.
    if (this.#run || this.#closed || this.#retryTimer.time !== undefined) return;
    this.#run = this.#runToEnd()
      .catch((error: unknown) => this.#failed(toMeshError(error)))
      .finally(() => {
        this.#run = undefined;
        this.#parts.onChange();
        if (this.#woken) this.wake();
      });
  }

  /** Forgets what is listed: the consumers have changed, and any row may belong to another one. */
  reset(): void {
    this.#listed = [];
    this.#after = undefined;
    this.#epoch += 1;
  }

  /** Stops delivering. Resolves when the current delivery has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retryTimer.clear();
    await this.#run;
  }

  /** Delivers until nothing is pending or due, and everything delivered is committed. */
  async #runToEnd(): Promise<void> {
    const failures = this.#failures;
    try {
      await this.#deliverAll();
    } finally {
      await Promise.all(this.#settling);
    }
    // A failed commit of a delivery's end has raised the count.
    if (this.#failures === failures) this.#failures = 0;
  }

  async #deliverAll(): Promise<void> {
    const { leases, problems, rows } = this.#parts;
    while (this.#woken && !this.#closed) {
      this.#woken = false;
      while (!this.#closed && leases.heldBy(this.#consumer) < this.#consumer.maxLeases) {
        const due = leases.nextDue((lease) => this.#claims(lease));
        if (!due && (await this.#deliverBatch())) continue;
        const next = due ?? (await this.#nextPending());
        if (!next) break;
        const row = await (due ? rows.get(next.messageId) : rows.take(next.messageId));
        if (row && DELIVERABLE.includes(row.state)) {
          if (!leases.isHeld(row.messageId)) await this.#deliver(row);
        } else if (due) {
          leases.delete(next.messageId);
        }
        if (!due && this.#listed[0] === next) this.#listed.shift();
        problems.clear('delivery');
      }
    }
  }

  /** Returns the oldest pending delivery of this consumer, and leaves it first in the list. */
  async #nextPending(): Promise<IncomingSummary | undefined> {
    const { rows, isBeingStored } = this.#parts;
    if (rows.pending.count((key) => this.#claims(key)) === 0) return undefined;
    while (this.#listed.length === 0) {
      const epoch = this.#epoch;
      const page = await rows.listPending(PAGE, this.#after);
      if (epoch !== this.#epoch) continue;
      this.#after = page.at(-1)?.messageId ?? this.#after;
      this.#listed = page.filter((row) => this.#claims(row));
      if (page.length < PAGE) break;
    }
    const [next] = this.#listed;
    return next && !isBeingStored(next.messageId) ? next : undefined;
  }

  /** Returns the first pending deliveries, up to one that cannot be delivered in a batch. */
  #nextBatch(): IncomingSummary[] {
    if (this.#consumer.folder !== undefined) return [];
    const free = this.#consumer.maxLeases - this.#parts.leases.heldBy(this.#consumer);
    const end = this.#listed.findIndex((row) => !isBatchable(row) || this.#parts.isBeingStored(row.messageId));
    return this.#listed.slice(0, Math.min(MAX_PAYLOADS_IN_MEMORY, free, end < 0 ? Infinity : end));
  }

  /** Delivers several small messages without a commit between them; false if fewer than two are pending. */
  async #deliverBatch(): Promise<boolean> {
    if (!(await this.#nextPending())) return false;
    const epoch = this.#epoch;
    const batch = this.#nextBatch();
    if (batch.length < 2) return false;
    const isWanted = (row: RoutingKey): boolean => epoch === this.#epoch && !this.#closed && this.#claims(row);
    const recorded = await recordBatch(batch, this.#consumer, { ...this.#parts, isWanted });
    if (recorded.length === 0) return false;
    const handled = new Set(recorded.map(({ lease }) => lease.messageId));
    this.#listed = this.#listed.filter(({ messageId }) => !handled.has(messageId));
    for (const each of recorded) await this.#deliverRecorded(each);
    const failed = recorded.find(({ record }) => record.status === 'rejected')?.record;
    if (failed?.status === 'rejected') throw failed.reason;
    this.#parts.problems.clear('delivery');
    return true;
  }

  async #deliverRecorded({ received, lease, record }: RecordedDelivery): Promise<void> {
    const { leases, rows } = this.#parts;
    const row = record.status === 'fulfilled' ? record.value : undefined;
    if (!row) {
      // The record failed, or the message was settled meanwhile.
      lease.delivering = false;
      leases.delete(lease.messageId);
      return;
    }
    if (this.#closed || !this.#claims(row)) {
      await rows.undeliver(row);
      leases.delete(lease.messageId);
      return;
    }
    this.#parts.onChange();
    const error = await this.#handOver(row, received, undefined);
    const settling: Promise<void> = this.#afterDelivery(lease, row, error)
      .catch((thrown: unknown) => this.#failed(toMeshError(thrown, lease.messageId)))
      .finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
  }

  #claims(key: RoutingKey): boolean {
    return this.#parts.claims(key, this.#consumer);
  }

  async #deliver(row: Incoming): Promise<void> {
    const { leases, rows, reports, acknowledgements, leaseMs, maxDeliveries, clock, payloadQueue } = this.#parts;
    const { messageId } = row;
    if (row.deliveryCount >= maxDeliveries) {
      await this.#park(row, undefined);
      return;
    }
    if (row.messageType === 'REPORT' && row.deliveryCount === 0) await reports.settle(headersOf(row));
    const acknowledgement = await acknowledgements.settle(messageId, headersOf(row), row.classification);
    const { folder, unwrapMultipart = false } = this.#consumer;
    const place = folder === undefined ? payloadQueue.enter() : undefined;
    try {
      await place?.turn;
      let received: ReceivedMessage;
      try {
        received = await readStoredMessage(row, { ...this.#parts.target, folder, unwrapMultipart });
      } catch (thrown) {
        const error = toMeshError(thrown, messageId);
        // The folder cannot be written for now: nothing is wrong with the message.
        if (error.retry !== 'never') throw error;
        await this.#park(row, error);
        return;
      }
      // While a large file was copied, the consumer may have been removed, or another one may have taken the message.
      if (this.#closed || !this.#claims(row) || leases.isHeld(messageId)) return;
      const isNew = leases.get(messageId) === undefined;
      const lease = leases.begin(row, this.#consumer);
      let delivered: Incoming | undefined;
      try {
        delivered = await rows.deliver(row, clock.now() + leaseMs);
      } catch (error) {
        // The delivery is not recorded: the message stays as it was.
        lease.delivering = false;
        if (isNew) leases.delete(messageId);
        throw error;
      }
      if (!delivered) {
        leases.delete(messageId);
        return;
      }
      this.#parts.onChange();
      const delivering = this.#handOver(delivered, received, acknowledgement);
      // From here on the flow holds the payload.
      place?.leave();
      await this.#afterDelivery(lease, delivered, await delivering);
    } finally {
      place?.leave();
    }
  }

  /** Calls the consumer's `deliver`; resolves with the error that it threw. */
  async #handOver(
    row: Incoming,
    received: ReceivedMessage,
    acknowledgement: DeliveredAcknowledgement | undefined,
  ): Promise<MeshError | undefined> {
    try {
      const kind = this.#parts.classifyDelivery(received.message, row.classification);
      const { deliveryCount } = row;
      await this.#consumer.deliver({ received, kind, deliveryCount, ...(acknowledgement && { acknowledgement }) });
      return undefined;
    } catch (thrown) {
      return toMeshError(thrown, row.messageId);
    }
  }

  async #afterDelivery(lease: DeliveryLease, row: Incoming, error: MeshError | undefined): Promise<void> {
    const { leases, rows, leaseMs, settle, onLeaseStarted } = this.#parts;
    lease.refused = error?.retry === 'safe';
    leases.start(lease, lease.refused ? Math.min(REFUSED_RETRY_MS, leaseMs) : leaseMs);
    onLeaseStarted();
    // The flow may have acknowledged the message while `deliver` ran.
    if (leases.get(row.messageId) !== lease) return;
    if (error?.retry === 'never') await this.#park(row, error);
    if (lease.refused) await rows.refused(row);
    if (error && error.retry !== 'never') this.#consumer.failed(error, row.messageId);
    else if (!error && this.#consumer.acknowledge === 'after-delivery') await settle(row.messageId);
  }

  async #park(row: Incoming, error: MeshError | undefined): Promise<void> {
    const parked = await this.#parts.rows.park(row, error);
    this.#parts.leases.delete(row.messageId);
    if (parked) this.#consumer.parked(headersOf(row), error, row.deliveryCount);
  }

  /** The store or the folder failed: the next run follows after a back-off. */
  #failed(error: MeshError): void {
    if (this.#closed) return;
    this.#parts.problems.raise('delivery', error, [this.#consumer], error.messageId);
    const { first, max } = RETRY_MS;
    this.#retryTimer.set(Math.min(max, first * 2 ** this.#failures));
    this.#failures += 1;
  }
}
