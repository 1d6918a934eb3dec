/**
 * Records the traffic from the HTTP client's own diagnostics channels (undici's documentation, "Diagnostics Channel"):
 * the evidence is what was sent, not what the library claims to have sent. Secrets are dropped before anything is
 * recorded.
 */
import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TLSSocket } from 'node:tls';
import type { Exchange } from './types';

/** An exchange, with fields that only the checks need. */
export interface WireExchange extends Exchange {
  mailboxId: string;
  /** A digest of the token, to find out whether it was used before. */
  tokenDigest: string | undefined;
  /** The mailbox and time in the token. */
  token: { mailboxId: string; timestamp: string } | undefined;
  startedMs: number;
  /** Undefined while the exchange is in progress. */
  endedMs: number | undefined;
  /** Whether this side verified the server's chain and name. */
  verified: boolean | undefined;
  tlsProtocol: string | undefined;
}

interface UndiciRequest {
  origin?: string | URL;
}
interface SendHeaders {
  request: UndiciRequest;
  headers: string;
  socket: Partial<TLSSocket>;
}
interface Chunk {
  request: UndiciRequest;
  chunk: Uint8Array | string;
}
interface Headers {
  request: UndiciRequest;
  response: { statusCode: number; headers: Buffer[] };
}

/** Headers that may have patient data or free text: their values are shown only for messages of this run. */
const PERSONAL = new Set([
  'mex-to',
  'mex-subject',
  'mex-localid',
  'mex-filename',
  'mex-partnerid',
  'mex-content-checksum',
]);
const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

/** Records every exchange with one server until `close`. */
export class WireLog {
  readonly all: WireExchange[] = [];
  /** The ids of this run's messages and of reports about them. */
  readonly own = new Set<string>();
  readonly #inProgress = new Map<UndiciRequest, WireExchange>();
  readonly #origin: string;
  readonly #listeners: Array<[string, (message: unknown) => void]>;

  /** Exchanges with servers other than that of `url` are ignored. */
  constructor(url: string) {
    this.#origin = new URL(url).origin;
    this.#listeners = [
      ['undici:client:sendHeaders', (message) => this.#requestSent(message as SendHeaders)],
      ['undici:request:bodyChunkSent', (message) => this.#bytesPassed(message as Chunk, 'requestBytes')],
      ['undici:request:bodyChunkReceived', (message) => this.#bytesPassed(message as Chunk, 'responseBytes')],
      ['undici:request:headers', (message) => this.#responseStarted(message as Headers)],
      ['undici:request:trailers', (message) => this.#exchangeEnded(message as { request: UndiciRequest })],
      ['undici:request:error', (message) => this.#exchangeEnded(message as { request: UndiciRequest })],
    ];
    for (const [name, listener] of this.#listeners) subscribe(name, listener);
  }

  close(): void {
    for (const [name, listener] of this.#listeners) unsubscribe(name, listener);
  }

  /** Returns the exchanges as they may be published. */
  shown(exchanges: readonly WireExchange[]): Exchange[] {
    return exchanges.map((exchange) => {
      const { mailboxId: _1, tokenDigest: _2, token: _3, startedMs: _4, endedMs: _5, verified: _6, ...rest } = exchange;
      const { tlsProtocol: _7, ...shown } = rest;
      const inbox = /\/inbox\/([^/?]+)/.exec(shown.path)?.[1];
      const isOwn = inbox === undefined || this.own.has(decodeURIComponent(inbox));
      return { ...shown, responseHeaders: isOwn ? shown.responseHeaders : withoutPersonal(shown.responseHeaders) };
    });
  }

  #requestSent({ request, headers, socket }: SendHeaders): void {
    if (String(request.origin) !== this.#origin) return;
    const [start = '', ...lines] = headers.split('\r\n').filter((line) => line !== '');
    const [method = '', path = ''] = start.split(' ');
    const pairs = lines.map(pairOf);
    const token = pairs.find(([name]) => name.toLowerCase() === 'authorization')?.[1];
    const now = Date.now();
    const exchange: WireExchange = {
      number: this.all.length + 1,
      at: new Date(now).toISOString(),
      method,
      path,
      requestHeaders: pairs.map(withoutSecret),
      status: 0,
      responseHeaders: [],
      requestBytes: 0,
      responseBytes: 0,
      mailboxId:
        /^\/messageexchange\/([^/?]+)/.exec(path.slice(Math.max(0, path.indexOf('/messageexchange'))))?.[1] ?? '',
      tokenDigest: token === undefined ? undefined : createHash('sha256').update(token).digest('hex'),
      token: tokenParts(token),
      startedMs: now,
      endedMs: undefined,
      ...tlsOf(socket),
    };
    this.all.push(exchange);
    this.#inProgress.set(request, exchange);
  }

  #responseStarted({ request, response }: Headers): void {
    const exchange = this.#inProgress.get(request);
    if (!exchange) return;
    exchange.status = response.statusCode;
    const texts = response.headers.map((text) => text.toString('latin1'));
    exchange.responseHeaders = texts
      .flatMap((name, index): Array<[string, string]> => (index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : []))
      .map(withoutSecret);
  }

  #bytesPassed({ request, chunk }: Chunk, direction: 'requestBytes' | 'responseBytes'): void {
    const exchange = this.#inProgress.get(request);
    if (exchange) exchange[direction] += Buffer.byteLength(chunk);
  }

  #exchangeEnded({ request }: { request: UndiciRequest }): void {
    const exchange = this.#inProgress.get(request);
    if (!exchange) return;
    this.#inProgress.delete(request);
    exchange.endedMs = Date.now();
    exchange.milliseconds = exchange.endedMs - exchange.startedMs;
  }
}

function pairOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** Redacts a token except its scheme and mailbox: guessed passwords could be tested against the hash. */
function withoutSecret([name, value]: [string, string]): [string, string] {
  if (!SECRET.has(name.toLowerCase())) return [name, value];
  const mailbox = /^NHSMESH ([^:]{1,100}):/.exec(value)?.[1];
  return [name, mailbox === undefined ? '[redacted]' : `NHSMESH ${mailbox}:[redacted]`];
}

function withoutPersonal(headers: ReadonlyArray<[string, string]>): Array<[string, string]> {
  return headers.map(([name, value]) => [name, PERSONAL.has(name.toLowerCase()) ? '[not of this run]' : value]);
}

function tokenParts(token: string | undefined): WireExchange['token'] {
  const [, mailboxId, , , timestamp] = /^NHSMESH ([^:]*):([^:]*):([^:]*):([^:]*):/.exec(token ?? '') ?? [];
  return mailboxId === undefined || timestamp === undefined ? undefined : { mailboxId, timestamp };
}

function tlsOf(socket: Partial<TLSSocket>): Pick<WireExchange, 'tls' | 'tlsProtocol' | 'verified'> {
  const tlsProtocol = socket.getProtocol?.() ?? undefined;
  if (tlsProtocol === undefined) return { tlsProtocol, verified: undefined };
  const verified = socket.authorized === true;
  const cipher = socket.getCipher?.().name ?? '';
  return { tls: `${tlsProtocol} ${cipher}${verified ? '' : ', not verified'}`, tlsProtocol, verified };
}
