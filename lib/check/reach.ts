/** The connections of the test, one layer after another; the transport makes them all at once. */
import { lookup } from 'node:dns/promises';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { refusalOfTunnel } from '../client/proxy-refusal';
import { tlsOptions } from '../client/transport';
import type { ProxyOptions, TlsOptions } from '../config';

/** The other end of a connection. */
interface Peer {
  host: string;
  port: number;
}

/** Returns the peer of a URL; an IPv6 address loses its brackets. */
export function peerOf(url: URL): Peer {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/**
 * Returns the number of addresses of a name.
 * @throws Error of the resolver, or ETIMEDOUT
 */
export async function resolveName({ host }: Peer, signal: AbortSignal): Promise<number> {
  // The system's resolver cannot be cancelled; waiting for it can.
  return (await Promise.race([lookup(host, { all: true }), rejectOnAbort(signal)])).length;
}

/**
 * Opens a TCP connection.
 * @throws Error of the system, or ETIMEDOUT
 */
export function openTcp({ host, port }: Peer, signal: AbortSignal): Promise<Socket> {
  return whenReady(connect({ host, port }), 'connect', signal);
}

/** Opens a TLS connection to an https proxy, verified against Node's own roots. */
export function openTlsToProxy(socket: Socket, { host }: Peer, signal: AbortSignal): Promise<TLSSocket> {
  return whenReady(connectTls({ socket, host, ...nameFor(host), rejectUnauthorized: true }), 'secureConnect', signal);
}

/**
 * Opens a tunnel to `target`.
 * @throws ProxyRefusal when the proxy opens none; Error of the system, or ETIMEDOUT
 */
export function openTunnel(proxy: ProxyOptions, through: Socket, target: Peer, signal: AbortSignal): Promise<Duplex> {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const path = `${host}:${target.port}`;
  const { username = '', password = '' } = proxy;
  const pair = Buffer.from(`${username}:${password}`).toString('base64');
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path,
      headers: { host: path, ...(username === '' ? {} : { 'proxy-authorization': `Basic ${pair}` }) },
      createConnection: () => through,
      signal,
    });
    request.once('connect', ({ statusCode = 0, headers }, tunnel: Duplex) => {
      const refusal = refusalOfTunnel(statusCode, headers);
      if (refusal === undefined) return resolve(tunnel);
      tunnel.destroy();
      reject(refusal);
    });
    request.once('error', (error) => reject(signal.aborted ? timedOut() : error));
    request.end();
  });
}

/**
 * Opens the TLS connection to MESH, verified like every other; without a tunnel, on a TCP connection of its own.
 * @throws Error of OpenSSL or Node, or ETIMEDOUT
 */
export function openTls(
  { host, port }: Peer,
  { tunnel, tls, url }: { tunnel: Duplex | undefined; tls: TlsOptions; url: URL },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const options = { ...nameFor(host), host, port, ...tlsOptions(tls, url), ...(tunnel && { socket: tunnel }) };
  return whenReady(connectTls(options), 'secureConnect', signal);
}

/** Returns the name for SNI; an IP address has none. */
function nameFor(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host };
}

/** Returns the socket when it is ready; destroys it if it fails or the signal aborts first. */
function whenReady<S extends Socket>(socket: S, event: string, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(timedOut());
    signal.addEventListener('abort', onAbort, { once: true });
    // The listeners stay: later errors belong to the next step, and must not be unhandled here.
    socket.on('error', fail).once('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    socket.once(event, () => {
      signal.removeEventListener('abort', onAbort);
      resolve(socket);
    });
  });
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(timedOut()), { once: true });
  });
}

function timedOut(): Error {
  return Object.assign(new Error('no response in time'), { code: 'ETIMEDOUT' });
}
