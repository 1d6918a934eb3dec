/**
 * Stores and acknowledges messages in the background while the next ones are downloaded: several share a commit, and a
 * round trip to the disk costs none on the wire. Tasks start in the order in which they are added.
 */

/** Payloads of at most 64 KiB that may be in memory at once. */
export const MAX_PAYLOADS_IN_MEMORY = 64;

export class StoringTasks {
  #running = 0;
  /**
   * Callers that wait for fewer tasks. Not Promise.race, which would leave a reaction on each task for each message.
   */
  readonly #waiting: Array<() => void> = [];
  #failure: { error: unknown } | undefined;

  /** Starts a task at once, and resolves when another one may start. Rejects with the error of an earlier task. */
  async add(task: () => Promise<void>): Promise<void> {
    this.#throwFailure();
    this.#running += 1;
    void task()
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => {
        this.#running -= 1;
        for (const wake of this.#waiting.splice(0)) wake();
      });
    await this.#untilFewerThan(MAX_PAYLOADS_IN_MEMORY);
    this.#throwFailure();
  }

  /** Runs `work`, which adds tasks, and waits until all of them have ended, whatever fails. */
  async untilStored<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } finally {
      await this.#untilFewerThan(1);
      this.#throwFailure();
    }
  }

  async #untilFewerThan(limit: number): Promise<void> {
    while (this.#running >= limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
  }
}
