/**
 * Makes a private key and the signing request for NHS England, with the library that makes the sandbox's certificates;
 * it is loaded on use. Source: mesh-api.yaml, "Get a TLS certificate".
 */
import { createPrivateKey } from 'node:crypto';
import { ConfigurationError } from '../errors';

/** Options of {@link makeSigningRequest}. */
export interface SigningRequestOptions {
  /** A name of this machine or system, e.g. `SERVER001`, or the mailbox id: letters, digits and hyphens. */
  localId: string;
  /** The organisation's ODS code, e.g. `X26`. */
  odsCode: string;
  /** Size of the RSA key (bits). */
  bits: 2048 | 3072 | 4096;
  /** Encrypts the key (AES-256). Default: none; only the file's mode protects the key. */
  passphrase?: string;
}

/** A private key and its signing request, both PEM. */
interface SigningRequest {
  commonName: string;
  key: string;
  csr: string;
}

/** The longest common name (characters; X.520). */
const MAX_COMMON_NAME = 64;

/**
 * Returns `local_id.ods_code.api.mesh-client.nhs.uk`.
 * @throws ConfigurationError when a part is invalid or the name would be too long
 */
export function commonName({ localId, odsCode }: Pick<SigningRequestOptions, 'localId' | 'odsCode'>): string {
  if (!/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(localId)) {
    throw new ConfigurationError('--local-id may only contain letters, digits and hyphens, e.g. SERVER001.');
  }
  if (!/^[A-Za-z0-9]{3,10}$/.test(odsCode)) {
    throw new ConfigurationError('--ods must be an ODS code: letters and digits, e.g. X26.');
  }
  const name = `${localId}.${odsCode.toUpperCase()}.api.mesh-client.nhs.uk`;
  if (name.length <= MAX_COMMON_NAME) return name;
  throw new ConfigurationError(
    `The common name would have ${name.length} characters; a certificate allows ${MAX_COMMON_NAME}.`,
    { advice: `Use a --local-id of at most ${MAX_COMMON_NAME - name.length + localId.length} characters.` },
  );
}

/** Makes a new key and its signing request; neither is written anywhere. */
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
