/** The sandbox's HTTP(S) server: listening, malformed requests, closing. */
import { createServer as createHttpServer, STATUS_CODES, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { ConfigurationError } from '../errors';
import { malformedHead } from './refusal';
import { versionOrFirst } from './request';
import { errorResponse } from './response';

/** The address and certificates of the server. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Plain HTTP if missing. */
  tls?: ServerTls;
}

/** The server's certificate and key, and whether clients are asked for a certificate. */
export interface ServerTls {
  cert: string;
  key: string;
  askForCertificate: boolean;
  /** PEM of the CAs that a client certificate is checked against. Undefined: clients may present any. */
  clientCa?: string;
}

/**
 * The limit of Node's parser for path and headers (bytes). Below it the dispatcher answers, with its own lower limit.
 */
const PARSER_MAX_HEAD_BYTES = 1024 * 1024;

/** A listening server. */
interface ListeningServer {
  readonly url: string;
  unref(): void;
  /** Stops listening and ends every connection at once. */
  close(): Promise<void>;
}

/**
 * Starts to listen. `newId` returns the id of a response to what never becomes a request.
 * @throws ConfigurationError when the address cannot be used or the certificate is not valid
 */
export async function listen(
  options: ListenOptions,
  listener: RequestListener,
  newId: () => string,
): Promise<ListeningServer> {
  const server = createServer(options, listener);
  // An upload of 100 MB over a slow line takes long; Node's default is 5 minutes.
  server.requestTimeout = 30 * 60 * 1000;
  server.keepAliveTimeout = 60 * 1000;
  server.on('clientError', (error: ParserError, socket: Socket) => respondToMalformed(error, socket, newId()));
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
  const maxHeaderSize = PARSER_MAX_HEAD_BYTES;
  if (!tls) return createHttpServer({ maxHeaderSize }, listener);
  const { cert, key, askForCertificate, clientCa } = tls;
  try {
    return createHttpsServer(
      {
        maxHeaderSize,
        cert,
        key,
        // "TLS 1.2 or later": docs/mesh.md, Addresses and environments.
        minVersion: 'TLSv1.2',
        // Checked after the handshake: see client-certificates.ts. Without a CA the request names none, because some
        // clients present only a certificate of a CA that the server names.
        ...(askForCertificate && { requestCert: true, rejectUnauthorized: false }),
        ...(clientCa !== undefined && { ca: clientCa }),
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

/** What Node's parser reports: the bytes that it was reading, and how many of them it had read. */
type ParserError = NodeJS.ErrnoException & { rawPacket?: Buffer; bytesParsed?: number };

/** Responds to what Node's parser refuses, e.g. control characters in a header; it never becomes a request. */
function respondToMalformed(error: ParserError, socket: Socket, internalId: string): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const { headers, body } = errorResponse(malformedHead(status), versionOrFirst(acceptOf(error)), internalId);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    ...Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`),
  ];
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]));
}

/** Returns the Accept header of the request that the parser was reading, if it is in the same packet. */
function acceptOf({ rawPacket, bytesParsed = 0 }: ParserError): string | undefined {
  const text = rawPacket?.toString('latin1') ?? '';
  const before = text.lastIndexOf('\r\n\r\n', bytesParsed);
  const [head = ''] = text.slice(before < 0 ? 0 : before + 4).split('\r\n\r\n', 1);
  return /^accept:(.*)$/im.exec(head)?.[1]?.trim();
}
