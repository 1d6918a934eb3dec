/** Receives HL7 v2 over MLLP, on TCP or TLS. What a message becomes, and how it is answered, is the caller's. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { ConfigurationError, type MeshError } from '../errors';
import { MllpListenError, MllpTlsError } from './errors';
import { LAST_WORDS_MS, ServerConnection, type MllpRequest, type Remote } from './server-connection';

/** The server's certificate, and whether clients have to show one. PEM, or PFX. */
export interface MllpServerTls {
  cert?: string | Buffer;
  key?: string | Buffer;
  pfx?: string | Buffer;
  passphrase?: string;
  /** Who issues the clients' certificates. */
  ca?: string | Buffer | Array<string | Buffer>;
  /** Default: required. Then `ca` is needed too: without it Node.js would trust every public issuer. */
  clientCertificate?: 'required' | 'none';
}

export interface MllpServerOptions {
  port: number;
  /** The address to listen on. Default 127.0.0.1: this machine only. */
  host?: string;
  tls?: MllpServerTls;
  /** Messages of one connection that may wait for their answers at the same time. Default 1, which keeps the order. */
  maxInFlight?: number;
  /** Default 100. Who comes after that is hung up on. */
  maxConnections?: number;
  /** Largest message, in bytes. Default 20 MiB. */
  maxBytes?: number;
  /** How long an FS without CR is held before it is taken for the end (milliseconds). Default 200. */
  carriageReturnWithinMs?: number;
  onRequest: (request: MllpRequest) => void;
  /** Something was refused or ignored; without a sender where it is not known. */
  onProblem?: (error: MeshError, remote?: Remote) => void;
  /** How many senders are connected now. */
  onConnections?: (count: number) => void;
}

export const DEFAULT_MAX_BYTES = 20 * 1024 * 1024;

export class MllpServer {
  readonly #server: Server;
  readonly #connections = new Set<ServerConnection>();
  /**
   * Senders that have hung up while a message of theirs was in flight. They count as connected until it is answered, or
   * one that comes and goes could fill the memory.
   */
  readonly #gone = new Set<ServerConnection>();
  /** Those in the TLS handshake too: the server would wait for them when it closes. */
  readonly #sockets = new Set<Socket>();
  readonly #options: MllpServerOptions;

  private constructor(options: MllpServerOptions) {
    this.#options = options;
    const accept = (socket: Socket): void => this.#accept(socket);
    // Half-open: a sender that closes its side after the last message still gets its answer.
    this.#server = options.tls
      ? createTlsServer({ ...tlsOptions(options.tls), allowHalfOpen: true, handshakeTimeout: 15_000 }, accept)
      : createServer({ allowHalfOpen: true }, accept);
    this.#server.maxConnections = options.maxConnections ?? 100;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('drop', () => this.#tooMany());
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      // Of a certificate that is not trusted Node.js tells only here: to the server, it looks like a hang-up.
      const { authorizationError } = socket as { authorizationError?: unknown };
      this.#refused(typeof authorizationError === 'string' ? authorizationError : error.code);
    });
  }

  /** Resolves when it listens. @throws MllpListenError, ConfigurationError */
  static async listen(options: MllpServerOptions): Promise<MllpServer> {
    const server = new MllpServer(options);
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(listenError(error, options.port));
      server.#server.once('error', failed);
      server.#server.listen({ port: options.port, host: options.host ?? '127.0.0.1' }, () => {
        server.#server.off('error', failed);
        // An error of accept(), e.g. too many open files: the next one may go.
        server.#server.on('error', (error) => options.onProblem?.(listenError(error, options.port)));
        resolve();
      });
    });
    return server;
  }

  /** The port that it listens on: of use where 0 was asked for. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many senders are connected. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Bytes of whole messages that were read and not handed on yet. A bounded number, whatever the senders do. */
  get unread(): number {
    return [...this.#connections].reduce((sum, connection) => sum + connection.unread, 0);
  }

  /** Hangs up on everyone. Nobody gets an answer that was not given: they have to repeat. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const connection of this.#connections) connection.close();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, 2 * LAST_WORDS_MS);
    await closed;
    clearTimeout(timer);
  }

  #accept(socket: Socket): void {
    const { onRequest, onProblem, maxInFlight = 1, maxBytes = DEFAULT_MAX_BYTES } = this.#options;
    if (this.#connections.size + this.#gone.size >= this.#server.maxConnections) {
      socket.destroy();
      this.#tooMany();
      return;
    }
    const connection = new ServerConnection(socket, {
      maxInFlight,
      maxBytes,
      carriageReturnWithinMs: this.#options.carriageReturnWithinMs ?? 200,
      onRequest,
      onProblem: (error, remote) => onProblem?.(error, remote),
      onAnswered: () => {
        if (!connection.isWaiting) this.#gone.delete(connection);
      },
    });
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      if (connection.isWaiting) this.#gone.add(connection);
      this.#options.onConnections?.(this.#connections.size);
    });
    this.#options.onConnections?.(this.#connections.size);
  }

  #tooMany(): void {
    this.#options.onProblem?.(
      new MllpListenError(
        `A sender was hung up on: ${this.#server.maxConnections} are connected already, or left messages that are not answered yet.`,
        {
          advice: 'Raise the number of connections, or see why there are so many.',
        },
      ),
    );
  }

  /** A client that hangs up in the handshake, as port scanners and load balancers do, is no news. */
  #refused(code = ''): void {
    if (code === 'ECONNRESET' || code === 'EPIPE') return;
    const reason = /^[A-Z][A-Z0-9_]+$/.test(code) ? ` (${code})` : '';
    this.#options.onProblem?.(
      new MllpTlsError(`A sender was refused in the TLS handshake${reason}.`, {
        advice: 'See that it uses TLS, and shows a certificate of the issuer that the TLS configuration names.',
      }),
    );
  }
}

function tlsOptions({ clientCertificate = 'required', ...tls }: MllpServerTls): object {
  if (!tls.pfx && !(tls.cert && tls.key)) {
    throw new ConfigurationError('To listen with TLS, a certificate and its key are needed.');
  }
  if (clientCertificate === 'none') return tls;
  if (!tls.ca) {
    throw new ConfigurationError('To require client certificates, the certificate of their issuer (CA) is needed.', {
      advice: 'Without it, anybody with a certificate of any public issuer could connect.',
    });
  }
  return { ...tls, requestCert: true, rejectUnauthorized: true };
}

function listenError(error: NodeJS.ErrnoException, port: number): MeshError {
  const advice: Partial<Record<string, string>> = {
    EADDRINUSE: 'Another program, or another node, listens on it. Choose another port, or end the other one.',
    EACCES: 'Ports below 1024 need the right to bind them. Choose a higher one.',
    EADDRNOTAVAIL: 'The address is not one of this machine. Choose 0.0.0.0 for all addresses, or 127.0.0.1.',
  };
  const known = advice[error.code ?? ''] ?? 'Check the address and the port.';
  return new MllpListenError(`Port ${port} cannot be listened on (${error.code ?? error.name}).`, { advice: known });
}
