/**
 * Notices when the wall clock is set, by a person, NTP or a suspended machine: once a second it is compared with the
 * steady clock. Waits need no notice (they are steady); plans that stand in the store as wall times do, and so do
 * people (docs/design.md, rule 6).
 */
import { every, momentAfter, stepSince, type Clock, type Moment } from './clock';

const LOOK_EVERY_MS = 1000;

/** The wall clock was set. */
export interface ClockStep {
  /** By how much (milliseconds); negative: back. */
  readonly ms: number;
  readonly at: Moment;
}

/** The steps of one clock, noticed while somebody listens. */
export class ClockSteps {
  static readonly #all = new WeakMap<Clock, ClockSteps>();
  readonly #clock: Clock;
  readonly #listeners = new Set<(step: ClockStep) => void>();
  #last: ClockStep | undefined;
  /** The moment of the last look: a slow drift adds up to nothing. */
  #looked: Moment;
  #stop: (() => void) | undefined;

  private constructor(clock: Clock) {
    this.#clock = clock;
    this.#looked = momentAfter(clock);
  }

  /** Returns the steps of a clock: all its listeners share one watcher. */
  static of(clock: Clock): ClockSteps {
    const known = this.#all.get(clock) ?? new ClockSteps(clock);
    this.#all.set(clock, known);
    return known;
  }

  /** The last step; undefined if none was noticed. */
  get last(): ClockStep | undefined {
    this.#look();
    return this.#last;
  }

  /** Calls `listener` for each step. Returns a function that ends this. */
  onStep(listener: (step: ClockStep) => void): () => void {
    this.#look();
    this.#listeners.add(listener);
    this.#stop ??= every(LOOK_EVERY_MS, () => this.#look());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#stop?.();
      this.#stop = undefined;
    };
  }

  /** Records a step that happened while no process ran. */
  record(ms: number): void {
    this.#last = { ms, at: momentAfter(this.#clock) };
    for (const listener of this.#listeners) listener(this.#last);
  }

  /** Forgets the steps so far. For a test harness that has put the process back on the machine's time. */
  forget(): void {
    this.#last = undefined;
    this.#looked = momentAfter(this.#clock);
  }

  #look(): void {
    const ms = stepSince(this.#clock, this.#looked);
    this.#looked = momentAfter(this.#clock);
    if (ms !== 0) this.record(ms);
  }
}
