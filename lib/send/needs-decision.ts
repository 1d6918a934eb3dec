/** Messages of the outbox that wait for a person: only a person can find out, or decide, what becomes of them. */
import { LOOKED_FOR, stateNeedsDecision } from '../message-states';
import type { Outgoing, OutgoingStore } from '../store/store';

/** Unknown messages that are counted at most. */
const COUNTED = 1000;

/** True for a parked message, and for an unknown one that is not looked up at MESH (any more). */
export function needsDecision({ state, nextTrackAt }: Pick<Outgoing, 'state' | 'nextTrackAt'>): boolean {
  return stateNeedsDecision(state, nextTrackAt !== null);
}

/**
 * Counts the unknown messages of a mailbox that need a decision, up to 1,000. The other unknown ones are being looked
 * up.
 */
export async function countUndecided(store: OutgoingStore, mailbox: string): Promise<number> {
  const unknown = await store.listOutgoing({ mailbox, states: LOOKED_FOR }, { limit: COUNTED });
  return unknown.filter(needsDecision).length;
}
