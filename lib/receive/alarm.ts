/** Time for those who poll and lease: injectable, so that tests can run hours in milliseconds. */
import { setTimeout as delay } from 'node:timers/promises';

/** As the Clock of the outbox. */
export interface InboxClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. May be early. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Longer than this setTimeout cannot wait (milliseconds). */
const LONGEST_SLEEP_MS = 60 * 60 * 1000;

/** The machine's clock. A process stays alive while it waits. */
export const machineClock: InboxClock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    delay(Math.max(0, Math.min(ms, LONGEST_SLEEP_MS)), undefined, { signal }).catch(() => undefined),
};

/** Rings once, at the time that it was set to last. */
export class Alarm {
  readonly #clock: InboxClock;
  readonly #ring: () => void;
  #waiting: AbortController | undefined;
  #time: number | undefined;

  constructor(clock: InboxClock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** When it rings (milliseconds since 1970); undefined while it is not set. */
  get time(): number | undefined {
    return this.#time;
  }

  /** Sets it, whatever it was set to before. */
  set(time: number): void {
    this.clear();
    this.#time = time;
    this.#waiting = new AbortController();
    void this.#wait(time, this.#waiting.signal);
  }

  /** Sets it unless it rings before that anyway. */
  setAtLatest(time: number): void {
    if (this.#time === undefined || this.#time > time) this.set(time);
  }

  clear(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
    this.#time = undefined;
  }

  async #wait(time: number, cleared: AbortSignal): Promise<void> {
    do await this.#clock.sleep(time - this.#clock.now(), cleared);
    while (!cleared.aborted && this.#clock.now() < time);
    if (cleared.aborted) return;
    this.clear();
    this.#ring();
  }
}
