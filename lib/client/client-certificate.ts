/** Reads our client certificate: its name and its dates. */
import { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { TlsOptions } from '../config';

/** Our client certificate, as MESH sees it. */
export interface ClientCertificate {
  /** The common name; empty if it has none. */
  commonName: string;
  /** ISO 8601 UTC. */
  validFrom: string;
  /** ISO 8601 UTC. */
  validTo: string;
}

/** A certificate with fewer days left expires soon: NHS England needs some weeks to issue a new one. */
export const CERTIFICATE_SOON_DAYS = 60;

/**
 * Reads the certificate from PEM or PFX, through a socket that is never connected: Node has no other reader for PFX.
 * Returns undefined if there is none or it cannot be read.
 */
export function clientCertificate(tls: TlsOptions): ClientCertificate | undefined {
  if (tls.cert === undefined && tls.pfx === undefined) return undefined;
  const nowhere = new Duplex({ read: () => undefined, write: (_piece, _encoding, done) => done() });
  let socket: TLSSocket | undefined;
  try {
    socket = new TLSSocket(nowhere, { secureContext: createSecureContext(tls) });
    const found = socket.getCertificate();
    if (!found || !('valid_to' in found)) return undefined;
    const { subject, valid_from: from, valid_to: to } = found;
    const names = [subject.CN].flat();
    return { commonName: names[0] ?? '', validFrom: new Date(from).toISOString(), validTo: new Date(to).toISOString() };
  } catch {
    // openMailbox reports a certificate that cannot be used.
    return undefined;
  } finally {
    socket?.destroy();
  }
}
