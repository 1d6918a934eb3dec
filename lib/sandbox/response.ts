/** The responses of endpoints, and errors in versions 1 and 2. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { Refusal, ServerFailure, ValidationRefusal } from './refusal';
import type { ApiVersion } from './request';

/** The response to one request. */
export interface SandboxResponse {
  status: number;
  headers: OutgoingHttpHeaders;
  /** The whole body, or a function that opens it; empty if missing. */
  body?: Buffer | (() => Promise<Readable>);
}

/** The media types of both versions (mesh-api.yaml, "API Versioning"). */
const MEDIA_TYPES: Record<ApiVersion, string> = { 1: 'application/json', 2: 'application/vnd.mesh.v2+json' };

/** Returns a JSON response in the version's media type. Undefined fields are left out. */
export function json(status: number, body: unknown, version: ApiVersion = 1): SandboxResponse {
  const bytes = Buffer.from(JSON.stringify(body));
  return { status, headers: { 'Content-Type': MEDIA_TYPES[version], 'Content-Length': bytes.length }, body: bytes };
}

/** Returns a response without a body. */
export function empty(status: number, headers: OutgoingHttpHeaders = {}): SandboxResponse {
  return { status, headers: { ...headers, 'Content-Length': 0 } };
}

/** Returns the response for an endpoint's error. A person would quote `internalId` to the service desk. */
export function errorResponse(error: unknown, version: ApiVersion, internalId: string): SandboxResponse {
  if (error instanceof ValidationRefusal) return json(400, { detail: error.problems });
  if (error instanceof ServerFailure) return json(500, { internal_id: internalId, message: error.message });
  if (!(error instanceof Refusal)) {
    // E.g. ENOSPC; the message itself could contain a path.
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
