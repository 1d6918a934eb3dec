/** A parsed request. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { RegisteredMailbox } from './mailboxes';
import { Refusal, ValidationRefusal } from './refusal';

/** The version of the response that the client requested (mesh-api.yaml, "API Versioning"). */
export type ApiVersion = 1 | 2;

/** The request that an endpoint receives. */
export interface SandboxRequest {
  /** The source of the body. */
  readonly raw: IncomingMessage;
  readonly headers: IncomingHttpHeaders;
  /** Named parts of the path, percent-decoded. Hostile: they must never become part of a file path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly version: ApiVersion;
}

/** A request with a valid token. */
export interface AuthorisedRequest extends SandboxRequest {
  readonly mailbox: RegisteredMailbox;
}

/**
 * Returns the version that an `Accept` header requests: 2 or 1 if it names MESH's media type, else 1. Like the NHS's
 * sandbox it reads one media type with its parameters, and no list of types (mesh-api.yaml shows one).
 * @throws Refusal 400 for any other version, and for a list with MESH's media type
 */
export function acceptedVersion(accept: string | undefined): ApiVersion {
  const requested = (accept ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase())
    .find((part) => part.includes('vnd.mesh'));
  if (requested === undefined || requested === 'application/vnd.mesh.v1+json') return 1;
  if (requested === 'application/vnd.mesh.v2+json') return 2;
  throw new Refusal(400, 'Accept header api format incorrect');
}

/** Returns the version of a response that no valid `Accept` header is needed for: a refusal, or a health check. */
export function versionOrFirst(accept: string | undefined): ApiVersion {
  try {
    return acceptedVersion(accept);
  } catch (error) {
    if (error instanceof Refusal) return 1;
    throw error;
  }
}

/**
 * Returns a header's value without spaces and tabs around it; empty if missing. Its characters are bytes, as Node
 * returns them, so that `trim` would cut a UTF-8 character which ends in the byte of a no-break space.
 */
export function header(request: SandboxRequest, name: string): string {
  const value = request.headers[name.toLowerCase()];
  return (Array.isArray(value) ? value.join(', ') : (value ?? '')).replace(/^[ \t]+|[ \t]+$/g, '');
}

/**
 * Returns a required header.
 * @throws ValidationRefusal (400) when it is missing
 */
export function requiredHeader(request: SandboxRequest, name: string): string {
  const value = header(request, name);
  if (value === '') throw missing('header', name.toLowerCase());
  return value;
}

/** Returns a parameter of the path in capitals: message ids may be in any case. */
export function upperParam(request: SandboxRequest, name: string): string {
  return param(request, name).toUpperCase();
}

/** Returns a parameter of the path. */
export function param(request: SandboxRequest, name: string): string {
  return request.params[name] ?? '';
}

/**
 * Parses a whole number of the query or path.
 * @throws ValidationRefusal (400) when it is invalid or out of its limits
 */
export function integer(
  text: string | null | undefined,
  where: { loc: [string, string]; min: number; max: number; fallback?: number },
): number {
  if ((text === null || text === undefined) && where.fallback !== undefined) return where.fallback;
  const value = /^[+-]?\d{1,300}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) {
    throw new ValidationRefusal({ loc: where.loc, msg: 'Input should be a valid integer', type: 'int_parsing' });
  }
  if (value < where.min || value > where.max) {
    const msg = `Input should be from ${where.min} to ${where.max}`;
    throw new ValidationRefusal({
      loc: where.loc,
      msg,
      type: value < where.min ? 'greater_than_equal' : 'less_than_equal',
    });
  }
  return value;
}

/**
 * Returns a text of the query; undefined if missing. Limits are in characters.
 * @throws ValidationRefusal (400) when it is shorter or longer than its limits
 */
export function queryText(request: SandboxRequest, name: string, min: number, max: number): string | undefined {
  const value = request.query.get(name);
  if (value === null) return undefined;
  if (value.length >= min && value.length <= max) return value;
  const msg = `String should have ${min} to ${max} characters`;
  const type = value.length < min ? 'string_too_short' : 'string_too_long';
  throw new ValidationRefusal({ loc: ['query', name], msg, type });
}

/** Returns the refusal for a missing header or parameter. */
export function missing(where: 'header' | 'query', name: string): ValidationRefusal {
  return new ValidationRefusal({ loc: [where, name], msg: 'Field required', type: 'missing' });
}

/**
 * Reads a JSON body of an admin endpoint.
 * @throws Refusal 413 for more than 1 MB, ValidationRefusal (400) for no JSON
 */
export async function jsonBody(request: SandboxRequest): Promise<unknown> {
  const slices: Buffer[] = [];
  let size = 0;
  for await (const slice of request.raw as AsyncIterable<Buffer>) {
    size += slice.length;
    if (size > 1_000_000) throw new Refusal(413, 'More than 1 MB of JSON');
    slices.push(slice);
  }
  try {
    return JSON.parse(Buffer.concat(slices).toString('utf8'));
  } catch {
    throw new ValidationRefusal({ loc: ['body'], msg: 'JSON decode error', type: 'json_invalid' });
  }
}
