/** Certificates for the tests' servers and clients, issued by the tests' own CAs. */
import 'reflect-metadata';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A certificate and its private key, in PEM. */
export interface CertificateAndKey {
  cert: string;
  key: string;
}

/** The contents of a certificate. */
interface CertificateOptions {
  commonName?: string;
  /** Host names and IP addresses. Default: localhost and 127.0.0.1. */
  names?: string[];
  usage?: 'server' | 'client';
  notAfter?: Date;
}

/** A certificate authority. `cert` is its own certificate, in PEM. */
export interface Authority {
  readonly cert: string;
  issue(options?: CertificateOptions): Promise<CertificateAndKey>;
}

const newKeys = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
const serial = (): string => `01${Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('hex')}`;

/** Creates a CA with this name, which is valid for 100 days unless told otherwise. */
export async function authority(
  name: string,
  { notAfter }: Pick<CertificateOptions, 'notAfter'> = {},
): Promise<Authority> {
  const keys = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [name] }],
    notBefore: new Date(Date.now() - 100 * DAY_MS),
    notAfter: notAfter ?? new Date(Date.now() + 100 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: ca.toString('pem'),
    async issue({ commonName = 'localhost', names = ['localhost', '127.0.0.1'], usage = 'server', notAfter } = {}) {
      const subjectKeys = await newKeys();
      const cert = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: [{ CN: [commonName] }],
        issuer: ca.subject,
        notBefore: new Date(Date.now() - 50 * DAY_MS),
        notAfter: notAfter ?? new Date(Date.now() + 50 * DAY_MS),
        signingAlgorithm: ALGORITHM,
        publicKey: subjectKeys.publicKey,
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
      const key = x509.PemConverter.encode(
        await crypto.subtle.exportKey('pkcs8', subjectKeys.privateKey),
        'PRIVATE KEY',
      );
      return { cert: cert.toString('pem'), key };
    },
  };
}

let shared: Promise<{ ca: string; server: CertificateAndKey }> | undefined;

/** Returns a CA and a server certificate for localhost, which all tests of the process share. */
export function serverCertificate(): Promise<{ ca: string; server: CertificateAndKey }> {
  shared ??= authority('Test CA').then(async (ca) => ({ ca: ca.cert, server: await ca.issue() }));
  return shared;
}
