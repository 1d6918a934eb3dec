/**
 * HTTPS to one MESH server: the only file that imports undici. It knows nothing about MESH; what a response means is
 * the client's business.
 */
import type { Readable } from 'node:stream';
import { BlockList, isIP } from 'node:net';
import { getCACertificates, rootCertificates } from 'node:tls';
import { Agent, buildConnector, Pool, ProxyAgent, type Dispatcher } from 'undici';
import type { MailboxConfig, ProxyOptions, TlsOptions } from '../config';
import { MeshError } from '../errors';
import { BlockReader } from './block-reader';
import { CertificateFiles } from './certificate-files';
import { IncomingBody } from './incoming-body';
import { refusalOfTunnel } from './proxy-refusal';
import { requireUsableCertificates } from './usable-certificates';

/** A request body of known size that can be read again for another attempt. */
export interface RequestBody {
  /** The exact size, sent as Content-Length. */
  readonly bytes: number;
  /** The whole body, if it is small enough for one write. */
  readonly whole?: Buffer;
  /** Starts a new read. The memory of a piece may be reused once the next piece is requested. */
  open(): AsyncIterable<Buffer>;
}

/** One HTTP request. */
export interface TransportRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  /** Path and query below the server's address. */
  path: string;
  headers: Record<string, string>;
  body?: RequestBody | undefined;
  /** Overrides the mailbox's `timeouts.headersMs` (milliseconds). */
  headersMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** One HTTP response. Its body must be read to the end or cancelled. */
export interface TransportResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: IncomingBody;
}

/** What a connection is made with. */
export interface ConnectionMeans {
  tls: TlsOptions;
  /** The proxy on its way, if there is one. */
  proxy: ProxyOptions | undefined;
}

/** A request got no response; `cause` says why. */
export class TransportFailure extends Error {
  /**
   * True if the server may have received the whole request. False is certain: no connection was made, or fewer body
   * bytes were written to it than Content-Length announced.
   */
  readonly requestSent: boolean;

  /** What the connection was made with: a certificate or the proxy may be the reason. */
  readonly means: ConnectionMeans;

  constructor(cause: unknown, requestSent: boolean, means: ConnectionMeans = { tls: {}, proxy: undefined }) {
    super('no response', { cause: withoutContent(cause) });
    this.requestSent = requestSent;
    this.means = means;
  }
}

/** Removes the bytes that undici's parser attaches to its errors: they may be patient data. */
export function withoutContent(error: unknown): unknown {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ('data' in each) delete each.data;
  }
  return error;
}

/** A connection to one server, kept alive between requests. */
export interface Transport {
  /**
   * Makes one request. Redirects are not followed: a token is valid for one address.
   * @throws TransportFailure when there is no response; MeshError when the request body cannot be read
   */
  request(request: TransportRequest): Promise<TransportResponse>;
  /** Called by the client when it has found that a response is MESH's own, and not that of something in between. */
  confirm?(response: TransportResponse): void;
  /** Breaks requests in progress and closes every connection. */
  close(): Promise<void>;
}

/** What a transport needs to know of its mailbox. */
type TransportConfig = Pick<MailboxConfig, 'url' | 'tls' | 'proxy' | 'timeouts' | 'connections'>;

let connect: (config: TransportConfig, certificates: CertificateFiles) => Transport = connectByHttps;

/**
 * Puts another network in the place of HTTPS, or HTTPS back. For a simulation that runs code in the process: the
 * package exports this from nowhere, and no environment variable, setting or flow leads here.
 */
export function setNetwork(replacement: typeof connect = connectByHttps): void {
  connect = replacement;
}

/**
 * Makes the transport of one mailbox; it connects when a request needs a connection.
 * @param certificates looked at before each request: renewed ones are used from that request on
 * @throws ConfigurationError when the certificates cannot be used
 */
export function createTransport(
  config: TransportConfig,
  certificates: CertificateFiles = new CertificateFiles(config.tls),
): Transport {
  return connect(config, certificates);
}

