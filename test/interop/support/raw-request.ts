/** Single HTTPS requests, valid or deliberately invalid, without any check of our client. */
import { request as httpsRequest } from 'node:https';
import { authorizationToken } from '../../../lib/protocol/authorization';

export interface RawRequest {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  /** The mailbox whose new token the request has. */
  as?: { mailboxId: string; password: string; sharedKey: string };
}

/** A response. `json` is the parsed body, if it is JSON. */
export interface RawResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  json: unknown;
}

/** Sends a request on its own connection. */
export function rawRequest(
  { url, tls }: { url: string; tls: { ca: string; cert: string; key: string } },
  { method, path, headers = {}, body, as }: RawRequest,
): Promise<RawResponse> {
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
