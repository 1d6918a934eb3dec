/** When an inbox may be listed, and when it is: as seldom as MESH asks for, whoever asks and however often. */
import type { Clock } from '../clock';
import { Alarm } from './alarm';

/** When each mailbox was last listed, by its address: a deploy makes a new poller, and may not list again at once. */
const lastListed = new Map<string, number>();

/** What a schedule needs to know. */
export interface PollScheduleOptions {
  /** Address of the mailbox: environment and mailbox id. */
  key: string;
  /** Never list more often (milliseconds). */
  minimumIntervalMs: number;
  clock: Clock;
  /** Asks for a list. */
  poll: () => void;
}

/** The schedule of one poller. */
export class PollSchedule {
  readonly #options: PollScheduleOptions;
  readonly #alarm: Alarm;
  #closed = false;

  constructor(options: PollScheduleOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, options.poll);
  }

  /** When the inbox was last listed, by this poller or one before it. */
  get lastListed(): number | undefined {
    return lastListed.get(this.#options.key);
  }

  get nextPoll(): number | undefined {
    return this.#alarm.time;
  }

  /** The inbox is being listed. */
  listed(): void {
    lastListed.set(this.#options.key, this.#options.clock.now());
  }

  /** Undefined if the inbox may be listed now; else when it may, and then it will be. */
  postponed(): Date | undefined {
    const now = this.#options.clock.now();
    // The clock was set back: without this, nothing would be listed until it is where it was.
    if (this.lastListed !== undefined && this.lastListed > now) lastListed.set(this.#options.key, now);
    const allowed = (this.lastListed ?? -Infinity) + this.#options.minimumIntervalMs;
    if (now >= allowed) return undefined;
    this.#at(allowed);
    return new Date(allowed);
  }

  /** The next list is due after the shortest of these intervals (milliseconds); 0 has no part in it. */
  plan(intervals: readonly number[]): void {
    const shortest = Math.min(...intervals.filter((interval) => interval > 0));
    if (shortest === Infinity) return;
    const interval = Math.max(shortest, this.#options.minimumIntervalMs);
    this.#at((this.lastListed ?? this.#options.clock.now()) + interval);
  }

  /** No list is planned any more. */
  clear(): void {
    this.#alarm.clear();
  }

  /** Nothing is planned from now on. */
  close(): void {
    this.#closed = true;
    this.clear();
  }

  #at(time: number): void {
    if (this.#closed) return;
    const planned = this.#alarm.time;
    if (planned !== undefined && planned <= time && planned > this.#options.clock.now()) return;
    this.#alarm.set(time);
  }
}
