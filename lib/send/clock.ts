/** Time, so that tests can scale it. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Longer than this setTimeout cannot wait; whoever sleeps looks again anyway (milliseconds). */
const LONGEST_SLEEP_MS = 60 * 60 * 1000;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    delay(Math.max(0, Math.min(ms, LONGEST_SLEEP_MS)), undefined, { signal, ref: false }).catch(() => undefined),
};
