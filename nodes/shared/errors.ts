/** Errors that only a flow can make. They are MeshErrors, so that the poller and report-error treat them as such. */
import { MeshError, type MeshErrorDetails } from '../../lib/index';

/** A message came for an output of mesh-poll that nothing is wired to. It stays unacknowledged. */
export class OutputNotWiredError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_OUTPUT_NOT_WIRED', 'safe', message, details);
  }
}

/** A message was delivered as often as the mailbox allows, and no mesh-ack came. It is parked. */
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

/** Nothing is sent for now. The messages are safe in the outbox; `code` is that of the cause. */
export class SendingPausedError extends MeshError {
  constructor(code: string, message: string, details?: MeshErrorDetails) {
    super(code, 'safe', message, details);
  }
}

/**
 * Something became of a sent message that a person has to know; `code` is that of the failure, MESH_OVERDUE, MESH_NEGATIVE_ANSWER or
 * MESH_DUPLICATE.
 */
export class AttentionError extends MeshError {
  constructor(code: string, message: string, details?: MeshErrorDetails) {
    super(code, 'never', message, details);
  }
}

/** The flow gave no answer to an HL7 v2 message in time. The sender was told so, or was hung up on. */
export class NotAnsweredError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_NOT_ANSWERED', 'safe', message, details);
  }
}

/** Something in the MESH Client's folders needs a person. */
export class FolderError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_FOLDER', 'never', message, details);
  }
}
