/** One after the other, in order of arrival. */

/** One caller's place in a lane. */
export interface Place {
  /** Resolves when every earlier caller of the lane has left. Never rejects. */
  readonly turn: Promise<unknown>;
  /** Lets the next caller go. Repeatable, and allowed before `turn` has resolved: the order still holds. */
  leave(): void;
}

/** Serves the callers of a lane one at a time; lanes are independent of each other. */
export class SerialQueue {
  /** Resolves when the last caller of a lane has left. A lane that is empty has no entry. */
  readonly #last = new Map<string, Promise<unknown>>();

  /** Takes the next place of a lane, at once. The caller has to leave it, or all who come later wait for ever. */
  enter(lane = ''): Place {
    const turn = this.#last.get(lane) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const leaving = async (): Promise<void> => {
      await turn;
      await promise;
      if (this.#last.get(lane) === left) this.#last.delete(lane);
    };
    const left = leaving();
    this.#last.set(lane, left);
    return { turn, leave: resolve };
  }

  /** Runs `work` when all earlier work of the lane has ended, however it ended. */
  async run<Result>(work: () => Result | Promise<Result>, lane = ''): Promise<Result> {
    const place = this.enter(lane);
    await place.turn;
    try {
      return await work();
    } finally {
      place.leave();
    }
  }
}
