/**
 * The one place that decides whether and when something is tried again. It sits above authorization, so that every attempt
 * gets a token of its own (DESIGN.md, rule 2), and reads little but the error's `retry`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AbortedError, MeshError, StorageError } from '../errors';

/** How often and how fast. */
export interface RetryPolicy {
  /** Attempts in all. */
  attempts: number;
  /** The first wait is random below this (milliseconds), and the bound doubles with each attempt. */
  baseMs: number;
  /** No wait of our own is longer (milliseconds). */
  capMs: number;
}

/** MESH may ask for a longer wait than anyone should be kept for: then the error is given back with `retryAfterMs`. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/**
 * Runs `attempt` (numbered from 1) until it succeeds, its error is not `safe`, or the attempts are used up; throws the last
 * error. Waits in between: as long as MESH said (`Retry-After`), else exponential with full jitter. An abort ends the wait.
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
      await sleep(wait, undefined, signal ? { signal } : {}).catch(() => {
        throw new AbortedError('The operation was ended while it waited for its next attempt.', { cause: error });
      });
    }
  }
}

function waitBefore(error: unknown, attempt: number, policy: RetryPolicy): number | undefined {
  if (!(error instanceof MeshError) || error.retry !== 'safe' || error instanceof AbortedError) return undefined;
  // A disk is no better a moment later, and each attempt would fetch the chunk again.
  if (error instanceof StorageError) return undefined;
  if (attempt >= policy.attempts) return undefined;
  if (error.retryAfterMs !== undefined) {
    return error.retryAfterMs <= LONGEST_RETRY_AFTER_MS ? error.retryAfterMs : undefined;
  }
  return Math.random() * Math.min(policy.capMs, policy.baseMs * 2 ** (attempt - 1));
}
