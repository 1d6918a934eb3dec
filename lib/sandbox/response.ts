/** What an endpoint answers, and how errors look in versions 1 and 2. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Refusal, ValidationRefusal } from './refusal';
import type { ApiVersion } from './request';

/** One answer. */
export interface Answer {
  status: number;
  headers: OutgoingHttpHeaders;
  /** The whole body, or what opens it; none: an empty one. */
  body?: Buffer | (() => Promise<Readable>);
}

/** mesh-api.yaml, "API Versioning". */
const MEDIA_TYPES: Record<ApiVersion, string> = { 1: 'application/json', 2: 'application/vnd.mesh.v2+json' };

/** An answer of JSON, in the version's media type. Fields that are undefined are left out. */
export function json(status: number, body: unknown, version: ApiVersion = 1): Answer {
  const bytes = Buffer.from(JSON.stringify(body));
  return { status, headers: { 'Content-Type': MEDIA_TYPES[version], 'Content-Length': bytes.length }, body: bytes };
}

/** An answer without a body. */
export function empty(status: number, headers: OutgoingHttpHeaders = {}): Answer {
  return { status, headers: { ...headers, 'Content-Length': 0 } };
}

/** The answer to an error that an endpoint threw. `internalId` is what a person would quote to the service desk. */
export function errorAnswer(error: unknown, version: ApiVersion, internalId: string): Answer {
  if (error instanceof ValidationRefusal) return json(400, { detail: error.problems });
  if (!(error instanceof Refusal)) {
    // E.g. ENOSPC; the message itself could tell a path.
    const { code = 'a defect, please report it' } = error as { code?: string };
    return json(500, { internal_id: internalId, message: `The sandbox failed: ${code}` });
  }
  if (version === 1) {
    return json(error.status, {
      messageID: error.messageId,
      errorEvent: error.event,
      errorCode: error.code,
      errorDescription: error.message,
      ...error.extra,
    });
  }
  const detail = [{ event: error.event, code: error.code, msg: error.message }];
  return json(error.status, { message_id: error.messageId, internal_id: internalId, detail }, 2);
}
