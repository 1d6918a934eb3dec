/**
 * The line in, from the store to one consumer: oldest first, never more leases than the consumer allows.
 *
 * 1. Take what comes next: a message that is due again, or the oldest that are pending.
 * 2. Settle the sent messages that it names.
 * 3. Read its payload.
 * 4. Record the delivery.
 * 5. Hand it over to the flow.
 * 6. End the delivery: its lease runs, or it is finished, refused or parked.
 *
 * The first deliveries of several small messages are recorded in one commit, then handed over one after the other.
 *
 * A kill at any point: each delivery is recorded before it is handed over. A message killed before its record is
 * delivered as if for the first time, after it with a higher count; such redeliveries come one by one, so that a message
 * that kills the process does not use up the deliveries of others. A file written before the record is written again
 * under its name.
 */
import type { MeshError } from '../../errors';
import { DELIVERABLE } from '../../message-states';
import { INLINE_BYTES } from '../../payload/stored-payload';
import type { SerialQueue } from '../../store/serial-queue';
import type { Incoming, IncomingSummary } from '../../store/store';
import type { ReceivedMessage } from '../../types';
import type { FinishedMessages } from '../acknowledge/finished-messages';
import { ackIn, replyIn, type Said, type Settlements } from '../acknowledge/settlements';
import { MAX_PAYLOADS_IN_MEMORY } from '../download/storing-tasks';
import type { InboxParts } from '../inbox-parts';
import { DEFAULT_LEASE_MS, DEFAULT_MAX_DELIVERIES, toMeshError } from '../inbox-rules';
import type { InboxConsumer } from '../inbox-types';
import type { RoutingKey } from '../poll/inbox-router';
import { WakeTimer } from '../wake-timer';
import { deliveryClassifier } from './delivery-kind';
import type { DeliveryLease } from './delivery-leases';
import { headersOf, readStoredMessage } from './stored-message';

/** What the lanes of one mailbox share. */
export interface LaneParts extends InboxParts {
  settlements: Settlements;
  finished: FinishedMessages;
  /** One lane at a time holds payloads in memory. */
  payloadQueue: SerialQueue;
}

/** A message that is ready for its consumer. */
interface Prepared {
  row: Incoming;
  received: ReceivedMessage;
  said: Said;
}

/** A message whose delivery is recorded: `row` is as it was committed. */
interface Recorded extends Prepared {
  lease: DeliveryLease;
}

/** Rows that are listed at once, without their payloads. */
const PAGE = 50;
/** Rows that are listed at most: what is stored beyond them is read from the store later. */
const MAX_LISTED = 500;
/**
 * Back-off after the store or the folder failed (milliseconds): a database that moves is back in seconds, a full disk
 * is not.
 */
const RETRY_MS = { first: 2000, max: 30_000 };
/** Wait after the consumer refused a message (milliseconds). */
const REFUSED_RETRY_MS = 5 * 60_000;

/** The lane of one consumer. */
export class DeliveryLane {
  readonly #consumer: InboxConsumer;
  readonly #parts: LaneParts;
  readonly #leaseMs: number;
  readonly #maxDeliveries: number;
  readonly #kindOf: ReturnType<typeof deliveryClassifier>;
  readonly #retryTimer: WakeTimer;
  /** Deliveries that are ending: their commits. */
  readonly #ending = new Set<Promise<void>>();
  /** Pending deliveries of this consumer that are listed and not yet taken, oldest first. */
  #listed: IncomingSummary[] = [];
  /** The last row that was listed, for whichever consumer: later rows sort behind it. */
  #last: Pick<IncomingSummary, 'messageId' | 'sequence'> | undefined;
  /** True if nothing that is pending in the store sorts behind the last row: the next row that is stored does. */
  #isListedToEnd = false;
  /** Rows that were stored while a page was read, which may have them or not; undefined while none is. */
  #storedMeanwhile: IncomingSummary[] | undefined;
  /** Counts the resets. */
  #epoch = 0;
  #run: Promise<void> | undefined;
  #woken = false;
  #closed = false;
  /** Consecutive failures. */
  #failures = 0;

