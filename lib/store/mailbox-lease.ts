/**
 * The right to be the one sender or poller of a mailbox, among all instances that share the store: taken when no
 * instance has it, extended at a third of its time, lost as soon as that has not succeeded in time. Its end counts by
 * this machine's clocks from before the request, so that it comes here before it comes in the store, and a process that
 * sleeps past it (SIGSTOP, a suspended machine) knows when it wakes up. MESH itself has no fencing: requests begun
 * before the end go on, which is why another instance waits before it recovers them (OutboxWorker, `settleWaitMs`).
 */
import { machineNow, machineSteady } from '../clock';
import type { InstancesStore, LeaseRole } from './store';

/** How long a dead instance keeps the others waiting (milliseconds). */
export const LEASE_MS = 30_000;

/** The lease as those see it who may work only while it is held. */
export interface Held {
  /** Whether this instance has it, now. */
  readonly held: boolean;
}

/** The lease of a store with one owner: always held. */
export const ALWAYS_HELD: Held = { held: true };

/** One lease of one mailbox. */
export class MailboxLease implements Held {
  readonly #store: InstancesStore;
  readonly #mailbox: string;
  readonly #role: LeaseRole;
  readonly #ms: number;
  readonly #changed: (held: boolean) => void;
  /** Its end by both clocks: one stands still while a machine is suspended, the other may be set back. */
  #until = { wall: 0, steady: 0 };
  #reported = false;
  #stopping: AbortController | undefined;
  #wake: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #end: NodeJS.Timeout | undefined;

  /** `changed` is called whenever the lease is taken or lost. */
  constructor(
    store: InstancesStore,
    mailbox: string,
    role: LeaseRole,
    changed: (held: boolean) => void,
    ms: number = LEASE_MS,
  ) {
    this.#store = store;
    this.#mailbox = mailbox;
    this.#role = role;
    this.#changed = changed;
    this.#ms = ms;
  }

  get held(): boolean {
    if (!this.#store.isShared) return true;
    return machineNow() < this.#until.wall && machineSteady() < this.#until.steady;
  }

  /** Tries to take and keep it until `stop`. Repeatable. */
  start(): void {
    if (!this.#store.isShared || this.#stopping) return;
    const stopping = new AbortController();
    this.#stopping = stopping;
    const stopListening = this.#store.onRemoteChange(this.#mailbox, ({ kind }) => {
      if (kind === 'lease' || kind === 'missed') this.#wake();
    });
    this.#running = this.#running.then(() => this.#run(stopping.signal)).finally(stopListening);
  }

  /**
   * Stops extending it, without releasing it: another instance would at once take over the work that this one is still
   * finishing. Closing the store releases it, when nothing of this process is left.
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
      // A wake-up from here on keeps the loop from sleeping at its end.
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const requested = { wall: machineNow(), steady: machineSteady() };
      try {
        const granted = await this.#store.lease(this.#mailbox, this.#role, this.#ms);
        this.#until = granted
          ? { wall: requested.wall + this.#ms, steady: requested.steady + this.#ms }
          : { wall: 0, steady: 0 };
      } catch {
        // The database cannot be reached: the lease is held until its end, and by no other instance.
      }
      this.#report();
      let timer: NodeJS.Timeout | undefined;
      const slept = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, this.#ms / 3);
        timer.unref();
      });
      if (!stopping.aborted) await Promise.race([woken, slept]);
      clearTimeout(timer);
    }
  }

  /** Reports a change, now and when the lease ends. */
  #report(): void {
    const { held } = this;
    if (held !== this.#reported) {
      this.#reported = held;
      this.#changed(held);
    }
    clearTimeout(this.#end);
    if (!held) return;
    const left = Math.min(this.#until.wall - machineNow(), this.#until.steady - machineSteady());
    this.#end = setTimeout(() => this.#report(), Math.max(left, 0) + 1);
    this.#end.unref();
  }
}
