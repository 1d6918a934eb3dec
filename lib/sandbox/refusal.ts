/**
 * The sandbox's refusals, with status, event, code and description. Sources: mesh-api.yaml, "Error codes" and the
 * responses of each operation; where these say nothing, the behaviour of the NHS's own sandbox.
 */

/** Thrown by an endpoint to end a request; the dispatcher turns it into a response of version 1 or 2. */
export class Refusal extends Error {
  readonly status: number;
  /** MESH's event (step) and code, empty if there is none; and the id of the message, if any. */
  readonly event: string;
  readonly code: string;
  readonly messageId: string | undefined;
  /** More fields of a version 1 error, such as the names of bad headers. */
  readonly extra: Record<string, unknown> | undefined;

  constructor(
    status: number,
    description: string,
    details: { event?: string; code?: string; messageId?: string; extra?: Record<string, unknown> } = {},
  ) {
    super(description);
    this.name = 'Refusal';
    this.status = status;
    this.event = details.event ?? '';
    this.code = details.code ?? '';
    this.messageId = details.messageId;
    this.extra = details.extra;
  }
}

/** One problem of a 400 validation error (mesh-api.yaml, HTTPValidationError). */
export interface ValidationProblem {
  loc: Array<string | number>;
  msg: string;
  type: string;
}

/** 400: a parameter or header is missing, too long or of the wrong type. Versions 1 and 2 have the same body. */
export class ValidationRefusal extends Error {
  readonly problems: ValidationProblem[];

  constructor(...problems: ValidationProblem[]) {
    super('Validation Error');
    this.name = 'ValidationRefusal';
    this.problems = problems;
  }
}

/** 500: the server cannot do what the request asks. Versions 1 and 2 have the same body, with the message. */
export class ServerFailure extends Error {}

/** 403 for any reason; the description gives it. */
export const forbidden = (description: string): Refusal => new Refusal(403, description);

/** 404 with code 20: this mailbox has no such message. */
export const noSuchMessage = (messageId?: string): Refusal =>
  new Refusal(404, 'Message does not exist', {
    event: 'RECEIVE',
    code: '20',
    ...(messageId === undefined ? {} : { messageId }),
  });

/** 410: the message was acknowledged, expired, failed, or is still being uploaded. */
export const messageGone = (messageId: string): Refusal =>
  new Refusal(410, 'Message no longer available for download', {
    event: 'SEND',
    code: 'Message already accepted',
    messageId,
  });

/** 417: send_message or send_chunk rejects the message. */
export const rejected = (event: string, code: string, description: string, messageId?: string): Refusal =>
  new Refusal(417, description, { event, code, ...(messageId === undefined ? {} : { messageId }) });

/** 417: `Mex-Chunk-Range` is missing, malformed, or not that of the next chunk. */
export const badChunkRange = (messageId?: string): Refusal =>
  rejected('SEND', 'InvalidHeaderChunks', 'Invalid chunk values sent in mex-Chunk-Range header', messageId);

/** 417: the body is empty. */
export const emptyBody = (messageId?: string): Refusal =>
  rejected('COLLECT', '02', 'Data file is missing or inaccessible.', messageId);

/** 400: a header has control characters, or the request is no HTTP. 431: its headers are too large. */
export const malformedHead = (status: 400 | 431): Refusal =>
  new Refusal(status, 'MalformedControlFile', { event: 'TRANSFER', code: '06' });

/** 413: the body is larger than one request may be. */
export const bodyTooLarge = (maxBytes: number): Refusal =>
  new Refusal(413, `The body is larger than ${maxBytes} bytes, the most that MESH takes in one request`);
