/** The sandbox's clock. */
import { ConfigurationError } from '../errors';
import type { SandboxClockControl } from './types';

/** A clock that runs like the real one, at an offset that tests choose. */
export class SandboxClock implements SandboxClockControl {
  #offsetMs = 0;
  readonly #onMove: () => void;

  /** Calls `onMove` after every set and advance. */
  constructor(onMove: () => void) {
    this.#onMove = onMove;
  }

  now(): Date {
    return new Date(this.ms());
  }

  /** Returns the time as milliseconds since 1970. */
  ms(): number {
    return Date.now() + this.#offsetMs;
  }

  set(time: Date): void {
    if (Number.isNaN(time.getTime())) throw new ConfigurationError('The time for the sandbox’s clock is not valid.');
    this.#move(time.getTime() - Date.now());
  }

  advance(ms: number): void {
    this.#move(this.#offsetMs + ms);
  }

  pass(ms: number): void {
    const before = this.#offsetMs;
    this.#move(before + ms);
    this.#offsetMs = before;
  }

  #move(offsetMs: number): void {
    if (Number.isNaN(new Date(Date.now() + offsetMs).getTime())) {
      throw new ConfigurationError('The sandbox’s clock cannot be moved there.');
    }
    this.#offsetMs = offsetMs;
    this.#onMove();
  }
}
