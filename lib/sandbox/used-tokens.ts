/** The used authorization tokens: each is valid for one request (mesh-api.yaml, "MESH Authorization header"). */

/**
 * How long a used token is remembered. 4 hours after the earliest moment that accepted it, its timestamp is refused.
 */
const WINDOW_MS = 4 * 60 * 60 * 1000;
/** The maximum number of tokens, about 20 MB. The oldest is forgotten first. */
const MAX_TOKENS = 200_000;

/** A bounded memory of used tokens. */
export class UsedTokens {
  /** From mailbox, nonce and nonce count to the time of use (ms), in order of use. */
  readonly #used = new Map<string, number>();
  readonly #max: number;

  constructor(max = MAX_TOKENS) {
    this.#max = max;
  }

  /** Marks a token as used; returns false if it already was. */
  use(mailboxId: string, nonce: string, nonceCount: string, now: number): boolean {
    this.#forget(now);
    const key = `${mailboxId}:${nonce}:${nonceCount}`;
    if (this.#used.has(key)) return false;
    this.#used.set(key, now);
    return true;
  }

  #forget(now: number): void {
    for (const [key, usedAt] of this.#used) {
      // A use in the future means that the clock was set back; the token's timestamp is then refused, or valid again.
      if (this.#used.size < this.#max && now - usedAt <= WINDOW_MS) return;
      this.#used.delete(key);
    }
  }
}
