/** An alarm on the injectable clock. */
import type { Clock } from '../clock';

/** Rings once, at the time that it was set to last. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #waiting: AbortController | undefined;
  #time: number | undefined;

  constructor(clock: Clock, ring: () => void) {
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
