/** Notifies of changes of the inbox's state: its listeners of the whole, and each consumer of its own part. */
import type { Progress } from '../types';
import type { DeliveryLeases } from './deliver/delivery-leases';
import type { InboxRouter } from './poll/inbox-router';
import { pollerState } from './inbox-rules';
import type { InboxConsumer, InboxState } from './inbox-types';
import type { PendingCounts } from './pending-counts';

interface InboxListenersParts {
  router: InboxRouter<InboxConsumer>;
  pending: PendingCounts;
  leases: DeliveryLeases;
  state: () => InboxState;
}

/** The listeners of one mailbox. */
export class InboxListeners {
  readonly #parts: InboxListenersParts;
  readonly #listeners = new Set<() => void>();
  #download: { consumer: InboxConsumer; progress: Progress } | undefined;
  #isScheduled = false;

  constructor(parts: InboxListenersParts) {
    this.#parts = parts;
  }

  /** Progress of the current download. */
  get progress(): Progress | undefined {
    return this.#download?.progress;
  }

  /** Records that a chunk of a consumer's message was received; undefined at the end of the download. */
  downloading(consumer: InboxConsumer | undefined, progress: Progress | undefined): void {
    this.#download = consumer && progress && { consumer, progress };
    if (progress) this.notifySoon();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Notifies once, at the end of this turn of the event loop, in which many messages may change. */
  notifySoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.notify();
    });
  }

  notify(): void {
    const { router, pending, leases, state } = this.#parts;
    for (const listener of this.#listeners) listener();
    const inbox = state();
    for (const consumer of router.consumers) {
      const own = {
        leased: leases.heldBy(consumer),
        pending: pending.count((key) => router.claim(key) === consumer),
        isShadowed: router.shadowing(consumer) !== undefined,
        progress: this.#download?.consumer === consumer ? this.#download.progress : undefined,
      };
      consumer.changed?.(pollerState(inbox, own));
    }
  }
}
