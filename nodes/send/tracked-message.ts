/** A message of the outbox as mesh-track reports it to flows. */
import type { OutboxMessage } from '../../lib/index';

/** Plain JSON. */
export type TrackedMessage = Omit<OutboxMessage, 'needsDecision'> & {
  /** True for a message that needs a decision: parked, or unknown and not found at MESH. */
  held: boolean;
};

/** Returns the message with the names that flows know. */
export function trackedMessage({ needsDecision, ...message }: OutboxMessage): TrackedMessage {
  return { ...message, held: needsDecision };
}
