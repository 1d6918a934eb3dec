/** Limits of one validation. */

/** Thrown to end a validation whose issues or steps have reached their limit. */
export class LimitReached extends Error {}

/** Counts steps over one validation, so that no payload keeps it busy without limit. */
export class Budget {
  #left: number;

  constructor(steps: number) {
    this.#left = steps;
  }

  /** @throws LimitReached */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new LimitReached('steps');
  }
}
