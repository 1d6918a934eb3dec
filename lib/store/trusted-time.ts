/**
 * The latest time that was confirmed, for what must not trust a jump of the wall clock: retention deletes, a message is
 * closed after 31 days, a limit is overdue (docs/design.md, rule 6). Running on confirms a time, by the steady clock,
 * and so does MESH's own clock. The store keeps it, so that a start with a clock that is years ahead deletes nothing.
 */
import { steadyTime, type Clock } from '../clock';
import type { MaintenanceStore } from './roles/maintenance-store';

/** How much of what has passed is forgotten if the process is killed (milliseconds). */
export const SAVE_EVERY_MS = 10 * 60 * 1000;
/** Clocks that differ by no more agree (milliseconds). */
const AGREES_WITHIN_MS = 5 * 60 * 1000;
/** An alarm that is late is worse than one that is early: without any word from MESH it waits no longer than this. */
const DOUBT_AT_MOST_MS = 60 * 60 * 1000;

/** Times are milliseconds since 1970. */
export class TrustedTime {
  readonly #clock: Clock;
  readonly #store: MaintenanceStore | undefined;
  readonly #saved: number | undefined;
  /** The time that was confirmed last, and when that was (steady). */
  #confirmed: { time: number; at: number };
  /** MESH's clock differs from this machine's. */
  #isContradicted = false;
  /** Since when the wall clock has been ahead of what is confirmed (steady). */
  #doubtedSince: number | undefined;

  private constructor(clock: Clock, store: MaintenanceStore | undefined, saved: number | undefined) {
    this.#clock = clock;
    this.#store = store;
    this.#saved = saved;
    this.#confirmed = { time: saved ?? clock.now(), at: steadyTime(clock) };
  }

  /**
   * Continues at the time that the store has. An empty store has nothing to lose, and trusts the clock.
   * @throws what the store throws
   */
  static async open(clock: Clock, store: MaintenanceStore): Promise<TrustedTime> {
    const opened = new TrustedTime(clock, store, await store.trustedTime());
    await opened.save();
    return opened;
  }

  /** Returns the trusted time of a mailbox, which in a test has a clock of its own. */
  by(clock: Clock): TrustedTime {
    return clock === this.#clock ? this : new TrustedTime(clock, undefined, this.#saved);
  }

  /** How far the wall clock is behind the confirmed time (milliseconds): it was set back by at least that. */
  get behindMs(): number {
    return Math.max(0, this.#passed() - this.#clock.now());
  }

  /** Returns the time that is confirmed: never ahead of the wall clock. */
  now(): number {
    return Math.min(this.#clock.now(), this.#passed());
  }

  /**
   * Returns the time that alarms count by: the confirmed one; the wall clock's if MESH has said nothing about it for an
   * hour.
   */
  alarmTime(): number {
    const steady = steadyTime(this.#clock);
    const isAhead = this.#clock.now() - this.#passed() > AGREES_WITHIN_MS;
    this.#doubtedSince = isAhead ? (this.#doubtedSince ?? steady) : undefined;
    const isPatient = this.#doubtedSince === undefined || steady - this.#doubtedSince < DOUBT_AT_MOST_MS;
    return this.#isContradicted || isPatient ? this.now() : this.#clock.now();
  }

  /** Compares MESH's clock, from a response, with this machine's. */
  heardFromMesh(time: number): void {
    this.#isContradicted = Math.abs(time - this.#clock.now()) > AGREES_WITHIN_MS;
    if (this.#isContradicted) return;
    const correction = Math.abs(this.#clock.now() - this.#passed());
    this.#confirmed = { time: this.#clock.now(), at: steadyTime(this.#clock) };
    if (correction > AGREES_WITHIN_MS) this.#store?.trustTime(this.#confirmed.time, true).catch(() => undefined);
  }

  /**
   * Keeps the time for the next start.
   * @throws what the store throws
   */
  async save(): Promise<void> {
    await this.#store?.trustTime(this.#passed(), false);
  }

  /** The confirmed time and what has passed since. */
  #passed(): number {
    return Math.floor(this.#confirmed.time + steadyTime(this.#clock) - this.#confirmed.at);
  }
}
