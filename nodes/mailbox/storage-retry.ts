/** The waits between attempts to open a storage that cannot be opened for now, by the steady clock. */
import { systemClock } from '../../lib/index';

const FIRST_MS = 500;
/** A database that starts late, or a volume, is used soon after it is there. */
const LONGEST_MS = 10_000;

/** The attempts of one mailbox: 0.5, 1, 2, 4, 8, 10, 10 … seconds apart. */
export class StorageRetry {
  readonly #closing = new AbortController();
  #ms = FIRST_MS;

  /** Resolves when it is time for the next attempt, or at `close`. */
  next(): Promise<void> {
    const ms = this.#ms;
    this.#ms = Math.min(ms * 2, LONGEST_MS);
    return systemClock.sleep(ms, this.#closing.signal);
  }

  close(): void {
    this.#closing.abort();
  }
}
