/**
 * A server that plays MESH as the test wants it, mostly wrongly: it checks no token, and answers whatever it is told to.
 * It remembers every request.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import { serverCertificate } from './certificates';
import { listening } from './listening';

/** What it answers to one request. */
export interface Answer {
  /** Default 200. */
  status?: number;
  headers?: Record<string, string | number>;
  /** Written piece by piece, with a moment in between. */
  body?: Buffer | Buffer[];
  /** Between two pieces (milliseconds). Default 2. */
  every?: number;
  /** Told of each piece that the socket has taken. */
  onWritten?: (bytes: number) => void;
  /**
   * After the body: `end` it properly (default), `break` the connection, or `hang` without another byte. `close`: no length is
   * given at all, and the end of the connection ends the body.
   */
  ending?: 'end' | 'break' | 'hang' | 'close';
}

/** A request as it came. */
export interface Seen {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A running one. */
export interface HostileMesh {
  readonly url: string;
  readonly port: number;
  readonly ca: string;
  readonly seen: Seen[];
  /** Requests with this method. */
  count(method: string): number;
  /** Connections that are open. */
  connections(): number;
}

/** `answer` gets each request and its number, from 1, among those of the same method and path; `hang`: no answer at all. */
export async function hostileMesh(
  answer: (request: Seen, number: number) => Answer | 'hang' | 'break',
  tls: ServerOptions = {},
): Promise<HostileMesh> {
  const { ca, server: pair } = await serverCertificate();
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ ...pair, ...tls }, (request, response) => {
    void respond(request, response).catch(() => request.socket.destroy());
  });
  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const { method = '', url: path = '', headers } = request;
    const one = { method, path, headers, body: Buffer.concat(pieces) };
    seen.push(one);
    const told = answer(one, seen.filter((other) => other.method === method && other.path === path).length);
    if (told === 'hang') return;
    if (told === 'break') request.socket.destroy();
    else await write(response, told);
  }
  const port = await listening(server, sockets);
  const count = (method: string): number => seen.filter((one) => one.method === method).length;
  return { url: `https://127.0.0.1:${port}`, port, ca, seen, count, connections: () => sockets.size };
}

async function write(
  response: ServerResponse,
  { status = 200, headers = {}, body = [], ending, every = 2, onWritten }: Answer,
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
