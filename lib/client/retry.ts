/**
 * Decides whether and when a request is tried again; no other file does. Retry sits above authorization, so that every
 * attempt gets its own token (docs/design.md, rule 3), and reads little besides the error's `retry`.
 */
import { pause } from '../clock';
import { AbortedError, DownloadError, MeshError, ProtocolError, StorageError } from '../errors';
import { randomNumber } from '../random';

/** The number of attempts and the waits between them. */
interface RetryPolicy {
  /** Maximum number of attempts. */
  attempts: number;
  /** The first wait is random below this (milliseconds); the bound doubles with each attempt. */
  baseMs: number;
  /** The longest wait if MESH sets none (milliseconds). */
  capMs: number;
}

/** The longest `Retry-After` that we wait for; for a longer one the error is thrown with its `retryAfterMs`. */
const MAX_RETRY_AFTER_MS = 60_000;

/**
 * A body that broke is downloaded once more at once: a connection may have failed. One that breaks again would break
 * every time; the next poll tries it after the other messages.
 */
const BROKEN_BODY_ATTEMPTS = 2;

/**
 * Runs `attempt` (numbered from 1) until it succeeds, its error is not `safe`, or the attempts are used up. Waits in
 * between as long as MESH asked (`Retry-After`), else exponentially with full jitter. An abort ends the wait.
 * @throws MeshError of the last attempt; AbortedError when the wait was aborted
 */
export async function withRetry<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: (number: number) => Promise<T>,
): Promise<T> {
  for (let number = 1; ; number += 1) {
    try {
      return await attempt(number);
    } catch (error) {
      const wait = waitBefore(error, number, policy);
      if (wait === undefined || signal?.aborted) throw error;
      await pause(wait, signal);
      if (signal?.aborted)
        throw new AbortedError('The operation was cancelled while it waited for its next attempt.', { cause: error });
    }
  }
}

function waitBefore(error: unknown, attempt: number, policy: RetryPolicy): number | undefined {
  if (!(error instanceof MeshError) || error.retry !== 'safe' || error instanceof AbortedError) return undefined;
  // The disk is no better a moment later, and each attempt would download the chunk again.
  if (error instanceof StorageError) return undefined;
  // A login page or a cache is still there a moment later; the next poll or attempt finds out.
  if (error instanceof ProtocolError) return undefined;
  if (attempt >= policy.attempts) return undefined;
  if (error instanceof DownloadError && attempt >= BROKEN_BODY_ATTEMPTS) return undefined;
  if (error.retryAfterMs !== undefined) {
    return error.retryAfterMs <= MAX_RETRY_AFTER_MS ? error.retryAfterMs : undefined;
  }
  return randomNumber() * Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));
}
