/**
 * HTTPS to one MESH server: the only file that imports undici. It knows nothing of MESH but that answers are either small
 * JSON or large bodies; what an answer means is the client's business.
 */
import type { Readable } from 'node:stream';
import { createSecureContext, getCACertificates, rootCertificates } from 'node:tls';
import { Agent, ProxyAgent, type Dispatcher } from 'undici';
import type { MailboxConfig, ProxyOptions, TlsOptions } from '../config';
import { ConfigurationError, MeshError } from '../errors';
import { IncomingBody } from './incoming-body';

/** A body whose size is known and that can be read again for another attempt. */
export interface RequestBody {
  /** Bytes, exactly: sent as Content-Length. */
  readonly bytes: number;
  /** All of them, where they are few: they go out in one write. */
  readonly whole?: Buffer;
  /** A piece's memory may be used again as soon as the next is asked for. */
  open(): AsyncIterable<Buffer>;
}

/** One HTTP request. */
export interface TransportRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  /** Path and query below the server's address. */
  path: string;
  headers: Record<string, string>;
  body?: RequestBody | undefined;
  /** Instead of the mailbox's (milliseconds). */
  headersMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** What came back. The body has to be read to its end or cancelled. */
export interface TransportResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: IncomingBody;
}

/** Why a request got no answer. */
export class TransportFailure extends Error {
  /**
   * True if the server may have got the whole request. False is certain: the connection never stood, or fewer body bytes
   * were handed to it than Content-Length announced.
   */
  readonly requestSent: boolean;

  constructor(cause: unknown, requestSent: boolean) {
    super('no answer', { cause: withoutContent(cause) });
    this.requestSent = requestSent;
  }
}

/** The error without the bytes that it stumbled over: undici's parser hands them on, and they may be patient data. */
export function withoutContent(error: unknown): unknown {
  for (let each = error; each instanceof Error; each = each.cause) {
    if ('data' in each) delete each.data;
  }
  return error;
}

/** A connection to one server, kept alive between requests. */
export interface Transport {
  /** Throws TransportFailure where there is no answer. Redirects are not followed: a token is good for one address. */
  request(request: TransportRequest): Promise<TransportResponse>;
  /** Breaks what is under way and closes every connection. */
  close(): Promise<void>;
}

/** Opens nothing yet: connections are made when they are needed. Throws ConfigurationError for unusable certificates. */
export function createTransport(
  config: Pick<MailboxConfig, 'url' | 'tls' | 'proxy' | 'timeouts' | 'connections'>,
): Transport {
  const { url, timeouts, connections } = config;
  const connect = { ...tlsOptions(config.tls, url), timeout: timeouts.connectMs };
  const common = {
    allowH2: false,
    pipelining: 1,
    connections,
    headersTimeout: timeouts.headersMs,
    bodyTimeout: timeouts.bodyMs,
  } as const;
  const proxy = config.proxy && !bypassesProxy(url, config.proxy.noProxy ?? []) ? config.proxy : undefined;
  const dispatcher: Dispatcher = proxy
    ? new ProxyAgent({
        ...common,
        uri: proxy.url,
        requestTls: connect,
        // The tunnel keeps MESH's TLS, with its client certificate, between us and MESH.
        proxyTunnel: true,
        ...proxyAuthorization(proxy),
      })
    : new Agent({ ...common, connect });
  const { origin } = url;
  const base = url.pathname.replace(/\/+$/, '');

  return {
    request({ method, path, headers, body, headersMs = timeouts.headersMs, signal }) {
      return new Promise((resolve, reject) => {
        const whole = body?.whole;
        dispatcher.dispatch(
          {
            origin,
            path: base + path,
            method,
            // Of a whole body undici knows the length.
            headers: body && !whole ? { ...headers, 'content-length': String(body.bytes) } : headers,
            // undici takes any async iterable here (its documentation says so), its types do not.
            body: whole ?? (body?.open() as unknown as Readable | undefined) ?? null,
            headersTimeout: headersMs,
          },
          new OneExchange(body?.bytes, signal, resolve, reject),
        );
      });
    },
    close: () => dispatcher.destroy(),
  };
}

