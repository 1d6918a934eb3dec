/** The time by which the pack waits, polls and dates what it stores. */
import { setTimeout as delay } from 'node:timers/promises';

/** A source of time that {@link openMailbox} accepts, so that a test can let hours pass in milliseconds. */
export interface Clock {
  /** Returns milliseconds since 1970 as the machine has them: a person, NTP or a suspended machine may set them. */
  now(): number;
  /**
   * Returns milliseconds on a clock that only runs forward and that nobody sets; only differences mean something. Waits
   * are measured by it (docs/design.md, rule 6). Default: `now`, for a clock that is never set.
   */
  steady?(): number;
  /**
   * Resolves after `ms` of the steady clock, or as soon as the signal aborts; never rejects. It may resolve early: the
   * caller checks the time.
   */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * A time line beside the machine's: it shows `start` when the machine shows `machineStart` (both in ms since 1970). The
 * steady clock runs at its speed.
 */
export interface TimeLine {
  machineStart: number;
  start: number;
  /** Seconds on this time line for each second of the machine. */
  speed: number;
}

/** The clocks and timers of a machine. */
export interface Machine {
  /** Returns milliseconds since 1970, as somebody has set the clock. */
  now(): number;
  /** Returns the milliseconds of a clock that nobody sets. */
  steady(): number;
  /** Resolves after `ms`, or as soon as the signal aborts; never rejects. Only with `ref` it keeps the process alive. */
  sleep(ms: number, signal: AbortSignal | undefined, ref: boolean): Promise<void>;
  /** Calls back after `ms`, unless the function that it returns is called before. Keeps the process alive with `ref`. */
  after(ms: number, callback: () => void, ref: boolean): () => void;
}

const THIS_MACHINE: Machine = {
  now: () => Date.now(),
  steady: () => performance.now(),
  sleep: (ms, signal, ref) => delay(ms, undefined, { ref, ...(signal && { signal }) }).catch(() => undefined),
  after(ms, callback, ref) {
    const timer = setTimeout(callback, ms);
    if (!ref) timer.unref();
    return () => clearTimeout(timer);
  },
};

const MACHINE_TIME: TimeLine = { machineStart: 0, start: 0, speed: 1 };

/** The longest wait that setTimeout is asked for (milliseconds); it fails beyond 24 days. */
const LONGEST_SLEEP_MS = 60 * 60 * 1000;

let machine = THIS_MACHINE;
let timeLine = MACHINE_TIME;

/** A moment by both clocks. */
export interface Moment {
  /** Milliseconds since 1970, as the wall clock was set at that moment. */
  readonly wall: number;
  /** Milliseconds of the steady clock. */
  readonly steady: number;
}

/** A wall clock that has moved further than this against the steady one was set (milliseconds of machine time). */
const STEP_MS = 2000;

/** Returns the milliseconds of the clock's steady reading; see {@link Clock.steady}. */
export function steadyTime(clock: Clock): number {
  return clock.steady ? clock.steady() : clock.now();
}

/** Returns the moment that lies `ms` after now. */
export function momentAfter(clock: Clock, ms = 0): Moment {
  return { wall: clock.now() + ms, steady: steadyTime(clock) + ms };
}

/** Returns by how much the wall clock was set since a moment (milliseconds; negative: back); 0 within 2 seconds. */
export function stepSince(clock: Clock, { wall, steady }: Moment): number {
  const ms = clock.now() - wall - (steadyTime(clock) - steady);
  return Math.abs(ms) * machineMs(1) > STEP_MS ? ms : 0;
}

/** Returns when a moment was or will be by the wall clock as it is set now (milliseconds since 1970). */
export function wallTimeOf(clock: Clock, moment: Moment): number {
  return moment.wall + stepSince(clock, moment);
}

/**
 * Puts this process on another time line, or back on the machine's; at the same speed that sets the wall clock. For a
 * test harness that runs code in the process: the package exports this from nowhere, and no environment variable,
 * setting or flow leads here.
 */
export function setClock(replacement: TimeLine = MACHINE_TIME): void {
  timeLine = replacement;
}

/** Puts other clocks and timers in the machine's place, or the machine's back. For a simulation only, as `setClock`. */
export function setMachine(replacement: Machine = THIS_MACHINE): void {
  machine = replacement;
}

/** Returns the machine's time of day: milliseconds since 1970. */
export const machineNow = (): number => machine.now();

/** Returns the machine's milliseconds by a clock that nobody sets, for measuring and for limits. */
export const machineSteady = (): number => machine.steady();

/** Resolves after `ms` of the machine, or as soon as the signal aborts; never rejects. Keeps the process alive. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> => machine.sleep(ms, signal, true);

/** Calls back after `ms` of the machine, unless the function that it returns is called before. */
export const after = (ms: number, callback: () => void): (() => void) => machine.after(ms, callback, true);

/**
 * Calls back every `ms` of the machine, until the function that it returns is called. Does not keep the process alive.
 */
export function every(ms: number, callback: () => void): () => void {
  let cancel = (): void => undefined;
  const plan = (): void => {
    cancel = machine.after(
      ms,
      () => {
        plan();
        callback();
      },
      false,
    );
  };
  plan();
  return () => cancel();
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
    now: () => timeLine.start + (machine.now() - timeLine.machineStart) * timeLine.speed,
    steady: () => machine.steady() * timeLine.speed,
    sleep: (ms, signal) => machine.sleep(Math.max(0, Math.min(machineMs(ms), LONGEST_SLEEP_MS)), signal, ref),
  };
}
