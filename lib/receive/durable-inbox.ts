/**
 * When the durable inbox of one mailbox works: it polls by its schedule, takes what new consumers want, and delivers what
 * is stored. What happens to a message is in receiving-line.ts, from MESH to the store, and deliver/delivery-lane.ts,
 * from the store to the flow; `acknowledge` ends it (docs/design.md, The line in).
 */
import { AbortedError } from '../errors';
import { steadyTime, wakefulClock, wallTimeOf, type Clock, type Moment } from '../clock';
import { PAST_DELIVERY } from '../message-states';
import { ALWAYS_HELD } from '../store/mailbox-lease';
import { SerialQueue } from '../store/serial-queue';
import type { IncomingState } from '../store/store';
import { FinishedMessages } from './acknowledge/finished-messages';
import { MeshAcknowledger } from './acknowledge/mesh-acknowledger';
import { Settlements } from './acknowledge/settlements';
import { DeliveryLanes } from './deliver/delivery-lanes';
import { DeliveryLeases } from './deliver/delivery-leases';
import { headersOf } from './deliver/stored-message';
import type { DurableInboxOptions } from './durable-inbox-types';
import { InboxListeners } from './inbox-listeners';
import type { InboxParts } from './inbox-parts';
import {
  DEFAULT_LEASE_MS,
  DEFAULT_MAX_DELIVERIES,
  notDeliveredYetError,
  notParkedError,
  storedUnclaimedError,
  toMeshError,
  UNCLAIMED_REPEAT_MS,
  warnShadowed,
} from './inbox-rules';
import type { InboxConsumer, InboxPoller, InboxState, ParkedMessage } from './inbox-types';
import { IncomingRows } from './incoming-rows';
import { InboxRouter } from './poll/inbox-router';
import { PollSchedule } from './poll/poll-schedule';
import { ProblemNotifier } from './problem-notifier';
import { ReceivingLine } from './receiving-line';

/**
 * Creates the durable inbox of a mailbox, which starts when a consumer is added. Create one for each mailbox, and close
 * it before its store.
 */
export function createDurableInbox(options: DurableInboxOptions): InboxPoller {
  return new DurableInbox(options);
}

/** The mailbox's lease when this instance is the store's only owner. */
const SOLE_OWNER = { ...ALWAYS_HELD, start: () => undefined, stop: async () => undefined };

class DurableInbox implements InboxPoller {
  readonly #options: DurableInboxOptions;
  readonly #clock: Clock;
  /** The mailbox's lease: the right of one instance to poll and to deliver. */
  readonly #pollerLease: ReturnType<NonNullable<DurableInboxOptions['pollerLease']>>;
  readonly #stopListening: () => void;
  readonly #closing = new AbortController();
  readonly #router: InboxRouter<InboxConsumer>;
  readonly #problems: ProblemNotifier;
  readonly #rows: IncomingRows;
  readonly #leases: DeliveryLeases;
  readonly #listeners: InboxListeners;
  readonly #acknowledger: MeshAcknowledger;
  readonly #finished: FinishedMessages;
  readonly #lanes: DeliveryLanes;
  readonly #line: ReceivingLine;
  readonly #schedule: PollSchedule;
  /** True until the leases of an earlier process have been ended, once. */
  #freshStart: boolean;
  #loading: Promise<void> | undefined;
  #loaded = false;
  /** Counts how often the mailbox's lease was taken or lost. */
  #term = 0;
  #run: Promise<void> | undefined;
  #listWanted = false;
  /** The next list follows the last one at once. */
  #followsList = false;
  /** The consumers have changed, or someone polls: messages of earlier lists are to be taken. */
  #takeWanted = false;
  /** The last page of the inbox was full. */
  #moreInInbox = false;
  /** The acknowledger's count before the last list. */
  #acknowledgedBeforeList = 0;
  /** When the inbox was last listed, and everything taken, without a failure. */
  #lastPoll: Moment | undefined;

