/**
 * Makes throw-away certificates: a CA for one sandbox, its server certificate, and client certificates, in ECDSA P-256
 * and a few milliseconds. The library is loaded on use: a sandbox on http does not need it.
 */
import { isIP } from 'node:net';
import type { ClientCertificateOptions, PemPair } from './types';

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DEFAULT_COMMON_NAME = 'sandbox.X26.api.mesh-client.nhs.uk';

/** A CA that exists as long as the sandbox. */
export interface CertificateAuthority {
  /** The CA's own certificate, PEM. */
  readonly cert: string;
  /** Issues a certificate for localhost, 127.0.0.1, ::1 and, if different, `host`. */
  serverCertificate(host: string): Promise<PemPair>;
  clientCertificate(options?: ClientCertificateOptions): Promise<PemPair>;
}

/** Makes a CA. Tests use a second one as a foreign CA. */
export async function makeCertificateAuthority(name = 'MESH sandbox CA'): Promise<CertificateAuthority> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const newKeys = (): Promise<CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);

  const caKeys = await newKeys();
  const notBefore = new Date(Date.now() - 60 * 60 * 1000);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    notBefore,
    notAfter: new Date(Date.now() + 10 * YEAR_MS),
    signingAlgorithm: ALGORITHM,
    keys: caKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });

  const issue = async (
    commonName: string,
    usage: string,
    notAfter: Date,
    altNames: Array<{ type: 'dns' | 'ip'; value: string }>,
  ): Promise<PemPair> => {
    const keys = await newKeys();
    const cert = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(),
      subject: [{ CN: [commonName] }],
      issuer: ca.subject,
      notBefore: notAfter > notBefore ? notBefore : new Date(notAfter.getTime() - YEAR_MS),
      notAfter,
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([usage]),
        await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
        ...(altNames.length > 0 ? [new x509.SubjectAlternativeNameExtension(altNames)] : []),
      ],
    });
    const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
    return { cert: cert.toString('pem'), key };
  };

  return {
    cert: ca.toString('pem'),
    serverCertificate: (host) =>
      issue('localhost', x509.ExtendedKeyUsage.serverAuth, new Date(Date.now() + 2 * YEAR_MS), altNames(host)),
    clientCertificate: ({ commonName = DEFAULT_COMMON_NAME, notAfter = new Date(Date.now() + YEAR_MS) } = {}) =>
      issue(commonName, x509.ExtendedKeyUsage.clientAuth, notAfter, []),
  };
}

function altNames(host: string): Array<{ type: 'dns' | 'ip'; value: string }> {
  const names = new Set(['localhost', '127.0.0.1', '::1', host]);
  // The addresses for "listen on every interface" are not names.
  for (const everywhere of ['0.0.0.0', '::', '']) names.delete(everywhere);
  return [...names].map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }));
}

/** Positive and unique: a browser that has seen the last sandbox refuses the same serial number again. */
function serialNumber(): string {
  return `01${Buffer.from(crypto.getRandomValues(new Uint8Array(12))).toString('hex')}`;
}
