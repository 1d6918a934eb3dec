/**
 * When the outbox of a mailbox tries again. An outage of MESH must not change the order of the queue, and a poison
 * message (one that MESH cannot digest) must not hold up the rest. After any failure the worker pauses, and then sends
 * a handshake first: it may be repeated, unlike a message, and it tells an outage from a poison message. A message that
 * fails three times although MESH had just responded becomes the poison candidate and is passed over once. If MESH
 * takes the message behind it, the candidate is a poison message and is set aside.
 */
import { AuthenticationError, ConfigurationError, MeshError, TlsError, UnavailableError } from '../errors';
import { LONGEST_SEND_WAIT_MS } from '../store/rules/due-times';
import type { StoredError } from '../store/store';
import { storedError } from './stored-error';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Longest pause while MESH is unavailable: 1 s, 2 s, 4 s … 5 min. */
const LONGEST_PAUSE_MS = 5 * MINUTE;
/** The pause after a fault of the configuration. A wrong password stays wrong, but a certificate may be renewed. */
const CONFIGURATION_PAUSE_MS = 10 * MINUTE;
/** MESH's Retry-After is followed up to this. */
const LONGEST_RETRY_AFTER_MS = 60 * MINUTE;
/** Failures in a row after which a message is passed over once. */
const FAILURES_BEFORE_PROBE = 3;
/** For how long a poison message is set aside: 5, 10 and 20 minutes; then it is parked (attempt.ts, PARK_AFTER). */
const FIRST_ASIDE_MS = 5 * MINUTE;
/** "Too early", "too many requests", "not now": never the message's fault. */
const COME_BACK_LATER = new Set([425, 429, 503]);

/** The pauses of one mailbox. Times are milliseconds of the steady clock. */
export class SendBackoff {
  #pausedUntil = 0;
  #error: StoredError | undefined;
  #failures = 0;
  #candidate: { id: string; failures: number } | undefined;
  /** The message behind the candidate is tried. */
  #probing = false;
  #poisonMessage: string | undefined;

  /** Nothing is sent before this time. */
  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** True from a failure until MESH accepts or rejects a message: a handshake goes first, and one message at a time. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** Id of the poison candidate, while another message is tried in its place. */
  get passOver(): string | undefined {
    return this.#probing ? this.#candidate?.id : undefined;
  }

  /** Why nothing is sent. It stays while sending is tried again, which may fail too. */
  get reason(): { error: StoredError; until: number } | undefined {
    return this.#error && { error: this.#error, until: this.#pausedUntil };
  }

  /** Records that MESH failed or cannot be reached, which is no message's fault. */
  meshUnavailable(thrown: unknown, now: number): void {
    this.#failures += 1;
    this.#error = storedError(thrown);
    this.#pausedUntil = now + this.#pauseMs(thrown);
    // A message that was tried in the candidate's place has fared no better.
    this.#probing = false;
  }

  /** Records that an attempt at this message failed, and that nothing was sent. */
  attemptFailed(id: string, thrown: unknown, now: number): void {
    const wasProbe = this.#probing && this.#candidate?.id !== id;
    this.meshUnavailable(thrown, now);
    if (wasProbe || (thrown instanceof UnavailableError && COME_BACK_LATER.has(thrown.status ?? 0))) return;
    const before = this.#candidate?.id === id ? this.#candidate.failures : 0;
    this.#candidate = { id, failures: before + 1 };
    this.#probing = this.#candidate.failures % FAILURES_BEFORE_PROBE === 0;
  }

  /**
   * Records that MESH accepted or rejected this message, or took a chunk of it. Ends the pause and clears the
   * candidate.
   */
  responseReceived(id: string): void {
    if (this.#probing && this.#candidate && this.#candidate.id !== id) this.#poisonMessage = this.#candidate.id;
    this.#failures = 0;
    this.#candidate = undefined;
    this.#probing = false;
    this.resume();
  }

  /** Returns the id of a poison message that was just found, once: the caller has to set it aside. */
  takePoisonMessage(): string | undefined {
    const id = this.#poisonMessage;
    this.#poisonMessage = undefined;
    return id;
  }

  /** Ends the pause. */
  resume(): void {
    this.#pausedUntil = 0;
    this.#error = undefined;
  }

  #pauseMs(thrown: unknown): number {
    // Password, certificate, clock, address: every message would fare the same.
    if (thrown instanceof AuthenticationError || thrown instanceof TlsError || thrown instanceof ConfigurationError) {
      return CONFIGURATION_PAUSE_MS;
    }
    const retryAfterMs = thrown instanceof MeshError ? (thrown.retryAfterMs ?? 0) : 0;
    const own = Math.min(LONGEST_PAUSE_MS, SECOND * 2 ** Math.min(this.#failures - 1, 20));
    return Math.max(own, Math.min(retryAfterMs, LONGEST_RETRY_AFTER_MS));
  }
}

/** Returns for how long a poison message with this many attempts is set aside (milliseconds). */
export function asideMs(attempts: number): number {
  const doublings = Math.floor(attempts / FAILURES_BEFORE_PROBE) - 1;
  return Math.min(LONGEST_SEND_WAIT_MS, FIRST_ASIDE_MS * 2 ** Math.min(20, Math.max(0, doublings)));
}
