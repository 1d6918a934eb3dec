/** One request, as far as it was understood. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { RegisteredMailbox } from './mailboxes';
import { Refusal, ValidationRefusal } from './refusal';

/** Version of the answer that the client asked for (mesh-api.yaml, "API Versioning"). */
export type ApiVersion = 1 | 2;

/** What an endpoint gets to see. */
export interface SandboxRequest {
  /** The body is read from here. */
  readonly raw: IncomingMessage;
  readonly headers: IncomingHttpHeaders;
  /** Parts of the path by name, percent-decoded. Hostile: none of them may become part of a file's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly version: ApiVersion;
}

/** A request that has shown a good token. */
export interface AuthorisedRequest extends SandboxRequest {
  readonly mailbox: RegisteredMailbox;
}

/**
 * The version that an `Accept` header asks for: 2 or 1 if it names MESH's media type so, else 1. Throws the 400 refusal
 * for any other version.
 */
export function acceptedVersion(accept: string | undefined): ApiVersion {
  const wanted = (accept ?? '')
    .split(/[,;]/)
    .map((part) => part.trim().toLowerCase())
    .find((part) => part.includes('vnd.mesh'));
  if (wanted === undefined || wanted === 'application/vnd.mesh.v1+json') return 1;
  if (wanted === 'application/vnd.mesh.v2+json') return 2;
  throw new Refusal(400, 'Accept header api format incorrect');
}

/** A header's value, trimmed; empty if it is not there. Characters are bytes (Latin-1), as Node hands them over. */
export function header(request: SandboxRequest, name: string): string {
  const value = request.headers[name.toLowerCase()];
  return (Array.isArray(value) ? value.join(', ') : (value ?? '')).trim();
}

/** A header that has to be there. Throws the 400 refusal. */
export function requiredHeader(request: SandboxRequest, name: string): string {
  const value = header(request, name);
  if (value === '') throw missing('header', name.toLowerCase());
  return value;
}

/** A parameter of the path in capitals: message ids are read in any case. */
export function upperParam(request: SandboxRequest, name: string): string {
  return param(request, name).toUpperCase();
}

/** A parameter of the path. */
export function param(request: SandboxRequest, name: string): string {
  return request.params[name] ?? '';
}

/** A whole number from the query or path within its limits. Throws the 400 refusal. */
export function integer(
  text: string | null | undefined,
  where: { loc: [string, string]; min: number; max: number; fallback?: number },
): number {
  if ((text === null || text === undefined) && where.fallback !== undefined) return where.fallback;
  const value = /^[+-]?\d{1,15}$/.test(text ?? '') ? Number(text) : Number.NaN;
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

/** A text from the query within its limits, in characters; undefined if it is not there. Throws the 400 refusal. */
export function queryText(request: SandboxRequest, name: string, min: number, max: number): string | undefined {
  const value = request.query.get(name);
  if (value === null) return undefined;
  if (value.length >= min && value.length <= max) return value;
  const msg = `String should have ${min} to ${max} characters`;
  const type = value.length < min ? 'string_too_short' : 'string_too_long';
  throw new ValidationRefusal({ loc: ['query', name], msg, type });
}

/** The problem of something that has to be there. */
export function missing(where: 'header' | 'query', name: string): ValidationRefusal {
  return new ValidationRefusal({ loc: [where, name], msg: 'Field required', type: 'missing' });
}

/** Reads a small JSON body, as the admin endpoints have it. Throws the 400 refusal; at most 1 MB. */
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
