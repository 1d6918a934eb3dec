/** Single HTTPS requests, right or wrong on purpose, past every check of our client. */
import { request as httpsRequest } from 'node:https';
import { authorizationToken } from '../../../lib/protocol/authorization';

/** One request. */
export interface RawRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  /** Makes a fresh token of this mailbox. */
  as?: { mailboxId: string; password: string; sharedKey: string };
}

/** What came back. `json`: the body, if it is JSON. */
export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  json: unknown;
}

/** Sends it on a connection of its own. */
export function rawRequest(
  { url, tls }: { url: string; tls: { ca: string; cert: string; key: string } },
  { method, path, headers = {}, body, as }: RawRequest,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      `${url}${path}`,
      {
        ...tls,
        method,
        agent: false,
        headers: {
          ...(as ? { Authorization: authorizationToken(as) } : {}),
          ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
          ...headers,
        },
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.once('error', reject);
        response.once('end', () => {
          const bytes = Buffer.concat(pieces);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: bytes,
            json: jsonOf(bytes, response.headers['content-type']),
          });
        });
      },
    );
    request.once('error', reject);
    request.end(body);
  });
}

function jsonOf(bytes: Buffer, contentType: string | undefined): unknown {
  return bytes.length > 0 && contentType?.includes('json') ? JSON.parse(bytes.toString('utf8')) : undefined;
}
