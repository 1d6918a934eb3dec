/** A proxy in front of the sandbox that keeps every request and answer, whole. Plain HTTP: it is about what is said. */
import { createServer, request as forward, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Sandbox } from '../../lib/sandbox';

export interface Recorded {
  /** Whether our client made the request; else the test made it, and only the answer is looked at. */
  byClient: boolean;
  method: string;
  path: string;
  requestHeaders: IncomingHttpHeaders;
  requestBytes: number;
  status: number;
  responseHeaders: IncomingHttpHeaders;
  body: Buffer;
}

export interface Recorder {
  readonly url: string;
  readonly all: Recorded[];
  close(): Promise<void>;
}

export async function recorderFor(sandbox: Sandbox): Promise<Recorder> {
  const all: Recorded[] = [];
  const { port } = new URL(sandbox.url);
  const server = createServer((incoming, outgoing) => {
    const { method = '', url: path = '', headers } = incoming;
    let requestBytes = 0;
    incoming.on('data', (piece: Buffer) => (requestBytes += piece.length));
    const passed = forward({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => {
        const body = Buffer.concat(pieces);
        const byClient = /node-red-nhs-mesh/.test(headers['user-agent'] ?? '');
        const { statusCode: status = 0, headers: responseHeaders } = answer;
        all.push({ byClient, method, path, requestHeaders: headers, requestBytes, status, responseHeaders, body });
        outgoing.writeHead(status, answer.rawHeaders).end(body);
      });
    });
    passed.on('error', () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    all,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
