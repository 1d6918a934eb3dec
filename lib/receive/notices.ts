/** What consumers are told once for each cause, not for each attempt. */
import type { MeshError } from '../errors';
import type { InboxConsumer } from './inbox-types';

/** Remembers what was told. */
export class Notices {
  /** When each cause was told (milliseconds since 1970). */
  readonly #told = new Map<string, number>();
  readonly #now: () => number;
  /** The code of what keeps failing: told once, until something else fails or all is well again. */
  #failing: string | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Tells these consumers of the cause, unless it was told already, or not for `againAfterMs`. */
  raise(
    cause: string,
    error: MeshError,
    consumers: readonly InboxConsumer[],
    messageId?: string,
    againAfterMs = Infinity,
  ): void {
    const told = this.#told.get(cause);
    if (told !== undefined && this.#now() - told < againAfterMs) return;
    this.#told.set(cause, this.#now());
    for (const consumer of consumers) consumer.failed(error, messageId);
  }

  /** The cause is no more: were it to come again, it would be told again. */
  over(cause: string): void {
    this.#told.delete(cause);
  }

  /** There are other consumers: they have been told nothing. */
  forget(): void {
    this.#told.clear();
  }

  /** Polling itself failed. */
  failed(error: MeshError, consumers: readonly InboxConsumer[]): void {
    const isNews = this.#failing !== error.code;
    this.#failing = error.code;
    if (isNews) for (const consumer of consumers) consumer.failed(error);
  }

  /** Polling went well. */
  wentWell(): void {
    this.#failing = undefined;
  }
}
