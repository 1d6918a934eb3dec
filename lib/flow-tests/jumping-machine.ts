/**
 * The machine's clock for a test: it runs as the machine's, and jumps when the test says so. What waits meanwhile wakes
 * up in the order of its times.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Machine } from '../clock';

interface Waiting {
  /** Milliseconds of the steady clock. */
  due: number;
  wake(): void;
}

/** A machine whose clock can jump. Timers of Node.js and of other nodes do not: only the pack's own waits. */
export class JumpingMachine implements Machine {
  #jumpedMs = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return Date.now() + this.#jumpedMs;
  }

  steady(): number {
    return performance.now() + this.#jumpedMs;
  }

  sleep(ms: number, signal: AbortSignal | undefined, ref: boolean): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const cancel = this.after(
        ms,
        () => {
          signal?.removeEventListener('abort', aborted);
          resolve();
        },
        ref,
      );
      const aborted = (): void => {
        cancel();
        resolve();
      };
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  after(ms: number, callback: () => void, ref: boolean): () => void {
    const end = (): void => {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    };
    const wake = (): void => {
      end();
      callback();
    };
    const waiting: Waiting = { due: this.steady() + ms, wake };
    const timer = setTimeout(wake, ms);
    if (!ref) timer.unref();
    this.#waiting.add(waiting);
    return end;
  }

  /** Moves the clock ahead, and wakes up what is due by then. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
    const due = [...this.#waiting].filter((each) => each.due <= this.steady()).sort((a, b) => a.due - b.due);
    // One that was woken up may have cancelled another.
    for (const each of due) if (this.#waiting.has(each)) each.wake();
  }
}

/** Resolves after `ms` of the real machine. */
export const realPause = (ms: number): Promise<void> => delay(ms);
