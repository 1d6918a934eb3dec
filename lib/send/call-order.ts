/** Calls that take their time side by side, and take their last step in the order in which they came. */

import { createHash } from 'node:crypto';
import type { OutgoingMessage } from '../types';

/** The place of one call. */
export interface Place {
  /** Resolves when every earlier call of the lane has left. */
  readonly turn: Promise<unknown>;
  /** The step is begun, or there is none: the next may come. May be called again. */
  leave(): void;
}

/** The order within lanes. */
export class CallOrder {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Takes a place behind the calls of this lane that came before. Whoever takes one has to leave it. */
  enter(lane: string): Place {
    const turn = this.#last.get(lane) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const left = async (): Promise<void> => {
      await turn;
      await promise;
      if (this.#last.get(lane) === mine) this.#last.delete(lane);
    };
    const mine = left();
    this.#last.set(lane, mine);
    return { turn, leave: resolve };
  }
}

/** Hashed: a recipient's address may carry demographics, and a lane is compared, never read. */
export function laneOf({ to, workflowId }: Pick<OutgoingMessage, 'to' | 'workflowId'>): string {
  return createHash('sha256').update(`${to}\n${workflowId}`).digest('base64url').slice(0, 22);
}
