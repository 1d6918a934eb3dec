/**
 * The durable inbox of one mailbox (DESIGN.md, "In"): the same poller to those who use it, with its state in the store and
 * payloads in the spool. The collector fills the store from MESH, one lane for each consumer empties it into the flow, and
 * `acknowledge` ends a message. They meet in the store only, so that MESH never waits for a flow, nor a flow for MESH.
 */
import { AbortedError, type MeshError } from '../errors';
import { wakefulClock, type Clock } from '../clock';
import { ALWAYS_HELD } from '../store/mailbox-lease';
import { Alarm } from './alarm';
import { Collector } from './collector';
import { DeliveryLane } from './delivery-lane';
import type { RemoteChange } from '../store/store';
import type { DurableInboxOptions } from './durable-inbox-types';
import { AcknowledgementSettler } from './acknowledgement-settler';
import { Leases } from './leases';
import { IncomingRows } from './incoming-rows';
import { InboxRouter } from './inbox-router';
import { InboxListeners } from './inbox-listeners';
import {
  asMeshError,
  DEFAULT_LEASE_MS,
  DEFAULT_MAX_DELIVERIES,
  deliveryKinds,
  notParkedError,
  storedUnclaimedError,
  tellIfIdle,
  UNCLAIMED_AGAIN_MS,
} from './inbox-rules';
import type { InboxConsumer, InboxPoller, InboxState, ParkedMessage } from './inbox-types';
import { MeshAcknowledger } from './mesh-acknowledger';
import { Notices } from './notices';
import { PollSchedule } from './poll-schedule';
import { ReportSettler } from './report-settler';
import { headersOf } from './stored-delivery';
import { Turns } from './turns';

/** Makes a durable inbox; it begins when a consumer is added. One for each mailbox, and closed before its store is. */
export function createDurableInbox(options: DurableInboxOptions): InboxPoller {
  return new DurableInbox(options);
}

/** The lease of a store that nobody else has. */
const ONE_OWNER = { ...ALWAYS_HELD, start: () => undefined, stop: async () => undefined };

class DurableInbox implements InboxPoller {
  readonly #options: DurableInboxOptions;
  readonly #lease: ReturnType<NonNullable<DurableInboxOptions['lease']>>;
  readonly #stopHearing: () => void;
  /** What an earlier process had in flight is not freed twice. */
  #freshStart: boolean;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #router: InboxRouter<InboxConsumer>;
  readonly #notices = new Notices(() => this.#clock.now());
  readonly #schedule: PollSchedule;
  readonly #rows: IncomingRows;
  readonly #flights: Leases;
  readonly #watchers: InboxListeners;
  readonly #leases: Alarm;
  readonly #teller: MeshAcknowledger;
  readonly #reports: ReportSettler;
  readonly #answers: AcknowledgementSettler;
  readonly #collector: Collector;
  readonly #turns = new Turns();
  readonly #kindOf: ReturnType<typeof deliveryKinds>;
  readonly #lanes = new Map<InboxConsumer, DeliveryLane>();
  /** Lanes of consumers that have gone, whose last delivery is not through. */
  readonly #leaving = new Set<Promise<void>>();
  #loading: Promise<void> | undefined;
  #loaded = false;
  /** Counts the times that the lease was taken or lost. */
  #term = 0;
  #run: Promise<void> | undefined;
  #listWanted = false;
  /** A consumer has come: what was listed may be its. */
  #takeWanted = false;
  /** The last page of the inbox was full. */
  #moreInInbox = false;
  /** How many MESH had been told of before the last list. */
  #toldBefore = 0;
  /** When the inbox was listed, and everything taken, without a failure. */
  #lastPoll: number | undefined;

