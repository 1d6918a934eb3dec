/** Clocks and time lines on which hours pass in seconds. */
import { setTimeout as sleep } from 'node:timers/promises';
import { setClock, systemClock, type TimeLine } from '../../lib/clock';
import { ClockSteps, type Clock } from '../../lib/index';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
/** A sleeper looks at its clock at least this often (machine time). */
const LOOK_AGAIN_MS = 60_000;
/** The longest wait for the sleepers after a step (machine time). */
const SETTLE_MS = 1000;

export interface SteppedClock extends Clock {
  steady(): number;
  /** Lets time pass: moves the clock forward and wakes the sleepers whose time has come. */
  advance(ms: number): void;
  /** Sets the wall clock: no time passes, and nobody wakes. Negative: back. */
  step(ms: number): void;
  /**
   * Resolves when as many sleepers wait again as before the last `advance`: what it woke has done its work. Gives up
   * after a second, because a sleeper may have ended for good.
   */
  settled(): Promise<void>;
}

/**
 * Returns a clock that runs like the machine's, and jumps. `onAdvance` is called for each jump, e.g. to move a
 * sandbox's clock.
 */
export function steppedClock(onAdvance: (ms: number) => void = () => undefined): SteppedClock {
  return testClock(1, onAdvance);
}

/** Returns a clock that runs `speed` times as fast as the machine's. */
export function scaledClock(speed: number): Clock {
  return testClock(speed);
}

function testClock(speed: number, onAdvance: (ms: number) => void = () => undefined): SteppedClock {
  const start = Date.now();
  const began = performance.now();
  let advanced = 0;
  let stepped = 0;
  let asleepBefore = 0;
  const sleepers = new Set<() => void>();
  const steady = (): number => (performance.now() - began) * speed + advanced;
  return {
    now: () => start + Math.round(steady() + stepped),
    steady,
    sleep(ms, signal) {
      const end = steady() + Math.max(0, ms);
      return new Promise((resolve) => {
        let timer: NodeJS.Timeout | undefined;
        const done = (): void => {
          clearTimeout(timer);
          sleepers.delete(look);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const look = (): void => {
          clearTimeout(timer);
          if (signal.aborted || steady() >= end) done();
          else timer = setTimeout(look, Math.min((end - steady()) / speed, LOOK_AGAIN_MS)).unref();
        };
        sleepers.add(look);
        signal.addEventListener('abort', done);
        look();
      });
    },
    advance(ms) {
      asleepBefore = sleepers.size;
      advanced += ms;
      onAdvance(ms);
      for (const look of sleepers) look();
    },
    step(ms) {
      stepped += ms;
    },
    async settled() {
      const end = Date.now() + SETTLE_MS;
      while (sleepers.size < asleepBefore && Date.now() < end) await sleep(3);
    },
  };
}

/**
 * Returns a time line for a Node-RED, `speed` times as fast as the machine's. It stays behind the machine's time for
 * `behindMs` of machine time, so that no upload seems older than its attempt. A restarted Node-RED needs the same time
 * line.
 */
export function fastClock(speed = 60, behindMs = HOUR_MS): TimeLine {
  const now = Date.now();
  return { machineStart: now, start: now - behindMs * speed, speed };
}

/**
 * Returns a time line like {@link fastClock}'s that begins on a Wednesday of the past, so that working days pass at any
 * time.
 */
export function weekdayClock(speed: number): TimeLine {
  const sinceWednesday = (new Date().getUTCDay() + 4) % 7;
  const wednesday = Math.floor(Date.now() / DAY_MS) * DAY_MS - (sinceWednesday + 7) * DAY_MS;
  return { machineStart: Date.now(), start: wednesday, speed };
}

/**
 * Puts this process back on the machine's time after `setClock`. A step is a fact about the process: the next test would
 * see it as a condition of its mailboxes for a day.
 */
export function restoreClock(): void {
  setClock();
  ClockSteps.of(systemClock).forget();
}

/** How a wall clock may be set, by hours: by a mistake or a repair, and by the change to summer time and back. */
export const CLOCK_STEPS = [
  [-8, 'back by eight hours'],
  [-1, 'back by the hour of winter time'],
  [1, 'forward by the hour of summer time'],
  [450 * 24, 'forward by 450 days'],
] as const;
