/** Errors that only nodes raise. They are MeshErrors, so that the poller and report-error treat them alike. */
import { MeshError, type MeshErrorDetails } from '../../lib/index';

/** What a node would send to an output reaches no node that runs, so it was not sent: Node-RED would lose it. */
export class OutputNotWiredError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_OUTPUT_NOT_WIRED', 'safe', message, details);
  }
}

/** A message reached the mailbox's maximum number of deliveries without a mesh-ack. It is parked. */
export class NotAcknowledgedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_NOT_ACKNOWLEDGED', 'never', message, details);
  }
}

/** A received payload is not the text or JSON that the mesh-poll node expects. It is parked. */
export class DecodingError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_DECODING', 'never', message, details);
  }
}

/** Sending is paused. The messages are safe in the outbox; `code` is the code of the cause. */
export class SendingPausedError extends MeshError {
  constructor(code: string, message: string, details?: MeshErrorDetails) {
    super(code, 'safe', message, details);
  }
}

/**
 * A sent message needs a person's attention. `code` is the code of its failure, or MESH_OVERDUE, MESH_NEGATIVE_ANSWER
 * or MESH_DUPLICATE.
 */
export class AttentionError extends MeshError {
  constructor(code: string, message: string, details?: MeshErrorDetails) {
    super(code, 'never', message, details);
  }
}

/**
 * The flow did not respond to an HL7 v2 message in time. The sender got an error response, or its connection was
 * closed.
 */
export class NotAnsweredError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_NOT_ANSWERED', 'safe', message, details);
  }
}

/** A file in the MESH Client's folders needs a person's attention. */
export class FolderError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_FOLDER', 'never', message, details);
  }
}
