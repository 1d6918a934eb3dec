/** What stands between us and MESH: a TCP gate that can be shut, and a proxy that breaks off what a test names. */
import type { IncomingMessage } from 'node:http';
import { createServer, request as forward } from 'node:https';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import type { Sandbox } from '../../lib/sandbox/index';
import { serverCertificate } from './certificates';
import { listening } from './listening';

/** A gate. */
export interface Gate {
  readonly url: string;
  readonly ca: string;
  shut(): void;
  open(): void;
  /** Connections that were tried. */
  readonly knocks: () => number;
}

/** Shut, it breaks every connection and takes no new one. */
export async function gateTo(sandbox: Sandbox & { ca: string }): Promise<Gate> {
  let isOpen = true;
  let knocks = 0;
  const sockets = new Set<Socket>();
  const { port, protocol } = new URL(sandbox.url);
  const server = createTcpServer((socket) => {
    knocks += 1;
    if (!isOpen) {
      socket.destroy();
      return;
    }
    const target = connect(Number(port), '127.0.0.1');
    target.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => target.destroy());
    socket.pipe(target).pipe(socket);
  });
  const gate = await listening(server, sockets);
  return {
    url: `${protocol}//127.0.0.1:${gate}`,
    ca: sandbox.ca,
    shut() {
      isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
    open() {
      isOpen = true;
    },
    knocks: () => knocks,
  };
}

/**
 * What the proxy does with a request: hands it on, breaks it off before its body, answers a status, never answers it (`hold`:
 * the server has not seen it; `swallow`: it has, and has answered).
 */
export type Decision = 'pass' | 'break' | 'hold' | 'swallow' | number;

/** Where the proxy hands requests on. `cert` and `key`: for a server that wants a client certificate. */
export type Judged = Pick<Sandbox, 'url'> & { ca: string; cert?: string; key?: string };

/** An HTTPS proxy in front of the sandbox that judges each request by its head. `answered`: told when the server has. */
export async function decideBefore(
  sandbox: Judged,
  decide: (request: IncomingMessage) => Decision,
  answered: (request: IncomingMessage) => void = () => undefined,
): Promise<{ url: string; ca: string }> {
  const { ca, server: pair } = await serverCertificate();
  const server = createServer(pair, (request, response) => {
    const decision = decide(request);
    if (decision === 'break') {
      request.socket.destroy();
      return;
    }
    if (decision === 'hold') return;
    if (typeof decision === 'number') {
      request.resume().on('end', () => response.writeHead(decision).end('{}'));
      return;
    }
    const { method, url, headers } = request;
    const { ca: theirs, cert, key } = sandbox;
    const onward = forward(new URL(url ?? '/', sandbox.url), { method, headers, ca: theirs, cert, key }, (answer) => {
      answered(request);
      if (decision === 'swallow') {
        answer.resume();
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.on('error', () => onward.destroy()).pipe(onward);
  });
  return { url: `https://127.0.0.1:${await listening(server)}`, ca };
}
