/**
 * The durable inbox of one mailbox (docs/design.md, The line in): a poller whose state is in the store and whose
 * payloads are in the spool. The collector fills the store from MESH, one lane for each consumer delivers from it to
 * the flow, and `acknowledge` ends a message. They meet only in the store, so that MESH never waits for a flow, nor a
 * flow for MESH.
 */
import { AbortedError, type MeshError } from '../errors';
import { steadyTime, wakefulClock, wallTimeOf, type Clock, type Moment } from '../clock';
import { ALWAYS_HELD } from '../store/mailbox-lease';
import { SerialQueue } from '../store/serial-queue';
import { WakeTimer } from './wake-timer';
import { InboxCollector } from './inbox-collector';
import { DeliveryLane } from './delivery-lane';
import type { RemoteChange } from '../store/store';
import type { DurableInboxOptions } from './durable-inbox-types';
import { AcknowledgementSettler } from './acknowledgement-settler';
import { DeliveryLeases } from './delivery-leases';
import { IncomingRows } from './incoming-rows';
import { InboxRouter } from './inbox-router';
import { InboxListeners } from './inbox-listeners';
import {
  toMeshError,
  DEFAULT_LEASE_MS,
  DEFAULT_MAX_DELIVERIES,
  deliveryClassifier,
  notParkedError,
  storedUnclaimedError,
  warnIfShadowed,
  UNCLAIMED_REPEAT_MS,
} from './inbox-rules';
import type { InboxConsumer, InboxPoller, InboxState, ParkedMessage } from './inbox-types';
import { MeshAcknowledger } from './mesh-acknowledger';
import { ProblemNotifier } from './problem-notifier';
import { PollSchedule } from './poll-schedule';
import { ReportSettler } from './report-settler';
import { headersOf } from './stored-message';

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
  /** The mailbox's lease: the right of one instance to poll and to deliver. */
  readonly #pollerLease: ReturnType<NonNullable<DurableInboxOptions['pollerLease']>>;
  readonly #stopListening: () => void;
  /** True until the leases of an earlier process have been ended, once. */
  #freshStart: boolean;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #router: InboxRouter<InboxConsumer>;
  readonly #problems = new ProblemNotifier(() => steadyTime(this.#clock));
  readonly #schedule: PollSchedule;
  readonly #rows: IncomingRows;
  readonly #leases: DeliveryLeases;
  readonly #listeners: InboxListeners;
  readonly #leaseTimer: WakeTimer;
  readonly #acknowledger: MeshAcknowledger;
  readonly #reports: ReportSettler;
  readonly #acknowledgements: AcknowledgementSettler;
  readonly #collector: InboxCollector;
  readonly #payloadQueue = new SerialQueue();
  readonly #classifyDelivery: ReturnType<typeof deliveryClassifier>;
  readonly #lanes = new Map<InboxConsumer, DeliveryLane>();
  /** Lanes of removed consumers whose last delivery is still running. */
  readonly #leaving = new Set<Promise<void>>();
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
    const { client, mailboxId, url, store, storeKey, minimumIntervalMs, clock = wakefulClock } = options;
    this.#options = options;
    this.#clock = clock;
    // With several instances, the store knows which of them have gone.
    this.#freshStart = options.freshStart && !store.isShared;
    this.#pollerLease = options.pollerLease?.((held) => this.#pollerLeaseChanged(held)) ?? SOLE_OWNER;
    this.#stopListening = store.onRemoteChange(storeKey, (change) => this.#remoteChange(change));
    this.#router = new InboxRouter(options.workflowsHandledElsewhere ?? []);
    this.#classifyDelivery = deliveryClassifier(options.businessAcknowledgementWorkflows);
    this.#schedule = new PollSchedule({
      key: `${url} ${mailboxId}`,
      minimumIntervalMs,
      clock,
      poll: () => void this.poll(),
    });
    this.#rows = new IncomingRows(store, storeKey, clock, options.onStored);
    this.#leases = new DeliveryLeases(() => steadyTime(clock));
    this.#listeners = new InboxListeners({
      router: this.#router,
      pending: this.#rows.pending,
      leases: this.#leases,
      state: () => this.state(),
    });
    this.#leaseTimer = new WakeTimer(clock, () => this.#leaseEnded());
    this.#reports = new ReportSettler(options.settleReport);
    this.#acknowledgements = new AcknowledgementSettler({ ...options, rows: this.#rows, router: this.#router });
    const shared = { rows: this.#rows, router: this.#router, problems: this.#problems, signal: this.#closing.signal };
    const mayPoll = (): boolean => this.#pollerLease.held;
    this.#acknowledger = new MeshAcknowledger({
      ...shared,
      client,
      whenSpooled: options.meshAcknowledge !== 'when-done',
      onFailed: (error) => this.#failed(toMeshError(error)),
      onIdle: () => {
        this.#listMoreWhenDone();
        this.#changed();
      },
    });
    this.#collector = new InboxCollector({
      ...shared,
      mayPoll,
      options,
      reports: this.#reports,
      acknowledgements: this.#acknowledgements,
      acknowledger: this.#acknowledger,
      onStored: () => this.#wakeLanes(),
      onProgress: (consumer, progress) => this.#listeners.downloading(consumer, progress),
    });
  }

  add(consumer: InboxConsumer): void {
    this.#router.add(consumer);
    warnIfShadowed(consumer, this.#router, this.#options.mailboxId);
    this.#lanes.set(consumer, this.#lane(consumer));
    this.#resetLanes();
    this.#problems.clearAll();
    this.#takeWanted = true;
    this.#pollerLease.start();
    if (consumer.intervalMs > 0) this.poll();
    else this.#start();
  }

  remove(consumer: InboxConsumer): void {
    this.#router.remove(consumer);
    this.#leases.release(consumer);
    const lane = this.#lanes.get(consumer);
    this.#lanes.delete(consumer);
    if (lane) {
      const leaving: Promise<void> = lane.close().finally(() => this.#leaving.delete(leaving));
      this.#leaving.add(leaving);
    }
    this.#resetLanes();
    if (this.#lanes.size > 0) {
      this.#planNext();
      if (this.#loaded) this.#wakeLanes();
    } else {
      // Without consumers this instance has nothing to list for; another one may take over.
      this.#schedule.clear();
      void this.#pollerLease.stop();
    }
  }

  retryRefused(consumer: InboxConsumer): void {
    this.#leases.retryRefused(consumer);
    if (this.#loaded) this.#wakeLanes();
  }

  poll(): { started: true } | { started: false; nextPoll: Date } {
    const nextPoll = this.#schedule.postponed();
    this.#listWanted ||= nextPoll === undefined;
    this.#takeWanted = true;
    this.#start();
    return nextPoll ? { started: false, nextPoll } : { started: true };
  }

  /**
   * Ends a message that the flow has finished: it is never delivered again, whatever MESH says. Late and repeated calls
   * are harmless. A message that the store does not know is acknowledged to MESH; only then can this throw errors of
   * MESH.
   */
  async acknowledge(messageId: string): Promise<void> {
    // The flow may finish on any instance; the one that polls counts the leases.
    if (this.#pollerLease.held) await this.#load();
    const row = await this.#rows.settle(messageId);
    if (row) {
      this.#leases.delete(messageId);
      if (row.acknowledgedAt === null) this.#acknowledger.acknowledgeLater(messageId);
    } else if (!(await this.#rows.known([messageId])).has(messageId)) {
      await this.#options.client.acknowledge(messageId, this.#closing.signal);
    }
    this.#acknowledger.wake();
    this.#listMoreWhenDone();
    this.#wakeLanes();
    this.#changed();
  }

  async *parked(): AsyncGenerator<ParkedMessage> {
    for await (const row of this.#rows.parked()) {
      const { deliveryCount, error } = row;
      if (error) yield { message: headersOf(row), error, deliveryCount };
    }
  }

  async redeliver(messageId: string): Promise<void> {
    await this.#load();
    const { maxDeliveries = DEFAULT_MAX_DELIVERIES } = this.#options;
    const row = await this.#rows.unpark(messageId, maxDeliveries);
    if (!row) {
      // A message parked during its download is still in MESH's inbox, and is downloaded again.
      if (!this.#collector.listed.retry(messageId))
        throw notParkedError(messageId, (await this.#rows.known([messageId])).get(messageId));
      this.#takeWanted = true;
      this.#start();
      return;
    }
    if (row.state === 'delivered') this.#leases.add(row, 0);
    // It sorts before what the lanes have listed.
    this.#resetLanes();
    this.#wakeLanes();
    this.#listeners.notify();
  }

  async close(): Promise<void> {
    this.#schedule.close();
    this.#leaseTimer.clear();
    this.#stopListening();
    this.#closing.abort(new AbortedError('The inbox was closed.'));
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
    await Promise.all([this.#run, this.#loading?.catch(() => undefined), this.#acknowledger.close(), ...this.#leaving]);
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
        this.#failed(toMeshError(error));
      })
      .finally(() => {
        this.#run = undefined;
        this.#planNext(hasFailed);
        this.#changed();
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
      this.#wakeLanes();
      await this.#acknowledger.retryAll();
      await this.#collector.takeListed();
      if (isList && this.#pollerLease.held) await this.#list();
    } while ((this.#takeWanted || this.#listWanted) && !this.#closed && this.#pollerLease.held);
    this.#problems.runSucceeded();
  }

  async #list(): Promise<void> {
    const follows = this.#followsList;
    this.#followsList = false;
    this.#schedule.listed();
    this.#acknowledgedBeforeList = this.#acknowledger.acknowledged;
    this.#moreInInbox = await this.#collector.list(follows);
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
    this.#scheduleLeaseEnd();
  }

  /** Takes over from another instance, or stops in its favour; requests under way here end by themselves. */
  #pollerLeaseChanged(held: boolean): void {
    this.#term += 1;
    this.#loading = undefined;
    this.#loaded = false;
    this.#leases.clear();
    this.#leaseTimer.clear();
    this.#resetLanes();
    this.#collector.refresh();
    if (held && this.#lanes.size > 0) {
      if (this.#router.consumers.some(({ intervalMs }) => intervalMs > 0)) this.poll();
      this.#takeWanted = true;
      this.#start();
    }
    this.#changed();
  }

  /** Another instance changed a message: the flow may have finished it there. */
  #remoteChange(change: RemoteChange): void {
    if (!this.#loaded || this.#closed) return;
    const check = change.kind === 'in' ? this.#checkSettled(change.messageId) : undefined;
    // A missed change is found when the lease ends, or when the lane reaches the message.
    check?.catch(() => undefined);
  }

  async #checkSettled(messageId: string): Promise<void> {
    const row = await this.#rows.get(messageId);
    if (row?.state !== 'done') return;
    this.#rows.countSettled(row);
    this.#leases.delete(messageId);
    if (row.acknowledgedAt === null) this.#acknowledger.acknowledgeLater(messageId);
    this.#acknowledger.wake();
    this.#listMoreWhenDone();
    this.#wakeLanes();
    this.#changed();
  }

  #lane(consumer: InboxConsumer): DeliveryLane {
    const { spool, maxBufferBytes, leaseMs = DEFAULT_LEASE_MS, maxDeliveries = DEFAULT_MAX_DELIVERIES } = this.#options;
    return new DeliveryLane(consumer, {
      rows: this.#rows,
      leases: this.#leases,
      problems: this.#problems,
      reports: this.#reports,
      acknowledgements: this.#acknowledgements,
      clock: this.#clock,
      payloadQueue: this.#payloadQueue,
      target: { spool, maxBufferBytes },
      leaseMs,
      maxDeliveries,
      classifyDelivery: this.#classifyDelivery,
      claims: (key, claimant) => this.#pollerLease.held && this.#router.claim(key) === claimant,
      isBeingStored: (messageId) => this.#collector.isBeingStored(messageId),
      settle: (messageId) => this.acknowledge(messageId),
      onLeaseStarted: () => this.#scheduleLeaseEnd(),
      onChange: () => this.#changed(),
    });
  }

  /** Wakes the lanes, but not before the leases are loaded. */
  #wakeLanes(): void {
    if (this.#loaded) for (const lane of this.#lanes.values()) lane.wake();
  }

  #resetLanes(): void {
    for (const lane of this.#lanes.values()) lane.reset();
  }

  #scheduleLeaseEnd(): void {
    const next = this.#leases.nextEndMs();
    if (next !== undefined && !this.#closed) this.#leaseTimer.setAtLatest(next);
  }

  #leaseEnded(): void {
    this.#scheduleLeaseEnd();
    this.#wakeLanes();
    this.#changed();
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

  #failed(error: MeshError): void {
    if (!this.#closed) this.#problems.runFailed(error, this.#router.consumers);
  }

  #planNext(hasFailed = false): void {
    this.#schedule.plan(
      this.#router.consumers.map((consumer) => consumer.intervalMs),
      hasFailed,
    );
  }

  state(): InboxState {
    const lanesAreBusy = [...this.#lanes.values()].some((lane) => lane.isBusy);
    return {
      polling: this.#run !== undefined || this.#acknowledger.isBusy || lanesAreBusy,
      leased: this.#leases.size,
      pending: this.#rows.pending.count(() => true),
      unclaimed: this.#collector.listed.unclaimed + this.#rows.pending.count((key) => !this.#router.claim(key)),
      isFull: this.#collector.isFull,
      lastPoll: this.#lastPoll && wallTimeOf(this.#clock, this.#lastPoll),
      nextPoll: this.#schedule.nextPoll,
      progress: this.#listeners.progress,
    };
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.onChange(listener);
  }

  #changed(): void {
    this.#listeners.notifySoon();
  }
}
