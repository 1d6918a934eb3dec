/** Clocks for what takes hours. */
import type { Clock } from '../../lib/index';

/** Goes on like the real one, and jumps. */
export interface SteppedClock extends Clock {
  /** Lets so much time pass at once: whoever sleeps shorter wakes. */
  advance(ms: number): void;
}

/** `onAdvance` hears of each jump, e.g. to move a sandbox's clock as well. */
export function steppedClock(onAdvance: (ms: number) => void = () => undefined): SteppedClock {
  let offset = 0;
  const sleepers = new Set<() => void>();
  const now = (): number => Date.now() + offset;
  return {
    now,
    sleep(ms, signal) {
      const end = now() + Math.max(0, ms);
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
          if (signal.aborted || now() >= end) done();
          else timer = setTimeout(look, Math.min(end - now(), 60_000)).unref();
        };
        sleepers.add(look);
        signal.addEventListener('abort', done);
        look();
      });
    },
    advance(ms) {
      offset += ms;
      onAdvance(ms);
      for (const look of sleepers) look();
    },
  };
}

/** So many times as fast as the real one. */
export function scaledClock(factor: number): Clock {
  const start = Date.now();
  return {
    now: () => start + (Date.now() - start) * factor,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, Math.min(Math.max(0, ms) / factor, 60_000));
        signal.addEventListener('abort', done);
      }),
  };
}
