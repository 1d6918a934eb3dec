/** The waits between attempts to open a storage that cannot be opened for now, by the steady clock. */
import { after } from '../../lib/clock';

const FIRST_MS = 500;
/** A database that starts late, or a volume, is used soon after it is there. */
const LONGEST_MS = 10_000;

/** The attempts of one mailbox: 0.5, 1, 2, 4, 8, 10, 10 … seconds apart. */
export class StorageRetry {
  #ms = FIRST_MS;
  #cancel = (): void => undefined;

  /** Resolves when it is time for the next attempt; never after `close`. */
  next(): Promise<void> {
    const ms = this.#ms;
    this.#ms = Math.min(ms * 2, LONGEST_MS);
    return new Promise((resolve) => {
      this.#cancel = after(ms, resolve);
    });
  }

  close(): void {
    this.#cancel();
  }
}
