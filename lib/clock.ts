/** The time by which the pack waits, polls and dates what it stores. */
import { setTimeout as delay } from 'node:timers/promises';

/** A source of time that {@link openMailbox} accepts, so that a test can let hours pass in milliseconds. */
export interface Clock {
  /** Returns milliseconds since 1970. */
  now(): number;
  /**
   * Resolves after `ms`, or as soon as the signal aborts; never rejects. It may resolve early: the caller checks the
   * time.
   */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** A time line beside the machine's: it shows `start` when the machine shows `machineStart` (both in ms since 1970). */
export interface TimeLine {
  machineStart: number;
  start: number;
  /** Seconds on this time line for each second of the machine. */
  speed: number;
}

const MACHINE_TIME: TimeLine = { machineStart: 0, start: 0, speed: 1 };

/** The longest wait that setTimeout is asked for (milliseconds); it fails beyond 24 days. */
const LONGEST_SLEEP_MS = 60 * 60 * 1000;

let timeLine = MACHINE_TIME;

/**
 * Puts this process on another time line, or back on the machine's. For a test harness that runs code in the process:
 * the package exports this from nowhere, and no environment variable, setting or flow leads here.
 */
export function setClock(replacement: TimeLine = MACHINE_TIME): void {
  timeLine = replacement;
}

/**
 * Converts a span of {@link systemClock} to the machine's milliseconds, for limits that the system or a database keeps.
 */
export function machineMs(ms: number): number {
  return ms / timeLine.speed;
}

/** The process's clock. Waiting by it does not keep the process alive. */
export const systemClock = createClock(false);

/** The process's clock, by which a wait keeps the process alive. */
export const wakefulClock = createClock(true);

function createClock(ref: boolean): Clock {
  return {
    now: () => timeLine.start + (Date.now() - timeLine.machineStart) * timeLine.speed,
    sleep: (ms, signal) =>
      delay(Math.max(0, Math.min(machineMs(ms), LONGEST_SLEEP_MS)), undefined, { signal, ref }).catch(() => undefined),
  };
}
