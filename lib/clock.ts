/** Time for those who wait, poll and lease: injectable, so that tests can run hours in milliseconds. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. May be early: whoever sleeps looks again. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** So much faster than the machine's; only tests have such a one. Default 1. */
  readonly speed?: number;
}

/** Longer than this setTimeout cannot wait (milliseconds). */
const LONGEST_SLEEP_MS = 60 * 60 * 1000;

/** The machine's clock. A process that only waits by it ends. */
export const systemClock = machineClock(false);

/** The same, but a process stays alive while it waits. */
export const wakefulClock = machineClock(true);

function machineClock(ref: boolean): Clock {
  return {
    now: () => Date.now(),
    sleep: (ms, signal) =>
      delay(Math.max(0, Math.min(ms, LONGEST_SLEEP_MS)), undefined, { signal, ref }).catch(() => undefined),
  };
}