  constructor(options: DurableInboxOptions) {
    const { client, mailboxId, url, store, storeKey, minimumIntervalMs, clock = wakefulClock } = options;
    this.#options = options;
    this.#clock = clock;
    // Where there are other instances the store knows which of them are gone.
    this.#freshStart = options.freshStart && !store.isShared;
    this.#lease = options.lease?.((held) => this.#leaseChanged(held)) ?? ONE_OWNER;
    this.#stopHearing = store.onRemoteChange(storeKey, (change) => this.#other(change));
    this.#router = new InboxRouter(options.leftToOthers ?? []);
    this.#kindOf = deliveryKinds(options.businessAcknowledgementWorkflows);
    this.#schedule = new PollSchedule({
      key: `${url} ${mailboxId}`,
      minimumIntervalMs,
      clock,
      poll: () => void this.poll(),
    });
    this.#rows = new IncomingRows(store, storeKey, clock, options.stored);
    this.#flights = new Leases(() => clock.now());
    this.#watchers = new InboxListeners({
      router: this.#router,
      waiting: this.#rows.waiting,
      flights: this.#flights,
      state: () => this.state(),
    });
    this.#leases = new Alarm(clock, () => this.#leaseEnded());
    this.#reports = new ReportSettler(options.settleReport);
    this.#answers = new AcknowledgementSettler({ ...options, rows: this.#rows, router: this.#router });
    const shared = { rows: this.#rows, router: this.#router, notices: this.#notices, signal: this.#closing.signal };
    const mayPoll = (): boolean => this.#lease.held;
    this.#teller = new MeshAcknowledger({
      ...shared,
      client,
      whenSpooled: options.meshAcknowledge !== 'when-done',
      onFailed: (error) => this.#failed(asMeshError(error)),
      onIdle: () => {
        this.#listMore();
        this.#changed();
      },
    });
    this.#collector = new Collector({
      ...shared,
      mayPoll,
      options,
      reports: this.#reports,
      answers: this.#answers,
      teller: this.#teller,
      onStored: () => this.#wakeLanes(),
      onProgress: (consumer, progress) => this.#watchers.downloading(consumer, progress),
    });
  }

  add(consumer: InboxConsumer): void {
    this.#router.add(consumer);
    tellIfIdle(consumer, this.#router, this.#options.mailboxId);
    this.#lanes.set(consumer, this.#lane(consumer));
    this.#resetLanes();
    this.#notices.forget();
    this.#takeWanted = true;
    this.#lease.start();
    if (consumer.intervalMs > 0) this.poll();
    else this.#start();
  }

  remove(consumer: InboxConsumer): void {
    this.#router.remove(consumer);
    this.#flights.release(consumer);
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
      // Nobody is left to list for: another instance may have somebody.
      this.#schedule.clear();
      void this.#lease.stop();
    }
  }

  poll(): { started: true } | { started: false; nextPoll: Date } {
    const nextPoll = this.#schedule.postponed();
    this.#listWanted ||= nextPoll === undefined;
    this.#takeWanted = true;
    this.#start();
    return nextPoll ? { started: false, nextPoll } : { started: true };
  }

  /**
   * The flow is done with the message: from here on it is never delivered again, whatever MESH says. Late and repeated calls
   * are harmless. What the store does not know is acknowledged at MESH; only then can this throw errors of MESH.
   */
  async acknowledge(messageId: string): Promise<void> {
    // Any instance may be done with it; the one that polls counts what it has in flight.
    if (this.#lease.held) await this.#load();
    const row = await this.#rows.settle(messageId);
    if (row) {
      this.#flights.delete(messageId);
      if (row.acknowledgedAt === null) this.#teller.owe(messageId);
    } else if (!(await this.#rows.known([messageId])).has(messageId)) {
      await this.#options.client.acknowledge(messageId, this.#closing.signal);
    }
    this.#teller.wake();
    this.#listMore();
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
      // Not even the download came whole: it is in MESH's inbox, and is fetched once more.
      if (!this.#collector.listed.giveAnotherTry(messageId))
        throw notParkedError(messageId, (await this.#rows.known([messageId])).get(messageId));
      this.#takeWanted = true;
      this.#start();
      return;
    }
    if (row.state === 'delivered') this.#flights.add(row, 0);
    // It comes before what the lanes have read.
    this.#resetLanes();
    this.#wakeLanes();
    this.#watchers.tell();
  }

  async close(): Promise<void> {
    this.#schedule.close();
    this.#leases.clear();
    this.#stopHearing();
    this.#closing.abort(new AbortedError('The inbox was closed.'));
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close()));
    await Promise.all([this.#run, this.#loading?.catch(() => undefined), this.#teller.close(), ...this.#leaving]);
    await this.#lease.stop();
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** One at a time: assurance asks for one thread for each mailbox (DOMAIN.md 1.13). */
  #start(): void {
    if (this.#run || this.#closed || !this.#lease.held) return;
    this.#run = this.#work()
      .catch((error: unknown) => this.#failed(asMeshError(error)))
      .finally(() => {
        this.#run = undefined;
        this.#planNext();
        this.#changed();
        // Asked for while the last steps ran.
        if (this.#listWanted || this.#takeWanted) this.#start();
      });
    // At once: who has asked for it sees that it polls.
    this.#watchers.tell();
  }

  async #work(): Promise<void> {
    do {
      const listing = this.#listWanted;
      // Before anything can fail: a run that failed is not begun again at once.
      this.#listWanted = false;
      this.#takeWanted = false;
      await this.#load();
      for (const messageId of await this.#rows.freeLost()) this.#flights.free(messageId);
      this.#raiseUnclaimed();
      // What is stored does not wait for MESH.
      this.#wakeLanes();
      await this.#teller.tellOwed();
      await this.#collector.takeListed();
      if (listing && this.#lease.held) await this.#list();
    } while ((this.#takeWanted || this.#listWanted) && !this.#closed && this.#lease.held);
    this.#notices.wentWell();
  }

  async #list(): Promise<void> {
    this.#schedule.listed();
    this.#toldBefore = this.#teller.told;
    this.#moreInInbox = await this.#collector.list();
    this.#lastPoll = this.#schedule.lastListed;
    // What MESH was told of has made room for more; without that, the same page would come for ever.
    const isEmptying = this.#moreInInbox && this.#teller.told > this.#toldBefore;
    if (isEmptying && this.#teller.whenSpooled) this.#listWanted = true;
  }

  /** What the store holds from before: counted, its leases taken over or ended, and what MESH was not told remembered. */
  #load(): Promise<void> {
    this.#loading ??= this.#loadAll().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #loadAll(): Promise<void> {
    const { instance = null } = this.#options;
    const freshStart = this.#freshStart;
    const term = this.#term;
    await this.#rows.count();
    for await (const row of this.#rows.all(['delivered'])) {
      this.#flights.add(row, freshStart ? 0 : (row.leaseUntil ?? 0));
      if (freshStart) await this.#rows.free(row.messageId);
    }
    // Also what is done and was told, if a kill came between the telling and our commit: MESH does not list it any more.
    for await (const row of this.#rows.untold()) {
      if (row.instance !== instance) continue;
      if (this.#teller.whenSpooled || row.state === 'done') this.#teller.owe(row.messageId);
    }
    // The lease was lost meanwhile.
    if (term !== this.#term) return;
    this.#freshStart = false;
    this.#loaded = true;
    this.#planLeases();
  }

  /** Begins where another instance has stopped, or leaves everything to it; what is under way here ends by itself. */
  #leaseChanged(held: boolean): void {
    this.#term += 1;
    this.#loading = undefined;
    this.#loaded = false;
    this.#flights.clear();
    this.#leases.clear();
    this.#resetLanes();
    this.#collector.lookAgain();
    if (held && this.#lanes.size > 0) {
      if (this.#router.consumers.some(({ intervalMs }) => intervalMs > 0)) this.poll();
      this.#takeWanted = true;
      this.#start();
    }
    this.#changed();
  }

  /** The flow was done with a message on another instance. */
  #other(change: RemoteChange): void {
    if (!this.#loaded || this.#closed) return;
    const look = change.kind === 'in' ? this.#doneElsewhere(change.messageId) : undefined;
    // What is not heard is found when a lease ends, or when the lane comes to it.
    look?.catch(() => undefined);
  }

  async #doneElsewhere(messageId: string): Promise<void> {
    const row = await this.#rows.get(messageId);
    if (row?.state !== 'done') return;
    this.#rows.settledElsewhere(row);
    this.#flights.delete(messageId);
    if (row.acknowledgedAt === null) this.#teller.owe(messageId);
    this.#teller.wake();
    this.#listMore();
    this.#wakeLanes();
    this.#changed();
  }

  #lane(consumer: InboxConsumer): DeliveryLane {
    const { spool, maxBufferBytes, leaseMs = DEFAULT_LEASE_MS, maxDeliveries = DEFAULT_MAX_DELIVERIES } = this.#options;
    return new DeliveryLane(consumer, {
      rows: this.#rows,
      flights: this.#flights,
      notices: this.#notices,
      reports: this.#reports,
      answers: this.#answers,
      clock: this.#clock,
      turns: this.#turns,
      target: { spool, maxBufferBytes },
      leaseMs,
      maxDeliveries,
      kindOf: this.#kindOf,
      claims: (routed, one) => this.#lease.held && this.#router.claim(routed) === one,
      isUnderWay: (messageId) => this.#collector.isUnderWay(messageId),
      settle: (messageId) => this.acknowledge(messageId),
      onLease: () => this.#planLeases(),
      onChange: () => this.#changed(),
    });
  }

  /** Not before it is known what is in flight. */
  #wakeLanes(): void {
    if (this.#loaded) for (const lane of this.#lanes.values()) lane.wake();
  }

  #resetLanes(): void {
    for (const lane of this.#lanes.values()) lane.reset();
  }

  #planLeases(): void {
    const next = this.#flights.nextEnd();
    if (next !== undefined && !this.#closed) this.#leases.setAtLatest(next);
  }

  #leaseEnded(): void {
    this.#planLeases();
    this.#wakeLanes();
    this.#changed();
  }

  /** The last page was full, and all that it had is done: there may be more. */
  #listMore(): void {
    if (!this.#moreInInbox || this.#teller.isBusy || this.#flights.size > 0) return;
    if (this.#teller.told === this.#toldBefore) return;
    if (this.#rows.waiting.count(() => true) > 0) return;
    this.#moreInInbox = false;
    this.#listWanted = true;
    this.#start();
  }

  /** Stored for a consumer that is not there any more: kept, and told. */
  #raiseUnclaimed(): void {
    const { consumers } = this.#router;
    for (const routed of this.#rows.waiting.workflows()) {
      if (consumers.length === 0 || this.#router.claim(routed)) continue;
      const error = storedUnclaimedError(routed, this.#options.mailboxId);
      const key = `unclaimed ${routed.workflowId}`;
      this.#notices.raise(key, error, consumers.slice(0, 1), undefined, UNCLAIMED_AGAIN_MS);
    }
  }

  #failed(error: MeshError): void {
    if (!this.#closed) this.#notices.failed(error, this.#router.consumers);
  }

  #planNext(): void {
    this.#schedule.plan(this.#router.consumers.map((consumer) => consumer.intervalMs));
  }

  state(): InboxState {
    const lanesAreBusy = [...this.#lanes.values()].some((lane) => lane.isBusy);
    return {
      polling: this.#run !== undefined || this.#teller.isBusy || lanesAreBusy,
      inFlight: this.#flights.size,
      waiting: this.#rows.waiting.count(() => true),
      unclaimed: this.#collector.listed.unclaimed + this.#rows.waiting.count((each) => !this.#router.claim(each)),
      lastPoll: this.#lastPoll,
      nextPoll: this.#schedule.nextPoll,
      progress: this.#watchers.progress,
    };
  }

  onChange(listener: () => void): () => void {
    return this.#watchers.onChange(listener);
  }

  #changed(): void {
    this.#watchers.changed();
  }
}
