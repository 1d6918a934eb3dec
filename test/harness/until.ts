/** Waits for facts that no event announces. The three functions differ only in how long they wait. */
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_EVERY_MS = 10;

type Falsy = false | 0 | '' | null | undefined;
type Until = <Value>(
  what: string,
  look: () => Value | Promise<Value>,
  patienceMs?: number,
) => Promise<Exclude<Value, Falsy>>;

/**
 * Returns a function that calls `look` until it returns a truthy value, and resolves with that value. It rejects with an
 * error that names `what` when the patience (milliseconds) has run out.
 */
function withPatience(usualMs: number): Until {
  return async <Value>(what: string, look: () => Value | Promise<Value>, patienceMs = usualMs) => {
    for (const end = Date.now() + patienceMs; ; await sleep(LOOK_EVERY_MS)) {
      const found = await look();
      if (found) return found as Exclude<Value, Falsy>;
      if (Date.now() > end) throw new Error(`Waited ${patienceMs} ms in vain for: ${what}`);
    }
  };
}

/** For what happens in this process: 2 s. */
export const until: Until = withPatience(2000);

/** For what needs retries, several commits or a database: 10 s. */
export const eventually: Until = withPatience(10_000);

/** For what a flow does in a Node-RED of its own: 30 s. */
export const untilInNodeRed: Until = withPatience(30_000);
