/**
 * One poller for each mailbox, shared by all who want something from its inbox. It lists as seldom as MESH asks for, never
 * has a message twice in flight, and says so where a message would expire in silence.
 *
 * Until the store exists, its memory is this process: after a restart, what was not acknowledged is listed and delivered
 * again.
 */
import { ConfigurationError, DownloadError, GoneError, InvalidMessageError, MeshError, NotFoundError } from '../errors';
import type { Mailbox } from '../mailbox';
import { workflowsMatcher, type WorkflowMatcher } from '../protocol/workflow-filter';
import type { MessageHeaders, Progress, ReceivedMessage } from '../types';
import { InboxBook, type Entry } from './inbox-book';
import { InboxRouter } from './inbox-router';
import type { Delivery, InboxConsumer, InboxPoller, InboxPollerOptions } from './inbox-types';

const MINUTE = 60_000;
/** Version 1 has no links: a full page means that there may be more (list_messages). */
const FULL_PAGE = 500;
/** When each mailbox was last listed, by its address: a deploy makes a new poller, and may not list again at once. */
const lastListed = new Map<string, number>();

/** Makes a poller; it lists for the first time when a consumer with an interval is added. */
export function createInboxPoller(options: InboxPollerOptions): InboxPoller {
  return new Poller(options);
}

class Poller implements InboxPoller {
  readonly #mailbox: Mailbox;
  readonly #minimumIntervalMs: number;
  readonly #leaseMs: number;
  readonly #maxDeliveries: number;
  readonly #isBusinessAcknowledgement: WorkflowMatcher;
  readonly #router: InboxRouter<InboxConsumer>;
  readonly #key: string;
  readonly #book = new InboxBook();
  readonly #raised = new Set<string>();
  #run: Promise<void> | undefined;
  #listWanted = false;
  #moreInInbox = false;
  /** When the inbox was listed, and drained as far as it could be, without a failure. */
  #lastPoll: number | undefined;
  /** The code of what keeps failing: it is told once, until something else fails or all is well again. */
  #failing: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextPoll: number | undefined;
  #progress: { consumer: InboxConsumer; progress: Progress } | undefined;
  #closed = false;

  constructor(options: InboxPollerOptions) {
    this.#mailbox = options.mailbox;
    this.#minimumIntervalMs = options.minimumIntervalMs;
    this.#leaseMs = options.leaseMs ?? 60 * MINUTE;
    this.#maxDeliveries = options.maxDeliveries ?? 5;
    this.#isBusinessAcknowledgement = workflowsMatcher(options.businessAcknowledgementWorkflows ?? ['*_ACK']);
    this.#router = new InboxRouter(options.leftToOthers ?? []);
    this.#key = `${options.mailbox.url} ${options.mailbox.mailboxId}`;
  }

  add(consumer: InboxConsumer): void {
    this.#router.add(consumer);
    if (this.#router.fallback !== consumer && consumer.workflows.every((pattern) => pattern.trim() === '')) {
      consumer.failed(
        new ConfigurationError('Another node takes everything from this mailbox, so this one will get nothing.', {
          mailboxId: this.#mailbox.mailboxId,
          advice: 'Give at least one of the two a workflow filter, or remove one.',
        }),
      );
    }
    this.#book.routeAgain();
    this.#raised.clear();
    if (consumer.intervalMs > 0) this.poll();
    else this.#start();
  }

