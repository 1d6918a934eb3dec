/** `msg.meshSent`: what became of the message that mesh-send was given. Plain JSON. */
import type { OutboxMessage } from '../../lib/index';

export interface MeshSent {
  /** Of the outbox. */
  id: string;
  /** MESH's, as soon as there is one. */
  messageId?: string;
  /** Missing only where it is the flow's own, and the message is not in the flow. */
  localId?: string;
  to?: string;
  workflowId: string;
  bytes: number;
  /** As soon as it is known. */
  chunks?: number;
  /** `queued` and `accepted`; at Catch also `rejected`, `unknown`, `parked` and `dropped`. */
  status: string;
  /** The key was there before: nothing was sent, this is the first one's result. */
  repeated?: true;
  /** The outbox id of the message that this one repeats on purpose. */
  resendOf?: string;
  /** Of a resend: the recipient may have the first one already. Else: larger than its receivers should be sent. */
  warning?: string;
}

const STATUS: Partial<Record<OutboxMessage['state'], string>> = {
  sending: 'queued',
  acknowledged: 'accepted',
  undelivered: 'accepted',
  closed: 'dropped',
};

/** How it stands with the sending of a message; what comes after MESH has accepted it is for mesh-track to tell. */
export function meshSent(
  message: OutboxMessage,
  more: Pick<MeshSent, 'to' | 'localId' | 'repeated' | 'warning'> = {},
): MeshSent {
  // Unknown and being looked for: it may still turn out to be accepted.
  const isOpen = message.state === 'unknown' && !message.held;
  return { ...sentStatus(message), status: isOpen ? 'queued' : (STATUS[message.state] ?? message.state), ...more };
}

/** The same with the outbox's own word for its state. */
export function sentStatus(message: OutboxMessage): MeshSent {
  const { id, messageId, localId, workflowId, bytes, totalChunks, state, resendOf } = message;
  return {
    id,
    ...(messageId !== undefined && { messageId }),
    ...(localId !== undefined && { localId }),
    workflowId,
    bytes,
    ...(totalChunks !== undefined && { chunks: totalChunks }),
    status: state,
    ...(resendOf !== undefined && { resendOf }),
  };
}
