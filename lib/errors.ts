/**
 * Every error that this library throws on purpose. One class for each thing that a caller can do something different
 * about; `code` is the stable name to switch on, `advice` one sentence that tells a person what to do.
 *
 * No error carries a payload, a password, a shared key, a subject, a local id or a recipient address: GP Connect
 * prescribes demographics in `Mex-To` and `Mex-Subject`, and errors end in logs (DESIGN.md, rule 9).
 */

/**
 * What a caller may do after an error.
 * - `safe`: doing the same again cannot send anything twice.
 * - `unsafe`: MESH may already have done it; ask (track) before you repeat.
 * - `never`: the same request will fail the same way; something has to be changed first.
 */
export type Retry = 'safe' | 'unsafe' | 'never';

/** What an error may tell besides its message. Every field is optional and free of patient data and secrets. */
export interface MeshErrorDetails {
  /** The error below this one, for developers. Never shown to users by the nodes. */
  cause?: unknown;
  /** One sentence for a person: what to do now. */
  advice?: string;
  /** The mailbox on whose behalf the request was made. */
  mailboxId?: string;
  /** MESH's id of the message, where there is one. */
  messageId?: string;
  /** HTTP status that MESH answered. */
  status?: number;
  /** MESH's own error code, e.g. `12` or `EPL-151`. */
  meshCode?: string;
  /** MESH's event (the step) that the code belongs to, e.g. `SEND`. The same code means other things elsewhere. */
  event?: string;
  /** MESH's own description of its code. */
  description?: string;
  /** Milliseconds that MESH asked us to wait (`Retry-After`). */
  retryAfterMs?: number;
  /** The operation of mesh-api.yaml that failed, e.g. `send_message`. */
  operation?: string;
}

/** The base of every error here. Also thrown by itself for none of the cases below: never. */
export abstract class MeshError extends Error {
  /** Stable name of the kind of error, e.g. `MESH_REJECTED`. An own property, so that Node-RED's Catch copies it. */
  readonly code: string;
  /** Whether the same may be done again. */
  readonly retry: Retry;
  readonly advice?: string;
  readonly mailboxId?: string;
  readonly messageId?: string;
  readonly status?: number;
  readonly meshCode?: string;
  readonly event?: string;
  readonly description?: string;
  readonly retryAfterMs?: number;
  readonly operation?: string;

  protected constructor(code: string, retry: Retry, message: string, details: MeshErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.retry = retry;
    const { cause: _cause, ...rest } = details;
    Object.assign(this, rest);
  }
}

/** An option of {@link openMailbox} or `startSandbox` is missing or wrong. */
export class ConfigurationError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_CONFIGURATION', 'never', message, details);
  }
}

/** A message cannot be sent as it is: a missing recipient, a header that MESH would refuse, an empty payload. */
export class InvalidMessageError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_INVALID_MESSAGE', 'never', message, details);
  }
}

/** The payload cannot be read: the file is not there, is no file, is not readable, or changed while it was sent. */
export class PayloadError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_PAYLOAD', 'never', message, details);
  }
}

/** MESH was not reached, or the connection broke where repeating is harmless. */
export class ConnectionError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_CONNECTION', 'safe', message, details);
  }
}

/** The TLS handshake failed: unknown issuer, wrong host name, expired or refused certificate. */
export class TlsError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_TLS', 'never', message, details);
  }
}

/** 403: MESH does not accept this mailbox, password, shared key or clock, or the mailbox is disabled. */
export class AuthenticationError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_AUTHENTICATION', 'never', message, details);
  }
}

/** 400 or 417: MESH understood the request and refuses it. `meshCode`, `event` and `description` say why. */
export class RejectedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_REJECTED', 'never', message, details);
  }
}

/** 404: MESH has no such message (for this mailbox). */
export class NotFoundError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_NOT_FOUND', 'never', message, details);
  }
}

/** 410: the message was there and is gone: expired, or failed. */
export class GoneError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_GONE', 'never', message, details);
  }
}

/** 423: all chunks of the message are there already; MESH takes no more. */
export class MessageCompleteError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_MESSAGE_COMPLETE', 'never', message, details);
  }
}

/** 300: several messages carry this local id, so it names none of them. */
export class LocalIdNotUniqueError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_LOCAL_ID_NOT_UNIQUE', 'never', message, details);
  }
}

/** 425, 429, 500, 502, 503 or 504 after every attempt: MESH did not do it now. */
export class UnavailableError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_UNAVAILABLE', 'safe', message, details);
  }
}

/**
 * The answer to a whole message's POST was lost: MESH may have accepted it or not. Nobody may repeat it blindly
 * (DESIGN.md, rule 1). Track it by its local id before you send it again.
 */
export class UnknownOutcomeError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_UNKNOWN_OUTCOME', 'unsafe', message, details);
  }
}

/** What was downloaded is not whole: a short body, a broken gzip, a missing or unexpected chunk. Not acknowledged. */
export class DownloadError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_DOWNLOAD', 'safe', message, details);
  }
}

/**
 * The message is larger than the limit: received, for what may be held in memory or expanded (not acknowledged); to be sent,
 * for one request where it may not go in chunks (nothing was sent).
 */
export class TooLargeError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_TOO_LARGE', 'never', message, details);
  }
}

/** A received file could not be written: no such folder, no permission, disk full. Not acknowledged. */
export class StorageError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_STORAGE', 'safe', message, details);
  }
}

/**
 * A payload is not what it should be: no HL7 v2, EDIFACT, FHIR or acknowledgement that can be read, or one beyond the
 * limits that keep a hostile payload from filling the memory. Nothing of the payload is in the text.
 */
export class UnreadableError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_UNREADABLE', 'never', message, details);
  }
}

/** MESH answered something that the specification does not have. */
export class ProtocolError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_PROTOCOL', 'never', message, details);
  }
}

/** The caller's AbortSignal, or the mailbox's close, ended the operation before anything could have taken effect. */
export class AbortedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_ABORTED', 'safe', message, details);
  }
}

/** The outbox takes no more: too many messages or bytes wait, or the disk is nearly full. Nothing was taken. */
export class OutboxFullError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_OUTBOX_FULL', 'safe', message, details);
  }
}

/**
 * A message of the outbox is not sent as it is: MESH rejected it, its payload cannot be read any more, it was dropped, or
 * nobody can tell whether it was sent. `code` is that of the failure itself, e.g. `MESH_REJECTED`.
 */
export class NotSentError extends MeshError {
  constructor(code: string, message: string, details?: MeshErrorDetails) {
    super(code, code === 'MESH_UNKNOWN_OUTCOME' ? 'unsafe' : 'never', message, details);
  }
}
