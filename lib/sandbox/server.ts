/** The sandbox's HTTP(S) server: listening, malformed requests, closing. */
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { ConfigurationError } from '../errors';
import { json } from './response';

/** The address and certificates of the server. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Plain HTTP if missing. */
  tls?: { cert: string; key: string; clientCa?: string };
}

/** A listening server. */
interface ListeningServer {
  readonly url: string;
  unref(): void;
  /** Stops listening and ends every connection at once. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 * @throws ConfigurationError when the address cannot be used or the certificate is not valid
 */
export async function listen(options: ListenOptions, listener: RequestListener): Promise<ListeningServer> {
  const server = createServer(options, listener);
  // An upload of 100 MB over a slow line takes long; Node's default is 5 minutes.
  server.requestTimeout = 30 * 60 * 1000;
  server.keepAliveTimeout = 60 * 1000;
  server.on('clientError', respondToMalformed);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new ConfigurationError(
          `The sandbox cannot listen on ${options.host}:${options.port} (${error.code ?? error.message}).`,
          {
            cause: error,
          },
        ),
      ),
    );
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls ? 'https' : 'http'}://${reachableHost(options.host)}:${port}`,
    unref: () => server.unref(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function createServer({ tls }: ListenOptions, listener: RequestListener): Server {
  if (!tls) return createHttpServer(listener);
  const { cert, key, clientCa } = tls;
  try {
    return createHttpsServer(
      {
        cert,
        key,
        // "TLS 1.2 or later": docs/mesh.md, Addresses and environments.
        minVersion: 'TLSv1.2',
        // Checked after the handshake: see client-certificates.ts.
        ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
      },
      listener,
    );
  } catch (cause) {
    throw new ConfigurationError(
      'The sandbox’s certificate or key is not valid PEM, or the key does not belong to it.',
      {
        cause,
      },
    );
  }
}

/** Returns an address that a client on this machine can use. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** Responds to what Node's parser refuses, e.g. control characters in a header; it never becomes a request. */
function respondToMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const overflow = error.code === 'HPE_HEADER_OVERFLOW';
  const [status, text] = overflow ? [431, 'Request Header Fields Too Large'] : [400, 'Bad Request'];
  const { body } = json(status, {
    errorEvent: 'TRANSFER',
    errorCode: '06',
    errorDescription: 'MalformedControlFile',
  });
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const head = [
    `HTTP/1.1 ${status} ${text}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${bytes.length}`,
  ];
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]));
}
