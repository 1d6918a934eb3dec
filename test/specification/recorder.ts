/** A proxy in front of the sandbox that records every request and response. Plain HTTP: only the contents matter. */
import { createServer, request as forward, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Sandbox } from '../../lib/sandbox';

export interface Recorded {
  /** Whether our client made the request; otherwise the test made it, and only the response is checked. */
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
    const forwarded = forward({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('end', () => {
        const body = Buffer.concat(pieces);
        const byClient = /node-red-nhs-mesh/.test(headers['user-agent'] ?? '');
        const { statusCode: status = 0, headers: responseHeaders } = response;
        all.push({ byClient, method, path, requestHeaders: headers, requestBytes, status, responseHeaders, body });
        outgoing.writeHead(status, response.rawHeaders).end(body);
      });
    });
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
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