function connectByHttps(config: TransportConfig, certificates: CertificateFiles): Transport {
  const { url, timeouts } = config;
  const { origin } = url;
  const proxy = usedProxy(config);
  const base = url.pathname.replace(/\/+$/, '');
  let tls = certificates.current;
  let dispatcher = createDispatcher(config, tls);
  /** Those of earlier certificates, until their requests have ended. */
  const retired = new Set<Dispatcher>();
  let isClosed = false;

  /** Requests in progress end on their old connections, so that for their rest there may be two at a time. */
  const useRenewed = (): void => {
    if (isClosed || certificates.current === tls) return;
    tls = certificates.current;
    const before = dispatcher;
    dispatcher = createDispatcher(config, tls);
    retired.add(before);
    const forget = (): void => void retired.delete(before);
    void before.close().then(forget, forget);
  };
  const send = ({ method, path, headers, body, headersMs, signal }: TransportRequest): Promise<TransportResponse> =>
    new Promise((resolve, reject) => {
      const whole = body?.whole;
      dispatcher.dispatch(
        {
          origin,
          path: base + path,
          method,
          // undici knows the length of a whole body.
          headers: body && !whole ? { ...headers, 'content-length': String(body.bytes) } : headers,
          // undici takes any async iterable here (its documentation says so), its types do not.
          body: whole ?? (body?.open() as unknown as Readable | undefined) ?? null,
          headersTimeout: headersMs ?? timeouts.headersMs,
        },
        new ResponseHandler(body?.bytes, { tls, proxy }, signal, resolve, reject),
      );
    });

  return {
    async request(request) {
      if (certificates.hasFiles) await certificates.check();
      useRenewed();
      return send(request);
    },
    async close() {
      isClosed = true;
      await Promise.all([dispatcher, ...retired].map((each) => each.destroy()));
    },
  };
}

function createDispatcher({ url, timeouts, connections, proxy: way }: TransportConfig, tls: TlsOptions): Dispatcher {
  const connectOptions = { ...tlsOptions(tls, url), timeout: timeouts.connectMs };
  const common = {
    allowH2: false,
    pipelining: 1,
    connections,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
  } as const;
  const proxy = usedProxy({ url, proxy: way });
  return proxy
    ? new ProxyAgent({
        ...common,
        uri: proxy.url,
        requestTls: connectOptions,
        clientFactory: (address, options) => new TunnelClient(address, options),
        // The tunnel keeps MESH's TLS, with its client certificate, between us and MESH.
        proxyTunnel: true,
        ...proxyAuthorization(proxy),
      })
    : new Agent({ ...common, connect: connectDirectly(connectOptions) });
}

/**
 * Returns how to connect without a proxy: with undici's own connector, and a {@link BlockReader} for each socket. (Node.js
 * has no such way to read TLS through a tunnel: large downloads through a proxy cost more.)
 */
function connectDirectly(options: buildConnector.BuildOptions): buildConnector.connector {
  let session: Buffer | undefined;
  return (target, callback) => {
    const reader = new BlockReader();
    const connector = buildConnector({ ...options, ...reader.options, allowH2: false, ...(session && { session }) });
    connector(target, (...[error, socket]) => {
      if (error) return callback(error, null);
      reader.attach(socket);
      // The next connection resumes it, which saves a round trip.
      socket.on('session', (latest: Buffer) => (session = latest));
      callback(null, socket);
    });
  };
}

/** The connections to a proxy. undici itself would say no more of a refusal than its status. */
class TunnelClient extends Pool {
  override async connect(options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> {
    const response = await super.connect(options);
    const refusal = refusalOfTunnel(response.statusCode, response.headers);
    if (refusal === undefined) return response;
    response.socket.on('error', () => undefined).destroy();
    throw refusal;
  }
}

/** Returns the proxy on the way to the server; undefined if there is none, or the server is one of its exceptions. */
export function usedProxy({ url, proxy }: Pick<MailboxConfig, 'url' | 'proxy'>): ProxyOptions | undefined {
  return proxy && !bypassesProxy(url, proxy.noProxy ?? []) ? proxy : undefined;
}

/** Settles one request from undici's events. undici's own `request` would make a stream of every response. */
class ResponseHandler implements Dispatcher.DispatchHandler {
  readonly #bodyBytes: number | undefined;
  readonly #means: ConnectionMeans;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (response: TransportResponse) => void;
  readonly #reject: (error: unknown) => void;
  /** Body bytes written to the connection. */
  #sentBytes = 0;
  #controller: Dispatcher.DispatchController | undefined;
  #body: IncomingBody | undefined;

