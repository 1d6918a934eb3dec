/**
 * The right to be the one sender or poller of a mailbox, among all instances that share the store: taken when nobody has
 * it, prolonged at a third of its time, lost as soon as that has not succeeded in time. The end is reckoned by this
 * machine's clocks from before the question, so that it comes here before it comes in the store, and whoever sleeps past it
 * (SIGSTOP, a suspended machine) knows when it wakes up. MESH itself has no fencing: what was begun before goes on, which is
 * why others wait before they judge it (OutboxWorker, `settleWaitMs`).
 */
import type { Role, Store } from './store';

/** How long a dead instance keeps others waiting (milliseconds). */
export const LEASE_MS = 30_000;

/** What those who need the lease ask. */
export interface Held {
  /** Whether this instance has it, now. */
  readonly held: boolean;
}

/** Of a store that nobody else has: always held. */
export const ALWAYS_HELD: Held = { held: true };

/** One lease of one mailbox. */
export class MailboxLease implements Held {
  readonly #store: Store;
  readonly #mailbox: string;
  readonly #role: Role;
  readonly #ms: number;
  readonly #changed: (held: boolean) => void;
  /** Where it ends, by both clocks: one stands still while a machine is suspended, the other may be set back. */
  #until = { wall: 0, steady: 0 };
  #told = false;
  #stopping: AbortController | undefined;
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #end: NodeJS.Timeout | undefined;

  /** `changed` is called whenever it is taken or lost. */
  constructor(store: Store, mailbox: string, role: Role, changed: (held: boolean) => void, ms: number = LEASE_MS) {
    this.#store = store;
    this.#mailbox = mailbox;
    this.#role = role;
    this.#changed = changed;
    this.#ms = ms;
  }

  get held(): boolean {
    if (!this.#store.isShared) return true;
    return Date.now() < this.#until.wall && performance.now() < this.#until.steady;
  }

  /** Tries to get it, and to keep it, until `stop`. Repeatable. */
  start(): void {
    if (!this.#store.isShared || this.#stopping) return;
    const stopping = new AbortController();
    this.#stopping = stopping;
    const stopHearing = this.#store.onRemoteChange(this.#mailbox, ({ kind }) => {
      if (kind === 'lease' || kind === 'missed') this.#wake();
    });
    this.#running = this.#running.then(() => this.#run(stopping.signal)).finally(stopHearing);
  }

  /**
   * Prolongs it no more. It is not given back: what this instance still has in hand would be another's at once. The store's
   * close does that, when there is nothing left of this process.
   */
  async stop(): Promise<void> {
    this.#stopping?.abort();
    this.#stopping = undefined;
    this.#wake();
    await this.#running;
    clearTimeout(this.#end);
  }

  async #run(stopping: AbortSignal): Promise<void> {
    while (!stopping.aborted) {
      // Woken from here on, it does not sleep at the end.
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const asked = { wall: Date.now(), steady: performance.now() };
      try {
        const granted = await this.#store.lease(this.#mailbox, this.#role, this.#ms);
        this.#until = granted
          ? { wall: asked.wall + this.#ms, steady: asked.steady + this.#ms }
          : { wall: 0, steady: 0 };
      } catch {
        // The database is away: it is ours until its end, and nobody else's.
      }
      this.#tell();
      let timer: NodeJS.Timeout | undefined;
      const slept = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, this.#ms / 3);
        timer.unref();
      });
      if (!stopping.aborted) await Promise.race([woken, slept]);
      clearTimeout(timer);
    }
  }

  /** Tells what has changed, now and when it ends. */
  #tell(): void {
    const { held } = this;
    if (held !== this.#told) {
      this.#told = held;
      this.#changed(held);
    }
    clearTimeout(this.#end);
    if (!held) return;
    const left = Math.min(this.#until.wall - Date.now(), this.#until.steady - performance.now());
    this.#end = setTimeout(() => this.#tell(), Math.max(left, 0) + 1);
    this.#end.unref();
  }
}