  constructor(consumer: InboxConsumer, parts: LaneParts) {
    const { leaseMs = DEFAULT_LEASE_MS, maxDeliveries = DEFAULT_MAX_DELIVERIES } = parts.options;
    this.#consumer = consumer;
    this.#parts = parts;
    this.#leaseMs = leaseMs;
    this.#maxDeliveries = maxDeliveries;
    this.#kindOf = deliveryClassifier(parts.options.businessAcknowledgementWorkflows);
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
        this.#parts.listeners.notifySoon();
        if (this.#woken) this.wake();
      });
  }

  /** Forgets what is listed: the next run lists anew. */
  reset(): void {
    this.#listed = [];
    this.#last = undefined;
    this.#isListedToEnd = false;
    this.#epoch += 1;
  }

  /** Lists a row that was just stored, so that it need not be read; unless others are still to be read before it. */
  stored(row: IncomingSummary): void {
    if (this.#isListedToEnd) this.#list(row);
    else this.#storedMeanwhile?.push(row);
  }

  #list(row: IncomingSummary): void {
    if (row.sequence <= (this.#last?.sequence ?? 0)) return;
    if (this.#listed.length >= MAX_LISTED) {
      this.#isListedToEnd = false;
      return;
    }
    this.#last = { messageId: row.messageId, sequence: row.sequence };
    if (this.#claims(row)) this.#listed.push(row);
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
      while (this.#woken && !this.#closed) {
        this.#woken = false;
        await this.#deliverAll();
      }
    } finally {
      await Promise.all(this.#ending);
    }
    // A failed commit of a delivery's end has raised the count.
    if (this.#failures === failures) this.#failures = 0;
  }

  async #deliverAll(): Promise<void> {
    for (let rows = await this.#takeNext(); rows.length > 0; rows = await this.#takeNext()) {
      for (const each of await this.#prepareAndRecord(rows)) await this.#handOver(each);
      this.#parts.problems.clear('delivery');
    }
  }

  #claims(key: RoutingKey): boolean {
    const { pollerLease, router } = this.#parts;
    return pollerLease.held && router.claim(key) === this.#consumer;
  }

  /** Takes the message that is due again, or the oldest pending ones; none if the consumer has all that it may have. */
  async #takeNext(): Promise<Incoming[]> {
    const { leases, rows } = this.#parts;
    while (!this.#closed) {
      const free = this.#consumer.maxLeases - leases.heldBy(this.#consumer);
      if (free <= 0) return [];
      const due = leases.nextDue((lease) => this.#claims(lease));
      if (due) {
        const row = await rows.get(due.messageId);
        if (row && DELIVERABLE.includes(row.state)) return [row];
        leases.delete(due.messageId);
        continue;
      }
      const next = await this.#nextPending(free);
      if (next.length === 0) return [];
      const taken = await Promise.all(next.map(({ messageId }) => rows.take(messageId)));
      const pending = taken.filter((row): row is Incoming => row !== undefined && DELIVERABLE.includes(row.state));
      if (pending.length > 0) return pending;
    }
    return [];
  }

  /** Takes the oldest pending deliveries off the list: one, or as many small first ones as may share a commit. */
  async #nextPending(free: number): Promise<IncomingSummary[]> {
    const { rows } = this.#parts;
    if (rows.pending.count((key) => this.#claims(key)) === 0) return [];
    if (this.#listed.length === 0) await this.#readPages();
    const [first] = this.#listed;
    if (!first || rows.beingStored.has(first.messageId)) return [];
    if (this.#consumer.folder !== undefined || !mayShareCommit(first)) return this.#listed.splice(0, 1);
    const end = this.#listed.findIndex((row) => !mayShareCommit(row) || rows.beingStored.has(row.messageId));
    return this.#listed.splice(0, Math.min(MAX_PAYLOADS_IN_MEMORY, free, end < 0 ? Infinity : end));
  }

  /** Reads pages from the store, up to one that has a message for this consumer. */
  async #readPages(): Promise<void> {
    try {
      while (this.#listed.length === 0) {
        const epoch = this.#epoch;
        this.#isListedToEnd = false;
        this.#storedMeanwhile = [];
        const page = await this.#parts.rows.listPending(PAGE, this.#last?.messageId);
        if (epoch !== this.#epoch) continue;
        for (const row of page) this.#list(row);
        this.#isListedToEnd = page.length < PAGE;
        if (!this.#isListedToEnd) continue;
        for (const row of this.#storedMeanwhile) this.stored(row);
        return;
      }
    } finally {
      this.#storedMeanwhile = undefined;
    }
  }

  /**
   * Prepares and records the deliveries, up to the first that fails: that one is taken again by itself.
   * @throws what the first one fails with
   */
  #prepareAndRecord(rows: readonly Incoming[]): Promise<Recorded[]> {
    const work = async (): Promise<Recorded[]> => this.#record(await this.#prepare(rows));
    return this.#consumer.folder === undefined ? this.#parts.payloadQueue.run(work) : work();
  }

  async #prepare(rows: readonly Incoming[]): Promise<Prepared[]> {
    const prepared: Prepared[] = [];
    for (const row of rows) {
      try {
        const each = await this.#prepareOne(row);
        if (each) prepared.push(each);
      } catch (error) {
        if (prepared.length === 0) throw error;
        this.reset();
        break;
      }
    }
    return prepared;
  }

  /** Settles what the message names, and reads its payload. Undefined if it was parked. */
  async #prepareOne(row: Incoming): Promise<Prepared | undefined> {
    const { options, settlements } = this.#parts;
    const { spool, maxBufferBytes } = options;
    const { folder, unwrapMultipart = false } = this.#consumer;
    if (row.deliveryCount >= this.#maxDeliveries) {
      await this.#park(row, undefined);
      return undefined;
    }
    const said = await settlements.settle(headersOf(row), row.classification);
    try {
      const received = await readStoredMessage(row, { spool, maxBufferBytes, folder, unwrapMultipart });
      return { row, received, said };
    } catch (thrown) {
      const error = toMeshError(thrown, row.messageId);
      // The folder cannot be written for now: nothing is wrong with the message.
      if (error.retry !== 'never') throw error;
      await this.#park(row, error);
      return undefined;
    }
  }

  /** Leases the messages, and records their deliveries in one commit. */
  async #record(prepared: readonly Prepared[]): Promise<Recorded[]> {
    const { leases, rows, clock } = this.#parts;
    // While a large file was copied, the consumer may have been removed, or another one may have taken the message.
    const wanted = prepared.filter(({ row }) => !this.#closed && this.#claims(row) && !leases.isHeld(row.messageId));
    const begun = wanted.map((each) => Object.assign(each, { lease: leases.begin(each.row, this.#consumer) }));
    const leaseUntil = clock.now() + this.#leaseMs;
    const commits = await Promise.allSettled(begun.map(({ row }) => rows.deliver(row, leaseUntil)));
    const recorded: Recorded[] = [];
    let failed: PromiseRejectedResult | undefined;
    for (const [i, each] of begun.entries()) {
      const commit = commits[i];
      if (commit?.status === 'fulfilled' && commit.value) recorded.push({ ...each, row: commit.value });
      // Finished meanwhile, or the first delivery: the row is as if nothing had happened.
      else if (commit?.status === 'fulfilled' || each.row.deliveryCount === 0) leases.delete(each.row.messageId);
      else leases.undo(each.lease);
      if (commit?.status === 'rejected') failed ??= commit;
    }
    if (failed && recorded.length === 0) throw failed.reason;
    if (failed) this.reset();
    return recorded;
  }

  /** Hands a message over, and ends its delivery in the background. */
  async #handOver(delivery: Recorded): Promise<void> {
    const { row, lease } = delivery;
    // The consumer may have been removed while those before it were handed over.
    if (this.#closed || !this.#claims(row)) return this.#takeBack(delivery);
    this.#parts.listeners.notifySoon();
    const error = await this.#deliver(delivery);
    const ending: Promise<void> = this.#end(row, lease, error)
      .catch((thrown: unknown) => this.#failed(toMeshError(thrown, row.messageId)))
      .finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Takes a recorded delivery back: the message is pending, or due, as before. */
  async #takeBack({ row, lease }: Recorded): Promise<void> {
    const { leases, rows } = this.#parts;
    if (row.deliveryCount > 1) {
      await rows.refused(row);
      leases.undo(lease);
    } else {
      await rows.undeliver(row);
      leases.delete(row.messageId);
    }
  }

  /** Calls the consumer's `deliver`; resolves with the error that it threw. */
  async #deliver({ row, received, said }: Recorded): Promise<MeshError | undefined> {
    try {
      const kind = this.#kindOf(received.message, row.classification);
      const { deliveryCount } = row;
      await this.#consumer.deliver({ received, kind, deliveryCount, ...said });
      return undefined;
    } catch (thrown) {
      return toMeshError(thrown, row.messageId);
    }
  }

  /** Its lease runs from now on, unless the consumer failed for good or acknowledges after delivery. */
  async #end(row: Incoming, lease: DeliveryLease, error: MeshError | undefined): Promise<void> {
    const { leases, rows, finished } = this.#parts;
    lease.refused = error?.retry === 'safe';
    leases.start(lease, lease.refused ? Math.min(REFUSED_RETRY_MS, this.#leaseMs) : this.#leaseMs);
    // The flow may have acknowledged the message while `deliver` ran.
    if (leases.get(row.messageId) !== lease) return;
    if (error?.retry === 'never') await this.#park(row, error);
    if (lease.refused) await rows.refused(row);
    if (error && error.retry !== 'never') this.#consumer.failed(error, row.messageId);
    else if (!error && this.#consumer.acknowledge === 'after-delivery') await finished.finish(row.messageId);
  }

  async #park(row: Incoming, error: MeshError | undefined): Promise<void> {
    const parked = await this.#parts.rows.park(row, error);
    this.#parts.leases.delete(row.messageId);
    if (parked) this.#consumer.parked(headersOf(row), error, row.deliveryCount);
  }

  /** The store or the folder failed: the next run lists anew, after a back-off. */
  #failed(error: MeshError): void {
    if (this.#closed) return;
    this.reset();
    this.#parts.problems.raise('delivery', error, [this.#consumer], error.messageId);
    const { first, max } = RETRY_MS;
    this.#retryTimer.set(Math.min(max, first * 2 ** this.#failures));
    this.#failures += 1;
  }
}

/** Whether the payload is in its row, the delivery is the first, and nothing has to be settled before it. */
function mayShareCommit({ size, deliveryCount, messageType, classification }: IncomingSummary): boolean {
  return (
    size <= INLINE_BYTES &&
    deliveryCount === 0 &&
    messageType === 'DATA' &&
    !ackIn(classification) &&
    !replyIn(classification)
  );
}
