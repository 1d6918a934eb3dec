/** An HTTP proxy for CONNECT requests only, with or without credentials. */
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { listening } from './listening';

interface ConnectProxy {
  readonly url: string;
  /** The `host:port` of every tunnel that was opened. */
  readonly tunnels: string[];
  /** Returns how many requests were refused with 407. */
  readonly refused: () => number;
}

/**
 * Starts a proxy. It refuses requests without these `credentials` (`user:password`), if any; with `answer` it sends that
 * to every CONNECT, and opens no tunnel.
 */
export async function connectProxy(credentials?: string, answer?: string): Promise<ConnectProxy> {
  const tunnels: string[] = [];
  let refused = 0;
  const sockets = new Set<Socket>();
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (request, client: Socket) => {
    const expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
    if (expected && request.headers['proxy-authorization'] !== expected) {
      refused += 1;
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n');
      return;
    }
    if (answer !== undefined) {
      refused += 1;
      client.end(answer);
      return;
    }
    const { hostname, port } = new URL(`tcp://${request.url ?? ''}`);
    tunnels.push(request.url ?? '');
    const target = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    sockets.add(target);
    target.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('close', () => target.destroy());
  });
  const port = await listening(server, sockets);
  return {
    url: `http://127.0.0.1:${port}`,
    tunnels,
    refused: () => refused,
  };
}
