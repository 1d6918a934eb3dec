/**
 * A private key and the request that NHS England signs. The library is the one that makes the sandbox's certificates; it is
 * loaded only here. Source: mesh-api.yaml, "Get a TLS certificate".
 */
import { createPrivateKey } from 'node:crypto';
import { ConfigurationError } from '../errors';

/** What the certificate is to be for. */
export interface SigningRequestOptions {
  /** A name of this machine or system, e.g. `SERVER001`, or the mailbox id: letters, digits and hyphens. */
  localId: string;
  /** ODS code of the organisation, e.g. `X26`. */
  odsCode: string;
  /** RSA, bits. */
  bits: 2048 | 3072 | 4096;
  /** Encrypts the key (AES-256). Default: it is not encrypted, and only the file's mode protects it. */
  passphrase?: string;
}

/** Both PEM. */
export interface SigningRequest {
  commonName: string;
  key: string;
  csr: string;
}

/** X.520: a common name has at most 64 characters. */
const MAX_COMMON_NAME = 64;

/** `local_id.ods_code.api.mesh-client.nhs.uk`. Throws ConfigurationError for parts that make no such name. */
export function commonName({ localId, odsCode }: Pick<SigningRequestOptions, 'localId' | 'odsCode'>): string {
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(localId)) {
    throw new ConfigurationError('--local-id may only have letters, digits and hyphens, e.g. SERVER001.');
  }
  if (!/^[A-Za-z0-9]{3,10}$/.test(odsCode)) {
    throw new ConfigurationError('--ods has to be an ODS code: letters and digits, e.g. X26.');
  }
  const name = `${localId}.${odsCode.toUpperCase()}.api.mesh-client.nhs.uk`;
  if (name.length <= MAX_COMMON_NAME) return name;
  throw new ConfigurationError(
    `The common name would have ${name.length} characters; a certificate takes ${MAX_COMMON_NAME}.`,
    { advice: `Give a --local-id of at most ${MAX_COMMON_NAME - name.length + localId.length} characters.` },
  );
}

/** Makes both; the key has never been anywhere else. */
export async function makeSigningRequest(options: SigningRequestOptions): Promise<SigningRequest> {
  const name = commonName(options);
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: options.bits,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
  });
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({
    type: 'pkcs8',
    format: 'pem',
    ...(options.passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase: options.passphrase }),
  });
  return { commonName: name, key: key.toString(), csr: `${request.toString('pem')}\n` };
}
