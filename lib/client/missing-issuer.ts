/**
 * "Unable to get local issuer certificate" is the commonest error of a first MESH connection, and does not name the
 * issuer. This opens a second connection only to read who signed the server's chain.
 */
import type { Duplex } from 'node:stream';
import { connect, type DetailedPeerCertificate } from 'node:tls';

/**
 * Returns the name of the missing CA, e.g. `CN=NHS INT Authentication G2`; undefined if it cannot be determined within
 * five seconds. This connection sends no client certificate and no byte of a request.
 * @param tunnel a proxy's tunnel to this URL; without one, a direct connection is opened
 */
export function missingIssuer(url: URL, tunnel?: Duplex): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      ...(tunnel && { socket: tunnel }),
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 443),
      servername: /^[\d.]+$|:/.test(url.hostname) ? '' : url.hostname,
      // The point is to read the chain of a server that is not trusted; the connection ends right after that.
      rejectUnauthorized: false,
    });
    const finish = (issuer?: string): void => {
      socket.destroy();
      resolve(issuer);
    };
    socket.setTimeout(5000, () => finish());
    socket.once('error', () => finish());
    socket.once('secureConnect', () => finish(topIssuer(socket.getPeerCertificate(true))));
  });
}

function topIssuer(certificate: DetailedPeerCertificate): string | undefined {
  let top = certificate;
  // A self-signed root is its own issuer; a chain that ends early has no issuerCertificate.
  while (top.issuerCertificate && top.issuerCertificate !== top) top = top.issuerCertificate;
  return nameOf(top.issuer);
}

/**
 * Formats the name of a certificate's subject or issuer, e.g. `CN=NHS INT Authentication G2`; undefined if it is empty.
 */
export function nameOf(name: NodeJS.Dict<string | string[]> | undefined): string | undefined {
  if (!name) return undefined;
  const parts = ['CN', 'OU', 'O'].filter((key) => name[key] !== undefined).map((key) => `${key}=${String(name[key])}`);
  // The server is not trusted: shorten its name and drop control characters.
  return parts.length === 0
    ? undefined
    : parts
        .join(', ')
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, 200);
}
