/** A server that imitates MESH as a test wants it, mostly wrongly. It checks no token and records every request. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { serverCertificate } from './certificates';
import { listening } from './listening';

/** The response to one request. */
export interface HostileResponse {
  /** Default 200. */
  status?: number;
  /** A message or chunk has MESH's `Mex-MessageID` unless the headers have another, or an empty one for none. */
  headers?: Record<string, string | number>;
  /** The pieces are written one by one, with a pause after each. */
  body?: Buffer | Buffer[];
  /** The pause after a piece (milliseconds). Default 2. */
  every?: number;
  /** Called after each piece that the socket has accepted. */
  onWritten?: (bytes: number) => void;
  /**
   * What follows the body: `end` ends it properly (default), `break` breaks the connection, `hang` sends nothing more.
   * With `close` the response has no length, and the end of the connection ends the body.
   */
  ending?: 'end' | 'break' | 'hang' | 'close';
}

/** MESH's own 404. */
export const NO_SUCH_MESSAGE: HostileResponse = {
  status: 404,
  body: Buffer.from('{"detail":[{"event":"RECEIVE","code":"20","msg":"Message does not exist"}]}'),
};

/** A request as it arrived. */
interface RecordedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface HostileMesh {
  readonly url: string;
  readonly port: number;
  readonly ca: string;
  readonly seen: RecordedRequest[];
  /** Returns the number of requests with this method. */
  count(method: string): number;
  /** Returns the number of open connections. */
  connections(): number;
}

/**
 * Starts the server. `respond` gets each request and its number, from 1, among those with the same method and path. It
 * returns the response, or `hang` for none, or `break` to break the connection.
 */
export async function hostileMesh(
  respond: (request: RecordedRequest, number: number) => HostileResponse | 'hang' | 'break',
  tls: ServerOptions = {},
): Promise<HostileMesh> {
  const { ca, server: pair } = await serverCertificate();
  const seen: RecordedRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ ...pair, ...tls }, (request, response) => {
    void handle(request, response).catch(() => request.socket.destroy());
  });
  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const { method = '', url: path = '', headers } = request;
    const one = { method, path, headers, body: Buffer.concat(pieces) };
    seen.push(one);
    const reaction = respond(one, seen.filter((other) => other.method === method && other.path === path).length);
    if (reaction === 'hang') return;
    if (reaction === 'break') request.socket.destroy();
    else await write(response, { ...reaction, headers: withMessageId(one, reaction) });
  }
  const port = await listening(server, sockets);
  const count = (method: string): number => seen.filter((one) => one.method === method).length;
  return { url: `https://127.0.0.1:${port}`, port, ca, seen, count, connections: () => sockets.size };
}

/** Returns the headers of a response, with the id of the requested message: a response without it is not MESH's. */
function withMessageId(
  { method, path }: RecordedRequest,
  { headers = {} }: HostileResponse,
): Record<string, string | number> {
  const [, id] = /\/inbox\/([^/]+)(?:\/\d+)?$/.exec(path) ?? [];
  const { 'mex-messageid': own, ...others } = headers;
  if (own === '' || (own === undefined && (id === undefined || method === 'PUT'))) return others;
  return { 'mex-messageid': own ?? decodeURIComponent(id ?? ''), ...others };
}

async function write(
  response: ServerResponse,
  { status = 200, headers = {}, body = [], ending, every = 2, onWritten }: HostileResponse,
): Promise<void> {
  if (ending === 'close') response.useChunkedEncodingByDefault = false;
  response.writeHead(status, headers);
  response.flushHeaders();
  for (const piece of [body].flat()) {
    if (response.destroyed) return;
    await new Promise<void>((resolve) => response.write(piece, () => resolve()));
    onWritten?.(piece.length);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
  if (ending === 'break') response.destroy();
  else if (ending !== 'hang') response.end();
}
