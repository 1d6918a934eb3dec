/**
 * "Unable to get local issuer certificate" is the commonest start of a MESH connection, and never says which issuer. This
 * asks the server for its chain once more, on a connection of its own, only to read who signed it.
 */
import type { Duplex } from 'node:stream';
import { connect, type DetailedPeerCertificate } from 'node:tls';

/**
 * The name of the CA that is missing, e.g. `CN=NHS INT Authentication G2`; undefined if it cannot be found out within
 * five seconds. No client certificate and not one byte of a request is sent on this connection.
 * @param tunnel a proxy's, to this URL; without one, a connection is made
 */
export function missingIssuer(url: URL, tunnel?: Duplex): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      ...(tunnel && { socket: tunnel }),
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 443),
      servername: /^[\d.]+$|:/.test(url.hostname) ? '' : url.hostname,
      // Reading the chain of a server that is not trusted is the point; the connection ends right after it.
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
  // A self-signed root names itself as its issuer; a chain that ends early has no issuerCertificate.
  while (top.issuerCertificate && top.issuerCertificate !== top) top = top.issuerCertificate;
  return nameOf(top.issuer);
}

/** What a certificate says whose it is or who signed it, e.g. `CN=NHS INT Authentication G2`; undefined where it says nothing. */
export function nameOf(name: NodeJS.Dict<string | string[]> | undefined): string | undefined {
  if (!name) return undefined;
  const parts = ['CN', 'OU', 'O'].filter((key) => name[key] !== undefined).map((key) => `${key}=${String(name[key])}`);
  // The name comes from a server that nobody vouches for: shortened, and without control characters.
  return parts.length === 0
    ? undefined
    : parts
        .join(', ')
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, 200);
}
