/** Receives HL7 v2 over MLLP, on TCP or TLS. The caller processes each message and responds to it. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, Server as TlsServer, type TLSSocket } from 'node:tls';
import { ConfigurationError, type MeshError } from '../errors';
import { MllpListenError, MllpTlsError } from './errors';
import { ByteBudget } from './byte-budget';
import { FLUSH_MS, ServerConnection, type MllpRequest, type Remote } from './server-connection';

/** The server's certificate, PEM or PFX, and whether clients have to show one. */
export interface MllpServerTls {
  cert?: string | Buffer;
  key?: string | Buffer;
  pfx?: string | Buffer;
  passphrase?: string;
  /** The issuers of the clients' certificates. */
  ca?: string | Buffer | Array<string | Buffer>;
  /** Default `required`, which needs `ca`: without it Node.js would trust every public issuer. */
  clientCertificate?: 'required' | 'none';
}

export interface MllpServerOptions {
  port: number;
  /** The address to listen on. Default 127.0.0.1: this machine only. */
  host?: string;
  tls?: MllpServerTls;
  /** Maximum number of one connection's messages that wait for a response. Default 1, which keeps the order. */
  maxInFlight?: number;
  /** Default 100. Further senders are disconnected. */
  maxConnections?: number;
  /** Largest message, in bytes. Default 20 MiB. */
  maxBytes?: number;
  /** How long to wait for the CR after an FS before the message is taken as ended (milliseconds). Default 200. */
  carriageReturnTimeoutMs?: number;
  /** A message must be whole this long after its first byte, or its sender is disconnected (milliseconds). Default 60 s. */
  messageTimeoutMs?: number;
  /** A sender without a message for this long is disconnected (milliseconds). Default 1 h. */
  idleTimeoutMs?: number;
  /**
   * Bytes that all senders' messages may take together: begun, waiting, and in flight. Beyond it nothing more is read, and
   * the senders wait. Default 100 MiB, and at least one message.
   */
  maxTotalBytes?: number;
  onRequest: (request: MllpRequest) => void;
  /** A message or sender was refused, or bytes were ignored. `remote` is missing when the sender is not known. */
  onProblem?: (error: MeshError, remote?: Remote) => void;
  /** Called with the number of connected senders whenever it changes. */
  onConnections?: (count: number) => void;
}

const DEFAULT_MAX_BYTES = 20 * 1024 * 1024;
const DEFAULT_TOTAL_BYTES = 100 * 1024 * 1024;
const DEFAULT_MESSAGE_TIMEOUT_MS = 60_000;
const DEFAULT_IDLE_TIMEOUT_MS = 60 * 60 * 1000;

export class MllpServer {
  readonly #server: Server;
  readonly #connections = new Set<ServerConnection>();
  /**
   * Senders that disconnected while a message of theirs was in flight. They count as connected until it is settled, or
   * a sender that connects again and again could fill the memory.
   */
  readonly #gone = new Set<ServerConnection>();
  /** Every socket, also those in the TLS handshake: the server would wait for them when it closes. */
  readonly #sockets = new Set<Socket>();
  readonly #options: MllpServerOptions;
  readonly #budget: ByteBudget;

