/** What a person has to know of the client certificate: whose it is, and until when it is good. */
import { Duplex } from 'node:stream';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { TlsOptions } from '../config';

/** Our own certificate, as MESH sees it. */
export interface ClientCertificate {
  /** Its common name; empty where it has none. */
  commonName: string;
  /** ISO 8601 UTC. */
  validFrom: string;
  /** ISO 8601 UTC. */
  validTo: string;
}

/** From so many days before its end a certificate is told to be near it: NHS England needs some weeks to issue a new one. */
export const CERTIFICATE_SOON_DAYS = 60;

/**
 * The certificate of PEM or PFX alike: a socket that is never connected reads it, since Node has no other reader for PFX.
 * Undefined where there is none, or it cannot be read.
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
    // What cannot be used at all is told when the mailbox is opened.
    return undefined;
  } finally {
    socket?.destroy();
  }
}
