/** `msg.meshSent`: the state of a message that mesh-send put into the outbox. */
import { MAY_STILL_BE_ACCEPTED, type OutboxMessage, SENT_STATES } from '../../lib/index';

/** Plain JSON. */
export interface MeshSent {
  /** Id in the outbox. */
  id: string;
  /** MESH's message id, once MESH has accepted the message. */
  messageId?: string;
  /** Missing only when the flow set it and the message is not in the flow. */
  localId?: string;
  to?: string;
  workflowId: string;
  bytes: number;
  /** Known from the first attempt on. */
  chunks?: number;
  /** `queued` or `accepted`; at Catch also `rejected`, `unknown`, `parked` or `dropped`. */
  status: string;
  /** The key is already in the outbox: nothing was sent, and this is the result of the first message. */
  repeated?: true;
  /** Outbox id of the message that this one resends. */
  resendOf?: string;
  /** A resend may arrive twice; any other message exceeds the size that its workflow recommends. */
  warning?: string;
}

/** Returns the state up to MESH's acceptance; mesh-track reports what follows. */
export function meshSent(
  message: OutboxMessage,
  more: Pick<MeshSent, 'to' | 'localId' | 'repeated' | 'warning'> = {},
): MeshSent {
  const { state, needsDecision } = message;
  // Unknown messages among them: the outbox still looks them up, and may find that MESH has accepted them.
  const isOpen = MAY_STILL_BE_ACCEPTED.includes(state) && !needsDecision;
  return { ...meshSentWithState(message), status: isOpen ? 'queued' : SENT_STATES[state].status, ...more };
}

/** Returns `msg.meshSent` with the outbox's own state, as alarms have it. */
export function meshSentWithState(message: OutboxMessage): MeshSent {
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
