/** What can go wrong with MLLP. No error carries a message, a control id, or anything else of a message's content. */
import { MeshError, type MeshErrorDetails } from '../errors';

/** The far side broke the framing: too many bytes, or an end block in the middle of a message. */
export class MllpFrameError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_FRAME', 'never', message, details);
  }
}

/** A message is not fit for MLLP: no HL7 v2, no control id, bytes that MLLP reserves, characters that its set has not. */
export class MllpMessageError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_INVALID_MESSAGE', 'never', message, details);
  }
}

/** The port cannot be listened on: in use, not allowed, or not an address of this machine. */
export class MllpListenError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_LISTEN', 'safe', message, details);
  }
}

/** The receiver was not reached. Nothing was sent. */
export class MllpConnectionError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_CONNECTION', 'safe', message, details);
  }
}

/** The TLS handshake failed: unknown issuer, wrong host name, expired, refused or missing certificate. */
export class MllpTlsError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_TLS', 'safe', message, details);
  }
}

/** The message was sent, and no answer to it came: the receiver may have it or not. */
export class MllpNoAnswerError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_NO_ANSWER', 'unsafe', message, details);
  }
}

/** Too many messages wait to be sent. This one was not taken. */
export class MllpQueueFullError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_QUEUE_FULL', 'safe', message, details);
  }
}

/** The client was closed before the message was answered. `unsafe` where it was on its way. */
export class MllpClosedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_CLOSED', 'unsafe', message, details);
  }
}
