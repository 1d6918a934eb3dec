/** The HTTP(S) server below the sandbox: listening, malformed requests, closing. */
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { ConfigurationError } from '../errors';
import { json } from './response';

/** How the server is to be reached. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Missing: plain HTTP. */
  tls?: { cert: string; key: string; clientCa?: string };
}

/** A server that listens. */
export interface ListeningServer {
  readonly url: string;
  unref(): void;
  /** Ends every connection at once. */
  close(): Promise<void>;
}

/** Starts to listen. Throws ConfigurationError if the address is taken or not ours, or the certificate is none. */
export async function listen(options: ListenOptions, listener: RequestListener): Promise<ListeningServer> {
  const server = createServer(options, listener);
  // An upload of 100 MB over a slow line takes its time; Node's default is 5 minutes.
  server.requestTimeout = 30 * 60 * 1000;
  server.keepAliveTimeout = 60 * 1000;
  server.on('clientError', answerMalformed);
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
        // "TLS 1.2 or later": DOMAIN.md 1.2.
        minVersion: 'TLSv1.2',
        // Refused by an answer that says why: see client-certificates.ts.
        ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }),
      },
      listener,
    );
  } catch (cause) {
    throw new ConfigurationError('The certificate or key of the sandbox is not valid PEM, or they do not fit.', {
      cause,
    });
  }
}

/** An address that a client on this machine can use. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** What Node's parser refuses never becomes a request: control characters in a header end here. */
function answerMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
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
  socket.end(
    Buffer.concat([
      Buffer.from(
        `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${bytes.length}\r\n\r\n`,
      ),
      bytes,
    ]),
  );
}
