/**
 * Messages that are being stored, and MESH being told of, while the next ones are downloaded: so that several share a commit,
 * and a round trip to the disk costs none on the wire. They are begun in order.
 */

/** As many payloads of at most 64 KiB are in memory at once. */
const AT_ONCE = 64;

/** What is under way. */
export class Storing {
  readonly #underWay = new Set<Promise<void>>();
  #failed: { error: unknown } | undefined;

  /** Begins at once, and resolves when there is room for another. Throws what an earlier one threw. */
  async add(work: () => Promise<void>): Promise<void> {
    this.#throwFailure();
    const underWay: Promise<void> = work()
      .catch((error: unknown) => void (this.#failed ??= { error }))
      .finally(() => this.#underWay.delete(underWay));
    this.#underWay.add(underWay);
    while (this.#underWay.size >= AT_ONCE) await Promise.race(this.#underWay);
    this.#throwFailure();
  }

  /** Runs something that adds, and waits until nothing is under way, whatever fails. */
  async through<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } finally {
      await Promise.all(this.#underWay);
      this.#throwFailure();
    }
  }

  #throwFailure(): void {
    const failed = this.#failed;
    this.#failed = undefined;
    if (failed) throw failed.error;
  }
}
