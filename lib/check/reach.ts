/** The connections of the test, one layer after the other, as the transport makes them all at once. */
import { lookup } from 'node:dns/promises';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { tlsOptions } from '../client/transport';
import type { ProxyOptions, TlsOptions } from '../config';

/** Whom a connection goes to. */
export interface Peer {
  host: string;
  port: number;
}

/** Of a URL; an IPv6 address without its brackets. */
export function peerOf(url: URL): Peer {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port };
}

/** How many addresses the name has. Rejects with the resolver's error. */
export async function resolveName({ host }: Peer, signal: AbortSignal): Promise<number> {
  // The system's resolver cannot be ended; whoever waits for it can.
  return (await Promise.race([lookup(host, { all: true }), ended(signal)])).length;
}

/** A TCP connection. Rejects with the system's error. */
export function openTcp({ host, port }: Peer, signal: AbortSignal): Promise<Socket> {
  return settled(connect({ host, port }), 'connect', signal);
}

/** A TLS connection to an https proxy, by the roots that Node trusts. */
export function openTlsToProxy(socket: Socket, { host }: Peer, signal: AbortSignal): Promise<TLSSocket> {
  return settled(connectTls({ socket, host, ...nameFor(host), rejectUnauthorized: true }), 'secureConnect', signal);
}

/** A tunnel to `target`. Rejects with an error as undici words it, so that failures.ts understands it. */
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
    request.once('connect', ({ statusCode = 0 }, tunnel: Duplex) => {
      if (statusCode === 200) return resolve(tunnel);
      tunnel.destroy();
      reject(new Error(`Proxy response (${statusCode})`));
    });
    request.once('error', (error) => reject(signal.aborted ? timedOut() : error));
    request.end();
  });
}

/**
 * The TLS connection to MESH, verified as every other is; without a tunnel on a TCP connection of its own. Rejects with
 * OpenSSL's or Node's error.
 */
export function openTls(
  { host, port }: Peer,
  { tunnel, tls, url }: { tunnel: Duplex | undefined; tls: TlsOptions; url: URL },
  signal: AbortSignal,
): Promise<TLSSocket> {
  const options = { ...nameFor(host), host, port, ...tlsOptions(tls, url), ...(tunnel && { socket: tunnel }) };
  return settled(connectTls(options), 'secureConnect', signal);
}

/** An address is no name to ask for (SNI). */
function nameFor(host: string): { servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host };
}

/** The socket when it is ready; destroyed if that fails, or takes longer than the signal allows. */
function settled<Made extends Socket>(socket: Made, event: string, signal: AbortSignal): Promise<Made> {
  return new Promise((resolve, reject) => {
    const end = (error: Error): void => {
      signal.removeEventListener('abort', late);
      socket.destroy();
      reject(error);
    };
    const late = (): void => end(timedOut());
    signal.addEventListener('abort', late, { once: true });
    // Later errors are the next step's to tell.
    socket.on('error', end).once('close', () => end(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    socket.once(event, () => {
      signal.removeEventListener('abort', late);
      resolve(socket);
    });
  });
}

function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(timedOut()), { once: true });
  });
}

function timedOut(): Error {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}
