/** A clock that runs faster, for the crash test (test/endurance/crash.ts): its waits of minutes would else be real ones. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../lib/index';

/** `MESH_TEST_CLOCK=<real time>,<its time then>,<speed>`; without it nothing, and the machine's clock. */
export function testClock(): { clock?: Clock } {
  const [real, then, speed] = (process.env['MESH_TEST_CLOCK'] ?? '').split(',').map(Number);
  if (!real || !then || !speed) return {};
  return {
    clock: {
      speed,
      now: () => then + (Date.now() - real) * speed,
      sleep: (ms, signal) =>
        delay(Math.max(1, Math.min(ms / speed, 3_600_000)), undefined, { signal }).catch(() => undefined),
    },
  };
}
