/**
 * Messages that are being stored, and MESH being told of, while the next ones are downloaded: so that several share a commit,
 * and a round trip to the disk costs none on the wire. They are begun in order.
 */

/** As many payloads of at most 64 KiB are in memory at once. */
export const PAYLOADS_AT_ONCE = 64;

/** What is under way. */
export class Storing {
  #underWay = 0;
  /** Who waits until there is less. No Promise.race: it would leave a reaction on each of them for each message. */
  readonly #waiting: Array<() => void> = [];
  #failed: { error: unknown } | undefined;

  /** Begins at once, and resolves when there is room for another. Throws what an earlier one threw. */
  async add(work: () => Promise<void>): Promise<void> {
    this.#throwFailure();
    this.#underWay += 1;
    void work()
      .catch((error: unknown) => void (this.#failed ??= { error }))
      .finally(() => {
        this.#underWay -= 1;
        for (const wake of this.#waiting.splice(0)) wake();
      });
    await this.#untilFewerThan(PAYLOADS_AT_ONCE);
    this.#throwFailure();
  }

  /** Runs something that adds, and waits until nothing is under way, whatever fails. */
  async through<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } finally {
      await this.#untilFewerThan(1);
      this.#throwFailure();
    }
  }

  async #untilFewerThan(most: number): Promise<void> {
    while (this.#underWay >= most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #throwFailure(): void {
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed) throw failed.error;
  }
}
