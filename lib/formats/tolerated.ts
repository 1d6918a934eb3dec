/**
 * What a reader took although the standard does not allow it (docs/design.md, rule 14): named, so that a flow can say
 * it, and without any of the payload's content.
 */

/** One kind of deviation in one payload. Plain JSON. */
export interface Tolerated {
  /** Stable, e.g. `hl7-mixed-terminators`. */
  code: string;
  /** What was found, where it was found first, and how it was read. */
  message: string;
  /** How often it was found. */
  count: number;
}

/** Collects the deviations of one payload, one entry for each code. */
export class ToleratedList {
  readonly #found = new Map<string, Tolerated>();

  /** @param message written for the first place; further ones are counted */
  add(code: string, message: string): void {
    const known = this.#found.get(code);
    if (known) known.count += 1;
    else this.#found.set(code, { code, message, count: 1 });
  }

  /** In the order in which they were found first; undefined when there are none. */
  get all(): Tolerated[] | undefined {
    return this.#found.size === 0 ? undefined : [...this.#found.values()];
  }
}
