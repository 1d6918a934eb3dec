/** A message as the admin endpoints list it. */
import type { MessageView } from '../../lib/index';

/** Plain JSON. */
export type ListedMessage = Omit<MessageView, 'needsDecision'> & {
  /** True for a message that needs a decision. */
  held: boolean;
};

/** Returns the message with the names that the endpoints have. */
export function listedMessage({ needsDecision, ...message }: MessageView): ListedMessage {
  return { ...message, held: needsDecision };
}
