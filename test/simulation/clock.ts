/** The clocks of one machine: one that people and time servers set, and one that nobody sets. */
import type { Machine } from '../../lib/clock';
import type { Life, Schedule } from './schedule';

/** When every simulation begins: a Wednesday in winter, 9:00. */
export const BEGIN = Date.UTC(2027, 0, 13, 9);

export class SimulatedClock {
  readonly #schedule: Schedule;
  /** The steady clock counts from the machine's start. */
  #startedAt = 0;
  /** The wall clock shows `#wall` at `#since`, and runs `#rate` times as fast as time. */
  #wall = BEGIN;
  #since = 0;
  #rate = 1;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** Milliseconds since 1970, as the clock was set. */
  get wall(): number {
    return this.#wall + (this.#schedule.now - this.#since) * this.#rate;
  }

  /** Milliseconds since 1970, as they are. */
  get truth(): number {
    return BEGIN + this.#schedule.now;
  }

  /** Sets the wall clock by this many milliseconds, forward or back. */
  step(ms: number): void {
    this.#set(this.wall + ms, this.#rate);
  }

  /** Makes the wall clock run faster (above 1) or slower than time. */
  drift(rate: number): void {
    this.#set(this.wall, rate);
  }

  /** Sets the wall clock right, as a time server does. */
  setRight(): void {
    this.#set(this.truth, 1);
  }

  /** The machine starts again: its steady clock begins anew. */
  restartMachine(): void {
    this.#startedAt = this.#schedule.now;
  }

  /** The clocks and timers as one process uses them (lib/clock.ts). */
  machine(life: Life): Machine {
    const schedule = this.#schedule;
    return {
      now: () => Math.floor(this.wall),
      steady: () => schedule.now - this.#startedAt + 1000,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          const end = (): void => {
            cancel();
            signal?.removeEventListener('abort', end);
            resolve();
          };
          const cancel = schedule.in(signal?.aborted ? 0 : ms, end, life);
          signal?.addEventListener('abort', end);
        }),
      after: (ms, callback) => schedule.in(ms, callback, life),
    };
  }

  #set(wall: number, rate: number): void {
    this.#wall = wall;
    this.#since = this.#schedule.now;
    this.#rate = rate;
  }
}
