/**
 * When the outbox of a mailbox tries again. MESH being away must not change the order of what waits; one message that
 * MESH cannot digest must not hold up the rest. After any failure the worker pauses, and then a handshake goes first: it
 * may be repeated, which a message may not, and it tells the one case from the other. A message that fails three times
 * although MESH had just answered is passed over once: if the one behind it goes, the fault is the message's, and it is
 * set aside.
 */
import { AuthenticationError, ConfigurationError, MeshError, TlsError, UnavailableError } from '../errors';
import type { StoredError } from '../store/store';
import { storedError } from './stored-error';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** While MESH is away: 1 s, 2 s, 4 s … 5 min. */
const LONGEST_PAUSE_MS = 5 * MINUTE;
/** A wrong password does not get right by itself, but a certificate may be renewed: look again every 10 minutes. */
const PAUSE_TO_BE_MENDED_MS = 10 * MINUTE;
/** MESH's own wish (Retry-After) is followed so far. */
const LONGEST_RETRY_AFTER_MS = 60 * MINUTE;
/** So often in a row the same message fails before it is passed over. */
const FAILURES_BEFORE_PROBE = 3;
/** A message that was set aside: 5 min, 10 min … 1 h. */
const FIRST_ASIDE_MS = 5 * MINUTE;
const LONGEST_ASIDE_MS = 60 * MINUTE;
/** "Too early", "too many requests", "not now": never the message's fault. */
const COME_BACK_LATER = new Set([425, 429, 503]);

/** The pauses of one mailbox. Times are milliseconds since 1970. */
export class SendBackoff {
  #pausedUntil = 0;
  #error: StoredError | undefined;
  #failures = 0;
  #suspect: { id: string; failures: number } | undefined;
  #probing = false;
  #convicted: string | undefined;

  /** Nothing is sent before this. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** Something failed since MESH last took or judged a message: a handshake goes first, and one message at a time. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** The message in whose place another one is tried, if there is one. */
  get passOver(): string | undefined {
    return this.#probing ? this.#suspect?.id : undefined;
  }

  /** Why nothing is sent; also while it is tried again, which may be in vain. */
  get reason(): { error: StoredError; until: number } | undefined {
    return this.#error && { error: this.#error, until: this.#pausedUntil };
  }

  /** MESH is in trouble, or not to be reached; no message is at fault. */
  away(thrown: unknown, now: number): void {
    this.#failures += 1;
    this.#error = storedError(thrown);
    this.#pausedUntil = now + this.#pauseMs(thrown);
    // Should another one be tried in the suspect's place, it has now fared no better.
    this.#probing = false;
  }

  /** An attempt at this message failed, and nothing was sent. */
  failed(id: string, thrown: unknown, now: number): void {
    const wasProbe = this.#probing && this.#suspect?.id !== id;
    this.away(thrown, now);
    if (wasProbe || (thrown instanceof UnavailableError && COME_BACK_LATER.has(thrown.status ?? 0))) return;
    const before = this.#suspect?.id === id ? this.#suspect.failures : 0;
    this.#suspect = { id, failures: before + 1 };
    this.#probing = this.#suspect.failures % FAILURES_BEFORE_PROBE === 0;
  }

  /** MESH has taken or judged this message, or a chunk of it. */
  answered(id: string): void {
    if (this.#probing && this.#suspect && this.#suspect.id !== id) this.#convicted = this.#suspect.id;
    this.#failures = 0;
    this.#suspect = undefined;
    this.#probing = false;
    this.resume();
  }

  /** The message that has been found out to be the trouble, once: it has to be set aside. */
  takePoisonMessage(): string | undefined {
    const id = this.#convicted;
    this.#convicted = undefined;
    return id;
  }

  /** No more pause: the mailbox has been mended. */
  resume(): void {
    this.#pausedUntil = 0;
    this.#error = undefined;
  }

  #pauseMs(thrown: unknown): number {
    // Password, certificate, clock, address: every message would fare the same.
    if (thrown instanceof AuthenticationError || thrown instanceof TlsError || thrown instanceof ConfigurationError) {
      return PAUSE_TO_BE_MENDED_MS;
    }
    const wished = thrown instanceof MeshError ? (thrown.retryAfterMs ?? 0) : 0;
    const own = Math.min(LONGEST_PAUSE_MS, SECOND * 2 ** Math.min(this.#failures - 1, 20));
    return Math.max(own, Math.min(wished, LONGEST_RETRY_AFTER_MS));
  }
}

/** How long a message is set aside that has failed so often by itself (milliseconds). */
export function asideMs(attempts: number): number {
  const doublings = Math.floor(attempts / FAILURES_BEFORE_PROBE) - 1;
  return Math.min(LONGEST_ASIDE_MS, FIRST_ASIDE_MS * 2 ** Math.min(20, Math.max(0, doublings)));
}
