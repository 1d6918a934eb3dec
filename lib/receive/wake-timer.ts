/** A timer on the injectable clock that calls back once, after the wait that was last set. */
import { momentAfter, steadyTime, wallTimeOf, type Clock, type Moment } from '../clock';

export class WakeTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #waiting: AbortController | undefined;
  #due: Moment | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** When it is due, by the wall clock as it is set now (milliseconds since 1970); undefined while it is not set. */
  get time(): number | undefined {
    return this.#due && wallTimeOf(this.#clock, this.#due);
  }

  /** How long it still waits (milliseconds of the steady clock; 0 or less: due); undefined while it is not set. */
  get leftMs(): number | undefined {
    return this.#due && this.#due.steady - steadyTime(this.#clock);
  }

  /** Waits `ms` from now, in place of any earlier setting. */
  set(ms: number): void {
    this.clear();
    this.#due = momentAfter(this.#clock, ms);
    this.#waiting = new AbortController();
    void this.#wait(this.#due.steady, this.#waiting.signal);
  }

  /** Waits `ms` from now unless the timer is due before that already. */
  setAtLatest(ms: number): void {
    if (this.leftMs === undefined || this.leftMs > ms) this.set(ms);
  }

  clear(): void {
    // Without a reason it would make an error with its stack, for every message.
    this.#waiting?.abort('cleared');
    this.#waiting = undefined;
    this.#due = undefined;
  }

  async #wait(due: number, cleared: AbortSignal): Promise<void> {
    do await this.#clock.sleep(due - steadyTime(this.#clock), cleared);
    while (!cleared.aborted && steadyTime(this.#clock) < due);
    if (cleared.aborted) return;
    this.clear();
    this.#onDue();
  }
}
