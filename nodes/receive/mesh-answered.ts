/** `msg.meshAnswered`: the result of sending the business acknowledgement that mesh-ack asked for. */
import type { SentAcknowledgement } from '../../lib/index';

/** Plain JSON. `answered` is true once the acknowledgement is in the outbox. */
export type MeshAnswered = SentAcknowledgement extends infer Result
  ? Result extends { sent: infer Sent }
    ? Omit<Result, 'sent'> & { answered: Sent }
    : never
  : never;

/** Returns the result with the names that flows know. */
export function meshAnswered({ sent, ...rest }: SentAcknowledgement): MeshAnswered {
  return { answered: sent, ...rest } as MeshAnswered;
}
