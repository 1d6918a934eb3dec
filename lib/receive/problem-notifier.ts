/**
 * Notifies consumers of a problem once for each cause, not once for each attempt; of none once the inbox is closing, which
 * ends requests that are under way.
 */
import type { MeshError } from '../errors';
import type { InboxConsumer } from './inbox-types';

export class ProblemNotifier {
  /** When consumers were last notified of each cause (milliseconds of the steady clock). */
  readonly #notified = new Map<string, number>();
  readonly #now: () => number;
  readonly #closing: AbortSignal;
  /** The error code of a run that keeps failing: reported once, until another code follows or a run succeeds. */
  #failingCode: string | undefined;

  /** `now` returns milliseconds of the steady clock. */
  constructor(now: () => number, closing: AbortSignal) {
    this.#now = now;
    this.#closing = closing;
  }

  /** Notifies these consumers, unless they were notified of the same cause within `repeatAfterMs`. */
  raise(
    cause: string,
    error: MeshError,
    consumers: readonly InboxConsumer[],
    messageId?: string,
    repeatAfterMs = Infinity,
  ): void {
    if (this.#closing.aborted) return;
    const last = this.#notified.get(cause);
    if (last !== undefined && this.#now() - last < repeatAfterMs) return;
    this.#notified.set(cause, this.#now());
    for (const consumer of consumers) consumer.failed(error, messageId);
  }

  /** The cause is over: if it returns, consumers are notified again. */
  clear(cause: string): void {
    this.#notified.delete(cause);
  }

  /** The consumers have changed, and the new ones know of no problem. */
  clearAll(): void {
    this.#notified.clear();
  }

  /** A whole run (list and take) failed. */
  runFailed(error: MeshError, consumers: readonly InboxConsumer[]): void {
    if (this.#closing.aborted) return;
    const isNew = this.#failingCode !== error.code;
    this.#failingCode = error.code;
    if (isNew) for (const consumer of consumers) consumer.failed(error);
  }

  runSucceeded(): void {
    this.#failingCode = undefined;
  }
}
