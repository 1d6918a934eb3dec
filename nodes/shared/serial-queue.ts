/** One after the other, in the order of arrival. */
import { AbortedError } from '../../lib/index';

/** A mailbox has one sender (DESIGN.md, rule 3): order is kept, and MESH sees one connection at a time. */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** How many have not begun yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs `work` when all before it have ended, however they ended. Rejects at once if `signal` is aborted before. */
  async add<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const before = this.#last;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    // Whoever comes later waits for those before as well: an aborted entry must not let anyone overtake.
    this.#last = before.then(() => ended);
    this.#waiting += 1;
    try {
      await untilAborted(before, signal).finally(() => (this.#waiting -= 1));
      return await work();
    } finally {
      end();
    }
  }
}

async function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(new AbortedError('Closed before it was begun.'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([promise, aborted]);
    signal.throwIfAborted();
  } catch {
    throw new AbortedError('Closed before it was begun.');
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
