/** Plans the lists of one inbox, never more often than MESH allows, however often a poll is requested. */
import type { Clock } from '../clock';
import { WakeTimer } from './wake-timer';

/** When each mailbox was last listed, by its address: a deploy makes a new poller, which may not list again at once. */
const lastListed = new Map<string, number>();

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
  #closed = false;

  constructor(options: PollScheduleOptions) {
    this.#options = options;
    this.#timer = new WakeTimer(options.clock, options.poll);
  }

  /** When the inbox was last listed, by this poller or an earlier one of this process. */
  get lastListed(): number | undefined {
    return lastListed.get(this.#options.key);
  }

  get nextPoll(): number | undefined {
    return this.#timer.time;
  }

  /** Records that the inbox is listed now. */
  listed(): void {
    lastListed.set(this.#options.key, this.#options.clock.now());
  }

  /**
   * Returns undefined if the inbox may be listed now; otherwise plans a list for the first allowed time, and returns
   * it.
   */
  postponed(): Date | undefined {
    const now = this.#options.clock.now();
    // After the clock was set back, nothing would be listed until it reached its old time.
    if (this.lastListed !== undefined && this.lastListed > now) lastListed.set(this.#options.key, now);
    const allowed = (this.lastListed ?? -Infinity) + this.#options.minimumIntervalMs;
    if (now >= allowed) return undefined;
    this.#planAt(allowed);
    return new Date(allowed);
  }

  /** Plans the next list after the shortest of these intervals (milliseconds); an interval of 0 does not count. */
  plan(intervals: readonly number[]): void {
    const shortest = Math.min(...intervals.filter((interval) => interval > 0));
    if (shortest === Infinity) return;
    const interval = Math.max(shortest, this.#options.minimumIntervalMs);
    this.#planAt((this.lastListed ?? this.#options.clock.now()) + interval);
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

  #planAt(time: number): void {
    if (this.#closed) return;
    const planned = this.#timer.time;
    if (planned !== undefined && planned <= time && planned > this.#options.clock.now()) return;
    this.#timer.set(time);
  }
}
