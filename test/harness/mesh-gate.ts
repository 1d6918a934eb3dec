/**
 * What stands between us and MESH: a TCP gate that a test can shut, and a proxy that interferes with single requests.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as forward } from 'node:https';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { Sandbox } from '../../lib/sandbox/index';
import { serverCertificate } from './certificates';
import { listening } from './listening';

interface Gate {
  readonly url: string;
  readonly ca: string;
  /** Breaks every connection and accepts no new one. */
  shut(): void;
  open(): void;
  /** Returns how many connections were tried. */
  readonly attempts: () => number;
}

/** Starts an open gate in front of a sandbox. */
export async function gateTo(sandbox: Sandbox & { ca: string }): Promise<Gate> {
  let isOpen = true;
  let attempts = 0;
  const sockets = new Set<Socket>();
  const { port, protocol } = new URL(sandbox.url);
  const server = createTcpServer((socket) => {
    attempts += 1;
    if (!isOpen) {
      socket.destroy();
      return;
    }
    const target = connect(Number(port), '127.0.0.1');
    target.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => target.destroy());
    socket.pipe(target).pipe(socket);
  });
  const gatePort = await listening(server, sockets);
  return {
    url: `${protocol}//127.0.0.1:${gatePort}`,
    ca: sandbox.ca,
    shut() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
    open() {
      isOpen = true;
    },
    attempts: () => attempts,
  };
}

/**
 * What the proxy does with a request: `pass` forwards it, `break` ends the connection before the body, a number is the
 * status of the response, and a page is the proxy's own, with its status; after `instead`, the server has the request as
 * well. The client gets no response after `hold`, which keeps the request from the server, and after `swallow`, which
 * drops the server's response.
 */
export type Interference = 'pass' | 'break' | 'hold' | 'swallow' | number | Page;

/** A page that a proxy, a firewall or a login portal sends in place of the server's response. */
interface Page {
  status: number;
  /** True if the request goes to the server as well, which acts on it. */
  instead?: boolean;
}

/** The server behind the proxy. `cert` and `key` are for a server that requires a client certificate. */
type Upstream = Pick<Sandbox, 'url'> & { ca: string; cert?: string; key?: string };

/**
 * Starts an HTTPS proxy in front of a server. `decide` is called with the head of each request, which waits for it;
 * `onResponse` is called when the server has responded.
 */
export async function interceptingProxy(
  upstream: Upstream,
  decide: (request: IncomingMessage) => Interference | Promise<Interference>,
  onResponse: (request: IncomingMessage) => void = () => undefined,
): Promise<{ url: string; ca: string }> {
  const { ca, server: pair } = await serverCertificate();
  const interfere = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const decision = await decide(request);
    if (decision === 'break') {
      request.socket.destroy();
      return;
    }
    if (decision === 'hold') return;
    if (typeof decision === 'number') {
      request.resume().on('end', () => response.writeHead(decision).end('{}'));
      return;
    }
    const page = typeof decision === 'object' ? decision : undefined;
    const sendPage = ({ status }: Page): unknown =>
      response.writeHead(status, { 'content-type': 'text/html' }).end(status === 204 || status === 304 ? '' : '<html>');
    if (page && !page.instead) {
      request.resume().on('end', () => sendPage(page));
      return;
    }
    const { method, url, headers } = request;
    const { ca: upstreamCa, cert, key } = upstream;
    const options = { method, headers, ca: upstreamCa, cert, key };
    const forwarded = forward(new URL(url ?? '/', upstream.url), options, (received) => {
      onResponse(request);
      if (decision === 'swallow') {
        received.resume();
        return;
      }
      if (page) {
        received.resume().on('end', () => sendPage(page));
        return;
      }
      response.writeHead(received.statusCode ?? 502, received.headers);
      received.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    request.on('error', () => forwarded.destroy()).pipe(forwarded);
  };
  const server = createServer(pair, (request, response) => void interfere(request, response));
  return { url: `https://127.0.0.1:${await listening(server)}`, ca };
}