  constructor(options: DurableInboxOptions) {
    const { mailboxId, url, store, storeKey, minimumIntervalMs, clock = wakefulClock } = options;
    this.#options = options;
    this.#clock = clock;
    // With several instances, the store knows which of them have gone.
    this.#freshStart = options.freshStart && !store.isShared;
    this.#pollerLease = options.pollerLease?.((held) => this.#pollerLeaseChanged(held)) ?? SOLE_OWNER;
    this.#stopListening = store.onRemoteChange(storeKey, (change) => {
      if (change.kind === 'in') this.#changedElsewhere(change.messageId);
    });
    this.#router = new InboxRouter(options.workflowsHandledElsewhere ?? []);
    this.#problems = new ProblemNotifier(() => steadyTime(clock), this.#closing.signal);
    this.#rows = new IncomingRows(store, storeKey, clock, options.onStored);
    this.#leases = new DeliveryLeases(clock, () => this.#leaseFreed());
    this.#listeners = new InboxListeners({
      router: this.#router,
      pending: this.#rows.pending,
      leases: this.#leases,
      state: () => this.state(),
    });
    this.#listeners.onChange(() => this.#listMoreWhenDone());
    const parts: InboxParts = {
      options,
      clock,
      rows: this.#rows,
      router: this.#router,
      pollerLease: this.#pollerLease,
      leases: this.#leases,
      problems: this.#problems,
      listeners: this.#listeners,
      closing: this.#closing.signal,
    };
    const settlements = new Settlements(parts);
    const acknowledger = new MeshAcknowledger(parts);
    const finished = new FinishedMessages(parts, acknowledger);
    const lanes = new DeliveryLanes({ ...parts, settlements, finished, payloadQueue: new SerialQueue() });
    this.#acknowledger = acknowledger;
    this.#finished = finished;
    this.#lanes = lanes;
    this.#line = new ReceivingLine({ ...parts, settlements, acknowledger, lanes });
    this.#schedule = new PollSchedule({
      key: `${url} ${mailboxId}`,
      minimumIntervalMs,
      clock,
      poll: () => void this.poll(),
    });
  }

  add(consumer: InboxConsumer): void {
    this.#router.add(consumer);
    warnShadowed(consumer, this.#router, this.#options.mailboxId);
    this.#lanes.add(consumer);
    this.#problems.clearAll();
    this.#takeWanted = true;
    this.#pollerLease.start();
    if (consumer.intervalMs > 0) this.poll();
    else this.#start();
    this.#listeners.notifySoon();
  }

  remove(consumer: InboxConsumer): void {
    this.#router.remove(consumer);
    this.#lanes.remove(consumer);
    this.#leases.release(consumer);
    if (this.#router.consumers.length > 0) {
      this.#planNext();
      this.#lanes.wake();
    } else {
      // Without consumers this instance has nothing to list for; another one may take over.
      this.#schedule.clear();
      void this.#pollerLease.stop();
    }
  }

  retryRefused(consumer: InboxConsumer): void {
    this.#leases.retryRefused(consumer);
  }

  poll(): { started: true } | { started: false; nextPoll: Date } {
    const nextPoll = this.#schedule.postponed();
    this.#listWanted ||= nextPoll === undefined;
    this.#takeWanted = true;
    this.#start();
    return nextPoll ? { started: false, nextPoll } : { started: true };
  }

  async acknowledge(messageId: string): Promise<void> {
    // The flow may finish on any instance; the one that polls counts the leases.
    if (this.#pollerLease.held) await this.#load();
    await this.#finished.finish(messageId);
  }

  async *parked(): AsyncGenerator<ParkedMessage> {
    for await (const row of this.#rows.parked()) {
      const { deliveryCount, error } = row;
      if (error) yield { message: headersOf(row), error, deliveryCount };
    }
  }

  async redeliver(messageId: string): Promise<void> {
    await this.#load();
    if (await this.#deliverAgain(messageId, ['parked'])) return;
    // A message parked during its download is still in MESH's inbox, and is downloaded again.
    if (!this.#line.listed.retry(messageId)) throw notParkedError(messageId, await this.#stateOf(messageId));
    this.#takeWanted = true;
    this.#start();
  }

  async deliverNow(messageId: string): Promise<void> {
    await this.#load();
    if (await this.#deliverAgain(messageId, PAST_DELIVERY)) return;
    throw notDeliveredYetError(messageId, await this.#stateOf(messageId));
  }

  /** Makes a message in one of these states due for delivery; false if it is in another. */
  async #deliverAgain(messageId: string, from: readonly IncomingState[]): Promise<boolean> {
    const { maxDeliveries = DEFAULT_MAX_DELIVERIES } = this.#options;
    const row = await this.#rows.deliverAgain(messageId, from, maxDeliveries);
    if (!row) return false;
    if (row.state === 'delivered') {
      this.#leases.add(row, 0);
      // Of a delivery before, which the flow may still be working on.
      this.#leases.expire(messageId);
    }
    // It sorts before what the lanes have listed.
    this.#lanes.reset();
    this.#lanes.wake();
    this.#listeners.notify();
    return true;
  }

  async #stateOf(messageId: string): Promise<IncomingState | undefined> {
    return (await this.#rows.known([messageId])).get(messageId);
  }

  async close(): Promise<void> {
    this.#schedule.close();
    this.#leases.close();
    this.#stopListening();
    this.#closing.abort(new AbortedError('The inbox was closed.'));
    await this.#lanes.close();
    await Promise.all([this.#run, this.#loading?.catch(() => undefined), this.#acknowledger.close()]);
    await this.#pollerLease.stop();
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Starts a run. One at a time: assurance requires one thread for each mailbox (docs/mesh.md, Assurance). */
  #start(): void {
    if (this.#run || this.#closed || !this.#pollerLease.held) return;
    let hasFailed = false;
    this.#run = this.#work()
      .catch((error: unknown) => {
        hasFailed = true;
        this.#problems.runFailed(toMeshError(error), this.#router.consumers);
      })
      .finally(() => {
        this.#run = undefined;
        this.#planNext(hasFailed);
        this.#listeners.notifySoon();
        // Requested while the last steps ran.
        if (this.#listWanted || this.#takeWanted) this.#start();
      });
    // At once: the caller of `poll` sees that it runs.
    this.#listeners.notify();
  }

  async #work(): Promise<void> {
    do {
      const isList = this.#listWanted;
      // Before anything can fail: a failed run is not restarted at once.
      this.#listWanted = false;
      this.#takeWanted = false;
      await this.#load();
      for (const messageId of await this.#rows.expireLostLeases()) this.#leases.expire(messageId);
      this.#raiseUnclaimed();
      // Stored messages do not wait for MESH.
      this.#lanes.wake();
      await this.#acknowledger.retryAll();
      await this.#line.takeListed();
      if (isList && this.#pollerLease.held) await this.#list();
    } while ((this.#takeWanted || this.#listWanted) && !this.#closed && this.#pollerLease.held);
    this.#problems.runSucceeded();
  }

  async #list(): Promise<void> {
    const follows = this.#followsList;
    this.#followsList = false;
    this.#schedule.listed();
    this.#acknowledgedBeforeList = this.#acknowledger.acknowledged;
    this.#moreInInbox = await this.#line.list(follows);
    this.#lastPoll = this.#schedule.lastListed;
    // Acknowledged messages leave the list and show more; without any, MESH would return the same page for ever.
    const isEmptying = this.#moreInInbox && this.#acknowledger.acknowledged > this.#acknowledgedBeforeList;
    if (isEmptying && this.#acknowledger.whenSpooled) this.#listMore();
  }

  /**
   * Loads the state of earlier processes from the store, once: pending deliveries, leases, missing acknowledgements.
   */
  #load(): Promise<void> {
    this.#loading ??= this.#loadAll().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #loadAll(): Promise<void> {
    const { instance = null, leaseMs = DEFAULT_LEASE_MS } = this.#options;
    const freshStart = this.#freshStart;
    const term = this.#term;
    await this.#rows.count();
    for await (const row of this.#rows.all(['delivered'])) {
      // The stored end is a wall time: one that a clock set back puts far ahead counts for a whole lease at most.
      const leftMs = Math.min(leaseMs, Math.max(0, (row.leaseUntil ?? 0) - this.#clock.now()));
      this.#leases.add(row, freshStart ? 0 : leftMs);
      if (freshStart) await this.#rows.expireLease(row.messageId);
    }
    // Includes messages acknowledged just before a kill, without our commit: MESH no longer lists those.
    for await (const row of this.#rows.unacknowledged()) {
      if (row.instance !== instance) continue;
      if (this.#acknowledger.whenSpooled || row.state === 'done') this.#acknowledger.acknowledgeLater(row.messageId);
    }
    // The mailbox's lease changed hands meanwhile.
    if (term !== this.#term) return;
    this.#freshStart = false;
    this.#loaded = true;
    this.#lanes.open();
  }

  /** Takes over from another instance, or stops in its favour; requests under way here end by themselves. */
  #pollerLeaseChanged(held: boolean): void {
    this.#term += 1;
    this.#loading = undefined;
    this.#loaded = false;
    this.#leases.clear();
    this.#lanes.pause();
    this.#line.refresh();
    if (held && this.#router.consumers.length > 0) {
      if (this.#router.consumers.some(({ intervalMs }) => intervalMs > 0)) this.poll();
      this.#takeWanted = true;
      this.#start();
    }
    this.#listeners.notifySoon();
  }

  /** Another instance changed a message. If this fails, it is found when the lease ends, or a lane reaches the message. */
  #changedElsewhere(messageId: string): void {
    if (this.#loaded && !this.#closed)
      this.#finished.lookAgain(messageId).then(
        () => this.#lanes.wake(),
        () => undefined,
      );
  }

  #leaseFreed(): void {
    this.#lanes.wake();
    this.#listeners.notifySoon();
  }

  /** Has the inbox listed again at once. */
  #listMore(): void {
    this.#listWanted = true;
    this.#followsList = true;
  }

  /** Lists again after a full page whose messages are all finished: there may be more. */
  #listMoreWhenDone(): void {
    if (!this.#moreInInbox || this.#acknowledger.isBusy || this.#leases.size > 0) return;
    if (this.#acknowledger.acknowledged === this.#acknowledgedBeforeList) return;
    if (this.#rows.pending.count(() => true) > 0) return;
    this.#moreInInbox = false;
    this.#listMore();
    this.#start();
  }

  /** Reports stored messages whose consumer has been removed: they are kept. */
  #raiseUnclaimed(): void {
    const { consumers } = this.#router;
    for (const key of this.#rows.pending.keys()) {
      if (consumers.length === 0 || this.#router.claim(key)) continue;
      const error = storedUnclaimedError(key, this.#options.mailboxId);
      const cause = `unclaimed ${key.workflowId}`;
      this.#problems.raise(cause, error, consumers.slice(0, 1), undefined, UNCLAIMED_REPEAT_MS);
    }
  }

  #planNext(hasFailed = false): void {
    this.#schedule.plan(
      this.#router.consumers.map((consumer) => consumer.intervalMs),
      hasFailed,
    );
  }

  state(): InboxState {
    return {
      polling: this.#run !== undefined || this.#acknowledger.isBusy || this.#lanes.isBusy,
      leased: this.#leases.size,
      pending: this.#rows.pending.count(() => true),
      unclaimed: this.#line.listed.unclaimed + this.#rows.pending.count((key) => !this.#router.claim(key)),
      isFull: this.#line.isFull,
      lastPoll: this.#lastPoll && wallTimeOf(this.#clock, this.#lastPoll),
      nextPoll: this.#schedule.nextPoll,
      progress: this.#listeners.progress,
    };
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.onChange(listener);
  }
}
