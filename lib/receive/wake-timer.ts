/** A timer on the injectable clock that calls back once, at the time it was last set to. */
import type { Clock } from '../clock';

export class WakeTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #waiting: AbortController | undefined;
  #time: number | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** When it is due (milliseconds since 1970); undefined while it is not set. */
  get time(): number | undefined {
    return this.#time;
  }

  /** Sets the time (milliseconds since 1970) in place of any earlier setting. */
  set(time: number): void {
    this.clear();
    this.#time = time;
    this.#waiting = new AbortController();
    void this.#wait(time, this.#waiting.signal);
  }

  /** Sets the time unless the timer is due before it already. */
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
    this.#onDue();
  }
}