  constructor(
    bodyBytes: number | undefined,
    means: ConnectionMeans,
    signal: AbortSignal | undefined,
    resolve: (response: TransportResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#bodyBytes = bodyBytes;
    this.#means = means;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort);
  }

  /** Called when undici has assigned the request to a connection. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#signal?.aborted) this.#abort();
  }

  onBodySent(piece: Uint8Array): void {
    this.#sentBytes += piece.byteLength;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: TransportResponse['headers'],
  ): void {
    // An informational status, e.g. "early hints": the response itself follows.
    if (status < 200) return;
    this.#body = new IncomingBody(controller);
    this.#resolve({ status, headers, body: this.#body });
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#body?.push(piece);
  }

  onResponseEnd(): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#body?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#body?.fail(error);
    this.#fail(error);
  }

  /** Aborts the request; one that is not yet on a connection is never sent. */
  readonly #abort = (): void => {
    const reason: Error = this.#signal?.reason ?? new Error('aborted');
    if (this.#controller) this.#controller.abort(reason);
    else this.#fail(reason);
  };

  /** Rejects the request; without effect after a response. */
  #fail(error: Error): void {
    // The payload could not be read: undici broke the request off, so MESH received less than Content-Length announced.
    if (error instanceof MeshError) this.#reject(error);
    else {
      const isWhole = this.#bodyBytes === undefined || this.#sentBytes >= this.#bodyBytes;
      this.#reject(new TransportFailure(error, isWhole, this.#means));
    }
  }
}

/**
 * Returns the TLS options of every connection to MESH.
 * @throws ConfigurationError when the certificates cannot be used
 */
export function tlsOptions(
  { files: _files, ...tls }: TlsOptions,
  url: URL,
): TlsOptions & { minVersion: 'TLSv1.2'; rejectUnauthorized: true } {
  // Now, rather than at the first request with OpenSSL's words.
  if (url.protocol === 'https:') requireUsableCertificates(tls);
  return {
    ...tls,
    ...(tls.ca === undefined && url.protocol === 'https:' ? { ca: trustedByDefault() } : {}),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  };
}

let defaultCa: string[] | undefined;

/**
 * Returns the roots of Node and of the operating system: NHS England's own roots ship with neither browsers nor Node.
 */
function trustedByDefault(): string[] {
  defaultCa ??= [...new Set([...rootCertificates, ...getCACertificates('system')])];
  return defaultCa;
}

function proxyAuthorization(proxy: ProxyOptions): { token?: string } {
  if (proxy.username === undefined || proxy.username === '') return {};
  const pair = Buffer.from(`${proxy.username}:${proxy.password ?? ''}`).toString('base64');
  return { token: `Basic ${pair}` };
}

/**
 * Returns whether a connection to the server bypasses the proxy. Exceptions are separated by commas or spaces, as for
 * curl, by semicolons as for Windows, or by bars as for Java.
 */
export function bypassesProxy(url: URL, noProxy: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy
    .flatMap((entry) => entry.split(/[\s,;|]+/))
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, host = '', exceptionPort] = NO_PROXY_ENTRY.exec(entry.toLowerCase()) ?? [];
      if (exceptionPort !== undefined && exceptionPort !== port) return false;
      const suffix = host.replace(/^\*/, '');
      const hostname = url.hostname.replace(/^\[|\]$/g, '');
      if (isIP(hostname) !== 0) return isAddressIn(hostname, suffix.replace(/^\[|\]$/g, ''));
      // As in curl and most others: a domain means itself and what is below it, with or without a dot before it.
      const domain = suffix.replace(/^\.|\.$/g, '');
      return domain !== '' && (hostname === domain || hostname.endsWith(`.${domain}`));
    });
}

/** A host, a domain, or an IPv6 address (or network) with or without brackets; with a port or without one. */
const NO_PROXY_ENTRY = /^(\[[0-9a-f:.]+\]|[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*(?:\/\d+)?|[^:]*?)(?::(\d+))?$/;

/** Whether an IP address is the one of an exception, in any spelling, or in its network (`10.0.0.0/8`). */
function isAddressIn(address: string, exception: string): boolean {
  const [network = '', prefix = isIP(exception) === 6 ? '128' : '32'] = exception.split('/');
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const longest = family === 'ipv6' ? 128 : 32;
  const isUsable = isIP(network) === isIP(address) && /^\d{1,3}$/.test(prefix) && Number(prefix) <= longest;
  if (!isUsable) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, family);
}
