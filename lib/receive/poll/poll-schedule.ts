/**
 * Plans the lists of one inbox, never more often than MESH allows, however often a poll is requested. Intervals are
 * measured by the steady clock: a wall clock that is set, for summer time or by mistake, neither stops the polling nor
 * makes it more frequent.
 */
import { momentAfter, steadyTime, type Clock, type Moment } from '../../clock';
import { WakeTimer } from '../wake-timer';

/**
 * When each mailbox was last listed, by clock and address: a deploy makes a new poller, which may not list again at
 * once.
 */
const lastListed = new WeakMap<Clock, Map<string, Moment>>();

interface PollScheduleOptions {
  /** Address of the mailbox: environment and mailbox id. */
  key: string;
  /** Minimum interval between lists (milliseconds). */
  minimumIntervalMs: number;
  clock: Clock;
  /** Called when a planned list is due. */
  poll: () => void;
}

/** The schedule of one poller. */
export class PollSchedule {
  readonly #options: PollScheduleOptions;
  readonly #timer: WakeTimer;
  readonly #listed: Map<string, Moment>;
  #closed = false;

  constructor(options: PollScheduleOptions) {
    this.#options = options;
    this.#timer = new WakeTimer(options.clock, options.poll);
    this.#listed = lastListed.get(options.clock) ?? new Map<string, Moment>();
    lastListed.set(options.clock, this.#listed);
  }

  /** When the inbox was last listed, by this poller or an earlier one of this process. */
  get lastListed(): Moment | undefined {
    return this.#listed.get(this.#options.key);
  }

  /** When the next list is planned (milliseconds since 1970, by the wall clock as it is set now). */
  get nextPoll(): number | undefined {
    return this.#timer.time;
  }

  /** Records that the inbox is listed now. */
  listed(): void {
    this.#listed.set(this.#options.key, momentAfter(this.#options.clock));
  }

  /**
   * Returns undefined if the inbox may be listed now; otherwise plans a list for the first allowed time, and returns
   * it.
   */
  postponed(): Date | undefined {
    const leftMs = this.#leftOf(this.#options.minimumIntervalMs);
    if (leftMs <= 0) return undefined;
    this.#planAfter(leftMs);
    return new Date(this.#options.clock.now() + leftMs);
  }

  /**
   * Plans the next list after the shortest of these intervals (milliseconds); an interval of 0 does not count. A run
   * that failed before its list, e.g. on a full disk, waits for a whole interval: at once, it would fail again, without
   * end.
   */
  plan(intervals: readonly number[], hasFailed = false): void {
    const shortest = Math.min(...intervals.filter((interval) => interval > 0));
    if (shortest === Infinity) return;
    const interval = Math.max(shortest, this.#options.minimumIntervalMs);
    const leftMs = this.lastListed ? this.#leftOf(interval) : interval;
    this.#planAfter(hasFailed && leftMs <= 0 ? interval : leftMs);
  }

  /** Cancels the planned list. */
  clear(): void {
    this.#timer.clear();
  }

  /** Cancels the planned list, and plans no other. */
  close(): void {
    this.#closed = true;
    this.clear();
  }

  /** Returns how much of an interval since the last list is left (milliseconds; 0 or less: it is over). */
  #leftOf(interval: number): number {
    const last = this.lastListed;
    return last === undefined ? 0 : Math.min(interval, last.steady + interval - steadyTime(this.#options.clock));
  }

  #planAfter(ms: number): void {
    if (this.#closed) return;
    const planned = this.#timer.leftMs;
    if (planned !== undefined && planned <= ms && planned > 0) return;
    this.#timer.set(ms);
  }
}
