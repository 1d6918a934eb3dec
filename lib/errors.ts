/**
 * Every error that this library throws on purpose. Each class is one case that a caller can handle differently; `code`
 * is the stable name to switch on, `advice` says what to do next.
 *
 * No error carries a payload, a password, a shared key, a subject, a local id or a recipient address: GP Connect
 * prescribes demographics in `Mex-To` and `Mex-Subject`, and errors end up in logs (docs/design.md, rule 12).
 */

/**
 * Control characters, which forge lines of a log or act on a terminal; line separators, which do the same in some
 * viewers; marks that change the direction of what follows; halves of surrogate pairs.
 */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu;

/**
 * Returns the text with `?` in place of what cannot be shown safely in errors, logs and statuses (docs/design.md, rule
 * 13). Every error of this library applies it to its texts.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '?');
}

/**
 * What a caller may do after an error.
 * - `safe`: repeating the request cannot send anything twice.
 * - `unsafe`: MESH may already have acted; track the message before repeating the request.
 * - `never`: the same request will fail the same way; something must be changed first.
 */
export type Retry = 'safe' | 'unsafe' | 'never';

/** What an error carries besides its message. Every field is optional and free of patient data and secrets. */
export interface MeshErrorDetails {
  /** The underlying error, for developers. The nodes never show it to users. */
  cause?: unknown;
  /** What to do next, for the person who reads the error. */
  advice?: string;
  /** The mailbox that made the request. */
  mailboxId?: string;
  /** MESH's id of the message, if known. */
  messageId?: string;
  /** HTTP status of MESH's response. */
  status?: number;
  /** MESH's own error code, e.g. `12` or `EPL-151`. */
  meshCode?: string;
  /** MESH's event (step) that the code belongs to, e.g. `SEND`. */
  event?: string;
  /** MESH's own description of its code. */
  description?: string;
  /** How long MESH asked us to wait (`Retry-After`, milliseconds). */
  retryAfterMs?: number;
  /** The operation of mesh-api.yaml that failed, e.g. `send_message`. */
  operation?: string;
  /**
   * Whether what prevents the opening of a storage may end by itself. Default: for a StorageError only
   * (store/rules/opening.ts).
   */
  passes?: boolean;
}

/** The base class of every error here. */
export abstract class MeshError extends Error {
  /** Stable name of the kind of error, e.g. `MESH_REJECTED`. An own property, so that Node-RED's Catch copies it. */
  readonly code: string;
  /** Whether the request may be repeated. */
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
  readonly passes?: boolean;

  protected constructor(code: string, retry: Retry, message: string, details: MeshErrorDetails = {}) {
    super(printable(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.retry = retry;
    const { cause: _cause, ...rest } = details;
    // Ids, codes and descriptions may come from a server, a sender or a flow.
    for (const [name, value] of Object.entries(rest)) {
      Object.assign(this, { [name]: typeof value === 'string' ? printable(value) : value });
    }
  }
}

/** An option of {@link openMailbox}, `startSandbox` or the command line is missing or invalid. */
export class ConfigurationError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_CONFIGURATION', 'never', message, details);
  }
}

/** The message cannot be sent as it is: no recipient, a header that MESH would refuse, an empty payload. */
export class InvalidMessageError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_INVALID_MESSAGE', 'never', message, details);
  }
}

/**
 * The payload cannot be read: the file is missing, is not a regular file, is unreadable, or changed while it was sent.
 */
export class PayloadError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_PAYLOAD', 'never', message, details);
  }
}

/** MESH could not be reached, or the connection broke at a point where repeating is harmless. */
export class ConnectionError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails, code = 'MESH_CONNECTION') {
    super(code, 'safe', message, details);
  }
}

/**
 * The response is not MESH's: something between this machine and MESH responded in its place, e.g. a login page, a
 * firewall's own page, or a cache with another message. A fault of the connection, whatever its status (docs/design.md,
 * rule 2).
 */
export class ProtocolError extends ConnectionError {
  constructor(message: string, details?: MeshErrorDetails) {
    super(message, details, 'MESH_PROTOCOL');
  }
}

/** The TLS handshake failed: unknown issuer, wrong host name, expired or refused certificate. */
export class TlsError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_TLS', 'never', message, details);
  }
}

