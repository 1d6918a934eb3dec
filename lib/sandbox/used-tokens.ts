/** Which authorization tokens were used: each is good for one request (mesh-api.yaml, "MESH Authorization header"). */

/** A used token is remembered for so long. Its timestamp is refused 4 hours after the earliest moment that took it. */
const WINDOW_MS = 4 * 60 * 60 * 1000;
/** About 20 MB at the most. The oldest is forgotten first. */
const MAX_TOKENS = 200_000;

/** A bounded memory of used tokens. */
export class UsedTokens {
  /** From mailbox, nonce and nonce count to the time (ms) of use; in order of use. */
  readonly #used = new Map<string, number>();
  readonly #max: number;

  constructor(max = MAX_TOKENS) {
    this.#max = max;
  }

  /** Uses a token up. False if it was used before. */
  use(mailboxId: string, nonce: string, nonceCount: string, now: number): boolean {
    this.#forget(now);
    const key = `${mailboxId}:${nonce}:${nonceCount}`;
    if (this.#used.has(key)) return false;
    this.#used.set(key, now);
    return true;
  }

  #forget(now: number): void {
    for (const [key, usedAt] of this.#used) {
      // A use in the future means that the clock was set back; the token's own timestamp is refused then, or fits again.
      if (this.#used.size < this.#max && now - usedAt <= WINDOW_MS) return;
      this.#used.delete(key);
    }
  }
}
