/** Who is told how the inbox stands: those who listen, and each consumer of its own part. */
import type { Progress } from '../types';
import type { Leases } from './leases';
import type { InboxRouter } from './inbox-router';
import { pollerState } from './inbox-rules';
import type { InboxConsumer, InboxState } from './inbox-types';
import type { Waiting } from './waiting';

/** What it needs. */
export interface InboxListenersParts {
  router: InboxRouter<InboxConsumer>;
  waiting: Waiting;
  flights: Leases;
  state: () => InboxState;
}

/** The watchers of one mailbox. */
export class InboxListeners {
  readonly #parts: InboxListenersParts;
  readonly #listeners = new Set<() => void>();
  #progress: { consumer: InboxConsumer; progress: Progress } | undefined;
  #isDue = false;

  constructor(parts: InboxListenersParts) {
    this.#parts = parts;
  }

  /** Of the download under way. */
  get progress(): Progress | undefined {
    return this.#progress?.progress;
  }

  /** A chunk of a consumer's message has come; undefined at the end of the download. */
  downloading(consumer: InboxConsumer | undefined, progress: Progress | undefined): void {
    this.#progress = consumer && progress && { consumer, progress };
    if (progress) this.changed();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells at the end of this turn of the event loop: much happens to many messages in one. */
  changed(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.tell();
    });
  }

  /** Tells now. */
  tell(): void {
    const { router, waiting, flights, state } = this.#parts;
    for (const listener of this.#listeners) listener();
    const whole = state();
    for (const consumer of router.consumers) {
      const mine = {
        inFlight: flights.of(consumer),
        waiting: waiting.count((routed) => router.claim(routed) === consumer),
        progress: this.#progress?.consumer === consumer ? this.#progress.progress : undefined,
      };
      consumer.changed?.(pollerState(whole, mine));
    }
  }
}