/** What undici tells of one request, straight to who waits for it: its own `request` makes a stream of every answer. */
class OneExchange implements Dispatcher.DispatchHandler {
  readonly #bodyBytes: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #answered: (response: TransportResponse) => void;
  readonly #failed: (error: unknown) => void;
  /** Body bytes that were written to the connection. */
  #sentBytes = 0;
  #controller: Dispatcher.DispatchController | undefined;
  #body: IncomingBody | undefined;

  constructor(
    bodyBytes: number | undefined,
    signal: AbortSignal | undefined,
    answered: (response: TransportResponse) => void,
    failed: (error: unknown) => void,
  ) {
    this.#bodyBytes = bodyBytes;
    this.#signal = signal;
    this.#answered = answered;
    this.#failed = failed;
    if (signal?.aborted) this.#abort();
    else signal?.addEventListener('abort', this.#abort);
  }

  /** undici has it now, on a connection. */
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
    // "Early hints" and the like: the answer is still to come.
    if (status < 200) return;
    this.#body = new IncomingBody(controller);
    this.#answered({ status, headers, body: this.#body });
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

  /** A request that is not on a connection yet is given up at once, and never sent. */
  readonly #abort = (): void => {
    const reason: Error = this.#signal?.reason ?? new Error('aborted');
    if (this.#controller) this.#controller.abort(reason);
    else this.#fail(reason);
  };

  /** Without effect after an answer. */
  #fail(error: Error): void {
    // The payload itself could not be read: undici broke the request off, so MESH got less than it was promised.
    if (error instanceof MeshError) this.#failed(error);
    else this.#failed(new TransportFailure(error, this.#bodyBytes === undefined || this.#sentBytes >= this.#bodyBytes));
  }
}

/** Certificates and rules of every connection to MESH. Throws ConfigurationError for certificates that cannot be used. */
export function tlsOptions(
  tls: TlsOptions,
  url: URL,
): TlsOptions & { minVersion: 'TLSv1.2'; rejectUnauthorized: true } {
  if (url.protocol === 'https:') checkCertificates(tls);
  return {
    ...tls,
    ...(tls.ca === undefined && url.protocol === 'https:' ? { ca: trustedByDefault() } : {}),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
  };
}

/** Fails now, with a sentence, rather than at the first request with OpenSSL's words. */
function checkCertificates(tls: TlsOptions): void {
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new ConfigurationError('tls: a client certificate needs both its certificate and its private key', {
      advice: 'Give both, or a PFX file that holds both.',
    });
  }
  try {
    createSecureContext(tls);
  } catch (cause) {
    throw new ConfigurationError('tls: the certificate, its key or the CA cannot be used', {
      cause,
      advice: 'Check that the files are PEM (or PFX), that the key belongs to the certificate, and its passphrase.',
    });
  }
}

let defaultCa: string[] | undefined;

/** Node's own roots and the operating system's: NHS England's environments use roots that neither browsers nor Node ship. */
function trustedByDefault(): string[] {
  defaultCa ??= [...new Set([...rootCertificates, ...getCACertificates('system')])];
  return defaultCa;
}

function proxyAuthorization(proxy: ProxyOptions): { token?: string } {
  if (proxy.username === undefined || proxy.username === '') return {};
  const pair = Buffer.from(`${proxy.username}:${proxy.password ?? ''}`).toString('base64');
  return { token: `Basic ${pair}` };
}

/** Whether the server is on the list of those that are reached without the proxy. */
export function bypassesProxy(url: URL, noProxy: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy
    .flatMap((entry) => entry.split(/[\s,]+/))
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*') return true;
      const [, host = '', wantedPort] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
      if (wantedPort !== undefined && wantedPort !== port) return false;
      const suffix = host.replace(/^\*/, '');
      return suffix.startsWith('.')
        ? url.hostname.endsWith(suffix) || url.hostname === suffix.slice(1)
        : url.hostname === suffix;
    });
}