  remove(consumer: InboxConsumer): void {
    this.#router.remove(consumer);
    this.#book.release(consumer);
    if (this.#router.consumers.length > 0) {
      this.#schedule();
    } else {
      // Nobody is left to list for.
      clearTimeout(this.#timer);
      this.#nextPoll = undefined;
    }
  }

  poll(): { started: true } | { started: false; nextPoll: Date } {
    const allowed = (lastListed.get(this.#key) ?? -Infinity) + this.#minimumIntervalMs;
    if (Date.now() < allowed) {
      this.#scheduleAt(allowed);
      this.#start();
      return { started: false, nextPoll: new Date(allowed) };
    }
    this.#listWanted = true;
    this.#start();
    return { started: true };
  }

  async acknowledge(messageId: string): Promise<void> {
    const entry = this.#book.get(messageId);
    if (entry) this.#book.move(entry, 'acknowledging');
    try {
      await this.#mailbox.acknowledge(messageId);
    } catch (error) {
      // Gone from MESH: there is nothing left to tell it.
      if (isGone(error)) this.#book.acknowledged(messageId);
      throw error;
    }
    this.#book.acknowledged(messageId);
    if (this.#moreInInbox && this.#book.size === 0) this.#listWanted = true;
    this.#start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#book.close();
    await this.#run;
  }

  /** One at a time: assurance asks for one thread for each mailbox (DOMAIN.md 1.13). */
  #start(): void {
    if (this.#run || this.#closed) return;
    this.#run = this.#work()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#run = undefined;
        this.#progress = undefined;
        this.#schedule();
        this.#changed();
        // Asked for while the last steps ran.
        if (this.#listWanted) this.#start();
      });
    this.#changed();
  }

  async #work(): Promise<void> {
    await this.#acknowledgeAgain(this.#book.unacknowledged());
    do {
      const listing = this.#listWanted;
      this.#listWanted = false;
      if (listing) await this.#list();
      await this.#drain();
      if (listing) this.#lastPoll = lastListed.get(this.#key);
      this.#failing = undefined;
    } while (this.#listWanted && !this.#closed);
  }

  async #list(): Promise<void> {
    lastListed.set(this.#key, Date.now());
    const listed = new Set<string>();
    let continueFrom: string | undefined;
    let lastPage = 0;
    do {
      const page = await this.#mailbox.listInbox(continueFrom === undefined ? {} : { continueFrom });
      for (const messageId of page.messageIds) listed.add(messageId);
      // A server that gives the same place again would have us here for ever.
      continueFrom = page.continueFrom === continueFrom ? undefined : page.continueFrom;
      lastPage = page.messageIds.length;
    } while (continueFrom !== undefined && !this.#closed);
    this.#moreInInbox = lastPage >= FULL_PAGE;
    // Acknowledged already, and listed all the same: MESH was told, or is told again.
    await this.#acknowledgeAgain(this.#book.listed(listed));
  }

  /** Downloads and delivers what waits, in the order of the inbox, as far as the consumers take more. */
  async #drain(): Promise<void> {
    while (!this.#closed) {
      const next = this.#book.next(this.#router.consumers);
      if (next) {
        await this.#deliver(next.entry, next.consumer);
        continue;
      }
      const unrouted = this.#router.consumers.length > 0 ? this.#book.nextUnrouted() : undefined;
      if (!unrouted) return;
      await this.#route(unrouted);
    }
  }

  async #route(entry: Entry): Promise<void> {
    if (!this.#router.splits && this.#router.fallback) {
      this.#book.assign(entry, this.#router.fallback);
      return;
    }
    try {
      entry.message ??= await this.#mailbox.head(entry.messageId);
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#book.delete(entry);
      return;
    }
    const route = this.#router.route(entry.message);
    if (route === 'others') this.#book.move(entry, 'left');
    else if (route === 'nobody') this.#unclaimed(entry, entry.message);
    else this.#book.assign(entry, route.to);
  }

  #unclaimed(entry: Entry, message: MessageHeaders): void {
    this.#book.move(entry, 'unclaimed');
    const { messageId } = entry;
    const error = new ConfigurationError(
      `Message ${messageId} of workflow ${message.workflowId} is in the inbox and no node takes this workflow. It would expire after five days.`,
      {
        mailboxId: this.#mailbox.mailboxId,
        messageId,
        advice: 'Add the workflow to a mesh-poll node, or to the workflows that are left to another system.',
      },
    );
    this.#raise(`unclaimed ${message.workflowId}`, error, this.#router.consumers.slice(0, 1), messageId);
  }

  async #deliver(entry: Entry, consumer: InboxConsumer): Promise<void> {
    this.#book.move(entry, 'in-flight');
    this.#changed();
    let received: ReceivedMessage;
    try {
      received = await this.#mailbox.receive(entry.messageId, {
        ...(consumer.folder === undefined ? {} : { folder: consumer.folder }),
        onProgress: (progress) => {
          this.#progress = { consumer, progress };
          this.#changed();
        },
      });
    } catch (error) {
      if (this.#isThere(consumer)) this.#downloadFailed(entry, consumer, error);
      else this.#book.move(entry, 'waiting');
      return;
    } finally {
      this.#progress = undefined;
    }
    if (!this.#isThere(consumer)) {
      this.#book.move(entry, 'waiting');
      return;
    }
    await this.#handOver(entry, consumer, received);
    // The flow may have acknowledged it while deliver() ran.
    if (entry.state !== 'in-flight') return;
    if (consumer.acknowledge === 'after-delivery' && !entry.refused) {
      await this.acknowledge(entry.messageId);
      return;
    }
    entry.lease = setTimeout(() => this.#leaseEnded(entry), this.#leaseMs);
    entry.lease.unref();
  }

  /** False for one that was removed while a message was downloaded for it. */
  #isThere(consumer: InboxConsumer): boolean {
    return this.#router.consumers.includes(consumer);
  }

  async #handOver(entry: Entry, consumer: InboxConsumer, received: ReceivedMessage): Promise<void> {
    entry.message = received.message;
    entry.deliveries += 1;
    entry.refused = false;
    try {
      await consumer.deliver({ received, kind: this.#kindOf(received.message), deliveryCount: entry.deliveries });
    } catch (thrown) {
      const error = asMeshError(thrown, entry.messageId);
      entry.refused = true;
      if (error.retry === 'never') this.#park(entry, consumer, error);
      else consumer.failed(error, entry.messageId);
    }
    this.#changed();
  }

  #downloadFailed(entry: Entry, consumer: InboxConsumer, thrown: unknown): void {
    const error = asMeshError(thrown, entry.messageId);
    if (isGone(error)) {
      this.#book.delete(entry);
      consumer.failed(error, entry.messageId);
      return;
    }
    // MESH is away, or the disk is full: not this message's fault, and the next one would fare no better.
    if (error.retry !== 'never' && !(error instanceof DownloadError)) {
      this.#book.move(entry, 'waiting');
      throw error;
    }
    entry.failures += 1;
    if (error.retry === 'never' || entry.failures >= this.#maxDeliveries) {
      this.#park(entry, consumer, error);
      return;
    }
    this.#book.move(entry, 'failed');
    this.#raise(`download ${entry.messageId}`, error, [consumer], entry.messageId);
  }

  #leaseEnded(entry: Entry): void {
    if (entry.state !== 'in-flight') return;
    if (entry.deliveries >= this.#maxDeliveries && entry.consumer) this.#park(entry, entry.consumer, undefined);
    else this.#book.move(entry, 'waiting');
    this.#start();
  }

  #park(entry: Entry, consumer: InboxConsumer, error: MeshError | undefined): void {
    this.#book.move(entry, 'parked');
    consumer.parked({ ...entry.message, messageId: entry.messageId }, error, entry.deliveries);
  }

  /** Tells MESH what the flow is done with. Where that fails, it waits for the next poll: the inbox is listed all the same. */
  async #acknowledgeAgain(messageIds: readonly string[]): Promise<void> {
    for (const messageId of messageIds) {
      try {
        await this.#mailbox.acknowledge(messageId);
      } catch (error) {
        if (!isGone(error)) {
          if (!this.#closed) this.#raise('acknowledge', asMeshError(error), this.#router.consumers, messageId);
          return;
        }
      }
      this.#book.acknowledged(messageId);
      this.#raised.delete('acknowledge');
    }
  }

  #kindOf(message: MessageHeaders): Delivery['kind'] {
    if (message.messageType === 'REPORT') return 'report';
    return this.#isBusinessAcknowledgement(message.workflowId) ? 'business-acknowledgement' : 'data';
  }

  #failed(thrown: unknown): void {
    const error = asMeshError(thrown);
    const isNews = this.#failing !== error.code;
    this.#failing = error.code;
    if (isNews && !this.#closed) for (const consumer of this.#router.consumers) consumer.failed(error);
  }

  #raise(cause: string, error: MeshError, consumers: InboxConsumer[], messageId?: string): void {
    if (this.#raised.has(cause)) return;
    this.#raised.add(cause);
    for (const consumer of consumers) consumer.failed(error, messageId);
  }

  #schedule(): void {
    const intervals = this.#router.consumers.map((consumer) => consumer.intervalMs).filter((interval) => interval > 0);
    if (intervals.length === 0) return;
    const interval = Math.max(Math.min(...intervals), this.#minimumIntervalMs);
    this.#scheduleAt((lastListed.get(this.#key) ?? Date.now()) + interval);
  }

  #scheduleAt(time: number): void {
    if (this.#closed) return;
    if (this.#nextPoll !== undefined && this.#nextPoll <= time && this.#nextPoll > Date.now()) return;
    clearTimeout(this.#timer);
    this.#nextPoll = time;
    this.#timer = setTimeout(
      () => {
        this.#nextPoll = undefined;
        this.poll();
      },
      Math.max(0, time - Date.now()),
    );
  }

  #changed(): void {
    const last = this.#lastPoll;
    for (const consumer of this.#router.consumers) {
      consumer.changed?.({
        polling: this.#run !== undefined,
        ...this.#book.counts(consumer),
        ...(last === undefined ? {} : { lastPoll: new Date(last).toISOString() }),
        ...(this.#nextPoll === undefined ? {} : { nextPoll: new Date(this.#nextPoll).toISOString() }),
        ...(this.#progress?.consumer === consumer ? { progress: this.#progress.progress } : {}),
      });
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof NotFoundError || error instanceof GoneError;
}

function asMeshError(error: unknown, messageId?: string): MeshError {
  if (error instanceof MeshError) return error;
  return new InvalidMessageError('The message could not be handed over: the code that takes it failed.', {
    cause: error,
    ...(messageId ? { messageId } : {}),
  });
}