/** 403: MESH refuses this mailbox, password, shared key or clock, or the mailbox is disabled. */
export class AuthenticationError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_AUTHENTICATION', 'never', message, details);
  }
}

/** 400 or 417: MESH understood the request and refused it. `meshCode`, `event` and `description` say why. */
export class RejectedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_REJECTED', 'never', message, details);
  }
}

/** 404: MESH has no such message for this mailbox. */
export class NotFoundError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_NOT_FOUND', 'never', message, details);
  }
}

/** 410: MESH had the message, but it has expired or failed. */
export class GoneError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_GONE', 'never', message, details);
  }
}

/** 423: MESH already has every chunk of the message and accepts no more. */
export class MessageCompleteError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_MESSAGE_COMPLETE', 'never', message, details);
  }
}

/** 300: several messages have this local id, so it identifies none of them. */
export class LocalIdNotUniqueError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_LOCAL_ID_NOT_UNIQUE', 'never', message, details);
  }
}

/** 425, 429, 500, 502, 503 or 504 after the last attempt: MESH cannot process the request at the moment. */
export class UnavailableError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_UNAVAILABLE', 'safe', message, details);
  }
}

/**
 * The response to a whole message's POST was lost: MESH may or may not have accepted it. It must not be repeated
 * blindly (docs/design.md, rule 1): track it by its local id before sending it again.
 */
export class UnknownOutcomeError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails, code = 'MESH_UNKNOWN_OUTCOME') {
    super(code, 'unsafe', message, details);
  }
}

/**
 * The disk or the database failed during a commit, and it could not be found out whether it was made: the storage may
 * or may not have the change (docs/design.md, rule 5). Look before repeating it, or repeat it with a key ("once per
 * key").
 */
export class UnknownCommitError extends UnknownOutcomeError {
  constructor(message: string, details?: MeshErrorDetails) {
    super(message, details, 'MESH_UNKNOWN_COMMIT');
  }
}

/** MESH lists a message again that was received and acknowledged before. It is not delivered twice. */
export class DuplicateOfferError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_OFFERED_AGAIN', 'never', message, details);
  }
}

/**
 * The download is incomplete or corrupt: a short body, a broken gzip, a missing or unexpected chunk. Not acknowledged.
 */
export class DownloadError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_DOWNLOAD', 'safe', message, details);
  }
}

/**
 * The message is larger than a limit. Receiving: larger than may be held in memory or expanded (not acknowledged).
 * Sending: larger than one request when chunks are not allowed (nothing was sent).
 */
export class TooLargeError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_TOO_LARGE', 'never', message, details);
  }
}

/** A received file could not be written: folder missing, no permission, disk full. Not acknowledged. */
export class StorageError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_STORAGE', 'safe', message, details);
  }
}

/**
 * A payload cannot be parsed as HL7 v2, EDIFACT, FHIR or an acknowledgement, or exceeds the limits that keep a hostile
 * payload from filling the memory. The message text quotes nothing of the payload.
 */
export class UnreadableError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_UNREADABLE', 'never', message, details);
  }
}

/** The caller's AbortSignal or the mailbox's close ended the operation before it could have taken effect. */
export class AbortedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_ABORTED', 'safe', message, details);
  }
}

/** The outbox is full: too many messages or bytes are queued, or the disk is nearly full. Nothing was queued. */
export class OutboxFullError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_OUTBOX_FULL', 'safe', message, details);
  }
}

/**
 * The key of a message ("once per key") belongs to an earlier message with another recipient, workflow or content.
 * Nothing was stored: the earlier message does not stand for this one.
 */
export class KeyReusedError extends MeshError {
  constructor(message: string, details?: MeshErrorDetails) {
    super('MESH_KEY_REUSED', 'never', message, details);
  }
}

/**
 * A queued message was not sent: MESH rejected it, its payload can no longer be read, it was dropped, or its outcome is
 * unknown. `code` is that of the failure itself, e.g. `MESH_REJECTED`.
 */
export class NotSentError extends MeshError {
  constructor(code: string, message: string, details?: MeshErrorDetails) {
    super(code, code === 'MESH_UNKNOWN_OUTCOME' ? 'unsafe' : 'never', message, details);
  }
}
