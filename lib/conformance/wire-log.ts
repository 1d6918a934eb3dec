/**
 * What goes over the wire, from the HTTP client's own diagnostics channels (undici's documentation, "Diagnostics Channel"): the
 * evidence is what was sent, not what the library says that it has sent. Secrets are dropped before anything is kept.
 */
import { createHash } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { TLSSocket } from 'node:tls';
import type { Exchange } from './types';

/** An exchange with what only the checks need. */
export interface WireExchange extends Exchange {
  mailboxId: string;
  /** A digest of the token, to see whether it was used before. */
  tokenDigest: string | undefined;
  /** The mailbox and time that the token names. */
  token: { mailboxId: string; timestamp: string } | undefined;
  startedMs: number;
  /** Undefined while it is under way. */
  endedMs: number | undefined;
  /** Of the server's chain and name, by this side. */
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

/** Values of these may be a patient's, or a person's own words: shown for messages of this run only. */
const PERSONAL = new Set([
  'mex-to',
  'mex-subject',
  'mex-localid',
  'mex-filename',
  'mex-partnerid',
  'mex-content-checksum',
]);
const SECRET = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);

/** Listens from its making to `close`. */
export class WireLog {
  readonly all: WireExchange[] = [];
  /** Messages of this run, and reports about them. */
  readonly own = new Set<string>();
  readonly #under = new Map<UndiciRequest, WireExchange>();
  readonly #origin: string;
  readonly #listeners: Array<[string, (message: unknown) => void]>;

  /** `url`: exchanges with other servers are not looked at. */
  constructor(url: string) {
    this.#origin = new URL(url).origin;
    this.#listeners = [
      ['undici:client:sendHeaders', (message) => this.#sent(message as SendHeaders)],
      ['undici:request:bodyChunkSent', (message) => this.#counted(message as Chunk, 'requestBytes')],
      ['undici:request:bodyChunkReceived', (message) => this.#counted(message as Chunk, 'responseBytes')],
      ['undici:request:headers', (message) => this.#answered(message as Headers)],
      ['undici:request:trailers', (message) => this.#ended(message as { request: UndiciRequest })],
      ['undici:request:error', (message) => this.#ended(message as { request: UndiciRequest })],
    ];
    for (const [name, listener] of this.#listeners) subscribe(name, listener);
  }

  close(): void {
    for (const [name, listener] of this.#listeners) unsubscribe(name, listener);
  }

  /** Exchanges as they may be shown. */
  shown(exchanges: readonly WireExchange[]): Exchange[] {
    return exchanges.map((exchange) => {
      const { mailboxId: _1, tokenDigest: _2, token: _3, startedMs: _4, endedMs: _5, verified: _6, ...rest } = exchange;
      const { tlsProtocol: _7, ...shown } = rest;
      const inbox = /\/inbox\/([^/?]+)/.exec(shown.path)?.[1];
      const isOwn = inbox === undefined || this.own.has(decodeURIComponent(inbox));
      return { ...shown, responseHeaders: isOwn ? shown.responseHeaders : withoutPersonal(shown.responseHeaders) };
    });
  }

  #sent({ request, headers, socket }: SendHeaders): void {
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
    this.#under.set(request, exchange);
  }

  #answered({ request, response }: Headers): void {
    const exchange = this.#under.get(request);
    if (!exchange) return;
    exchange.status = response.statusCode;
    const texts = response.headers.map((text) => text.toString('latin1'));
    exchange.responseHeaders = texts
      .flatMap((name, index): Array<[string, string]> => (index % 2 === 0 ? [[name, texts[index + 1] ?? '']] : []))
      .map(withoutSecret);
  }

  #counted({ request, chunk }: Chunk, direction: 'requestBytes' | 'responseBytes'): void {
    const exchange = this.#under.get(request);
    if (exchange) exchange[direction] += Buffer.byteLength(chunk);
  }

  #ended({ request }: { request: UndiciRequest }): void {
    const exchange = this.#under.get(request);
    if (!exchange) return;
    this.#under.delete(request);
    exchange.endedMs = Date.now();
    exchange.milliseconds = exchange.endedMs - exchange.startedMs;
  }
}

function pairOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

/** Of a token its scheme and mailbox stay; the hash could be tried against guessed passwords. */
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