  private constructor(options: MllpServerOptions) {
    this.#options = options;
    const { maxTotalBytes = DEFAULT_TOTAL_BYTES, maxBytes = DEFAULT_MAX_BYTES } = options;
    this.#budget = new ByteBudget(Math.max(maxTotalBytes, maxBytes));
    const accept = (socket: Socket): void => this.#accept(socket);
    // Half-open: a sender that closes its side after the last message still gets its response.
    this.#server = options.tls
      ? createTlsServer({ ...tlsOptions(options.tls), allowHalfOpen: true, handshakeTimeout: 15_000 }, accept)
      : createServer({ allowHalfOpen: true }, accept);
    this.#server.maxConnections = options.maxConnections ?? 100;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('drop', () => this.#reportTooMany());
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      // Node.js reports an untrusted certificate only here: to the server, the client seems to disconnect.
      const { authorizationError } = socket as { authorizationError?: unknown };
      this.#reportRefused(typeof authorizationError === 'string' ? authorizationError : error.code);
    });
  }

  /**
   * Resolves when the server listens.
   * @throws MllpListenError when it cannot
   * @throws ConfigurationError when a certificate is missing
   */
  static async listen(options: MllpServerOptions): Promise<MllpServer> {
    const server = new MllpServer(options);
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => reject(listenError(error, options.port));
      server.#server.once('error', onError);
      server.#server.listen({ port: options.port, host: options.host ?? '127.0.0.1' }, () => {
        server.#server.off('error', onError);
        // An error of accept(), e.g. too many open files: the next connection may succeed.
        server.#server.on('error', (error) => options.onProblem?.(listenError(error, options.port)));
        resolve();
      });
    });
    return server;
  }

  /** The port that the server listens on: chosen by the system if the option was 0. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Number of connected senders. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Bytes of whole messages that were read and not passed on yet: bounded, whatever the senders do. */
  get unread(): number {
    return [...this.#connections].reduce((sum, connection) => sum + connection.unread, 0);
  }

  /** Bytes of all messages that were begun, wait or are in flight. */
  get heldBytes(): number {
    return this.#budget.bytes;
  }

  /**
   * Presents another certificate, or trusts other issuers, from the next connection on. Whether clients have to show a
   * certificate stays as it is.
   * @throws ConfigurationError when a certificate is missing
   */
  setTls(tls: MllpServerTls): void {
    if (this.#server instanceof TlsServer) this.#server.setSecureContext(tlsOptions(tls));
  }

  /** Disconnects every sender. Those without a response have to repeat their messages. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    for (const connection of this.#connections) connection.close();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, 2 * FLUSH_MS);
    await closed;
    clearTimeout(timer);
  }

  #accept(socket: Socket): void {
    const { onRequest, onProblem, maxInFlight = 1, maxBytes = DEFAULT_MAX_BYTES } = this.#options;
    if (this.#connections.size + this.#gone.size >= this.#server.maxConnections) {
      socket.destroy();
      this.#reportTooMany();
      return;
    }
    const connection = new ServerConnection(socket, {
      maxInFlight,
      maxBytes,
      budget: this.#budget,
      messageTimeoutMs: this.#options.messageTimeoutMs ?? DEFAULT_MESSAGE_TIMEOUT_MS,
      idleTimeoutMs: this.#options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS,
      carriageReturnTimeoutMs: this.#options.carriageReturnTimeoutMs ?? 200,
      onRequest,
      onProblem: (error, remote) => onProblem?.(error, remote),
      onSettled: () => {
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

  #reportTooMany(): void {
    const maximum = this.#server.maxConnections;
    this.#options.onProblem?.(
      new MllpListenError(
        `A sender was disconnected: ${maximum} are connected already, or left messages without a response.`,
        { advice: 'Raise the maximum number of connections, or find out why there are so many.' },
      ),
    );
  }

  /** A client that disconnects in the handshake, as port scanners and load balancers do, is not reported. */
  #reportRefused(code = ''): void {
    if (code === 'ECONNRESET' || code === 'EPIPE') return;
    const reason = /^[A-Z][A-Z0-9_]+$/.test(code) ? ` (${code})` : '';
    this.#options.onProblem?.(
      new MllpTlsError(`A sender was refused in the TLS handshake${reason}.`, {
        advice: 'Check that it uses TLS, and shows a certificate from the issuer that the TLS configuration names.',
      }),
    );
  }
}

function tlsOptions({ clientCertificate = 'required', ...tls }: MllpServerTls): object {
  if (!tls.pfx && !(tls.cert && tls.key)) {
    throw new ConfigurationError('Listening with TLS needs a certificate and its key.');
  }
  if (clientCertificate === 'none') return tls;
  if (!tls.ca) {
    throw new ConfigurationError('Requiring client certificates needs the certificate of their issuer (CA).', {
      advice: 'Without it, anyone with a certificate from any public issuer could connect.',
    });
  }
  return { ...tls, requestCert: true, rejectUnauthorized: true };
}

function listenError(error: NodeJS.ErrnoException, port: number): MeshError {
  const advice: Partial<Record<string, string>> = {
    EADDRINUSE: 'Another program or node listens on it. Choose another port, or stop that one.',
    EACCES: 'Ports below 1024 need a privilege to listen on. Choose a higher port.',
    EADDRNOTAVAIL: 'This machine does not have that address. Choose 0.0.0.0 for all addresses, or 127.0.0.1.',
  };
  const known = advice[error.code ?? ''] ?? 'Check the address and the port.';
  return new MllpListenError(`Cannot listen on port ${port} (${error.code ?? error.name}).`, { advice: known });
}
