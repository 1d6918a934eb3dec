/** The errors of MLLP. None carries a message, a control id, or anything else of a message's content. */
import { MeshError, type MeshErrorDetails } from '../errors';

/** The far side broke the framing: too many bytes, or an end block inside a message. */
export class MllpFrameError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_FRAME', 'never', message, details);
  }
}

/** A message is unfit for MLLP: not HL7 v2, no control id, bytes that MLLP reserves, characters that its set lacks. */
export class MllpMessageError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_INVALID_MESSAGE', 'never', message, details);
  }
}

/** The server cannot listen: the port is in use, not allowed, or the address is not one of this machine. */
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

/** The message was sent, and no acknowledgement came: the receiver may have it or not. */
export class MllpNoAcknowledgementError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_NO_ANSWER', 'unsafe', message, details);
  }
}

/** The queue of messages to send is full. This one was not queued. */
export class MllpQueueFullError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_QUEUE_FULL', 'safe', message, details);
  }
}

/** The client was closed before the message was acknowledged. `unsafe`: it may have been sent. */
export class MllpClosedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MLLP_CLOSED', 'unsafe', message, details);
  }
}
