/** Certificates for servers and clients of the tests, under a CA of their own. */
import 'reflect-metadata';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;

/** PEM. */
export interface Pair {
  cert: string;
  key: string;
}

/** What a certificate is to say. */
export interface RequestedAcknowledgements {
  commonName?: string;
  /** Names and addresses. Default: localhost and 127.0.0.1. */
  names?: string[];
  usage?: 'server' | 'client';
  notAfter?: Date;
}

/** A CA. */
export interface Authority {
  readonly cert: string;
  issue(wanted?: RequestedAcknowledgements): Promise<Pair>;
}

const newKeys = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
const serial = (): string => `01${Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('hex')}`;

/** Makes a CA of this name. */
export async function authority(name: string): Promise<Authority> {
  const keys = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [name] }],
    notBefore: new Date(Date.now() - 100 * DAY_MS),
    notAfter: new Date(Date.now() + 100 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: ca.toString('pem'),
    async issue({ commonName = 'localhost', names = ['localhost', '127.0.0.1'], usage = 'server', notAfter } = {}) {
      const own = await newKeys();
      const cert = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: [{ CN: [commonName] }],
        issuer: ca.subject,
        notBefore: new Date(Date.now() - 50 * DAY_MS),
        notAfter: notAfter ?? new Date(Date.now() + 50 * DAY_MS),
        signingAlgorithm: ALGORITHM,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new x509.ExtendedKeyUsageExtension([
            usage === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth,
          ]),
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
          ),
        ],
      });
      const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', own.privateKey), 'PRIVATE KEY');
      return { cert: cert.toString('pem'), key };
    },
  };
}

let shared: Promise<{ ca: string; server: Pair }> | undefined;

/** One CA and one server certificate for all tests that do not care. */
export function serverCertificate(): Promise<{ ca: string; server: Pair }> {
  shared ??= authority('Test CA').then(async (ca) => ({ ca: ca.cert, server: await ca.issue() }));
  return shared;
}
