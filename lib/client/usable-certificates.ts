/**
 * Says which of certificate, private key, CA and PFX cannot be used, and why, in words that a person can act on:
 * OpenSSL has a code for some of it, and the same for several. Files, credentials and environment variables are all
 * checked here. Nothing of their content is in a text except the names and dates in certificates.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { machineNow } from '../clock';
import type { TlsOptions } from '../config';
import { ConfigurationError, printable } from '../errors';
import { namedVariable } from '../variables';
import { clientCertificate, type ClientCertificate } from './client-certificate';

/** What a person configures. */
export type CertificatePart = 'ca' | 'cert' | 'key' | 'pfx';

/** Why a part cannot be used: the end of a sentence without a full stop, which begins with the part's name. */
export interface CertificateProblem {
  part: CertificatePart;
  /** E.g. `the private key does not belong to the client certificate`. */
  text: string;
  advice: string;
}

/** What the parts are called. */
const PART_NAMES: Readonly<Record<CertificatePart, string>> = {
  ca: 'CA',
  cert: 'client certificate',
  key: 'private key',
  pfx: 'PFX',
};

/**
 * Returns the first problem for which no TLS connection can be made, in the order in which a person would check;
 * undefined if there is none. A certificate that is out of date has no problem here: whether it matters is for the other
 * side to say.
 */
export function findCertificateProblem(tls: TlsOptions, names = PART_NAMES): CertificateProblem | undefined {
  try {
    if (tls.pfx === undefined) requirePair(tls, names);
    else requirePfx(tls, names);
    if (tls.ca !== undefined) requireAuthority(tls, names);
    requireContext(tls, names);
    return undefined;
  } catch (error) {
    if (error instanceof Unusable) return error.problem;
    throw error;
  }
}

/** Returns our client certificate's problem if it is out of date; undefined if it is not, or cannot be read. */
export function findClientCertificateOutOfDate(tls: TlsOptions): CertificateProblem | undefined {
  const own = clientCertificate(tls);
  return own && outOfDate('cert', own, 'Request a new one for this environment, and configure that.');
}

/** Returns the problem of the first certificate of the CA that is out of date; undefined if none is. */
export function findAuthorityOutOfDate({ ca }: TlsOptions): CertificateProblem | undefined {
  for (const authority of wholeCertificates(bytesOf(ca))) {
    const { validFrom, validTo } = authority;
    const dates = { commonName: commonNameOf(authority), validFrom, validTo };
    const problem = outOfDate('ca', dates, 'Configure the new certificate of this CA.');
    if (problem) return problem;
  }
  return undefined;
}

function outOfDate(part: 'cert' | 'ca', of: ClientCertificate, advice: string): CertificateProblem | undefined {
  const name = `the ${PART_NAMES[part]} ${printableName(of.commonName)}`;
  const [from, to] = [new Date(of.validFrom), new Date(of.validTo)];
  if (to.getTime() <= machineNow()) return { part, text: `${name} expired on ${dayOf(to)}`, advice };
  if (from.getTime() <= machineNow()) return undefined;
  return { part, text: `${name} is not valid before ${dayOf(from)}`, advice: 'Check this machine’s clock.' };
}

/** @throws ConfigurationError that says what {@link findCertificateProblem} found */
export function requireUsableCertificates(tls: TlsOptions, names = PART_NAMES): void {
  const problem = findCertificateProblem(tls, names);
  if (problem) throw new ConfigurationError(`tls: ${problem.text}.`, { advice: problem.advice });
}

/** Makes a sentence of a problem's text. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** Returns the bytes of PEM or PFX in any of the forms of {@link TlsOptions}; none if it is missing. */
export function bytesOf(content: TlsOptions[CertificatePart]): Buffer {
  if (content === undefined) return Buffer.alloc(0);
  return Buffer.concat([content].flat().map((each) => Buffer.from(each as string)));
}

class Unusable extends Error {
  readonly problem: CertificateProblem;
  constructor(part: CertificatePart, text: string, advice: string) {
    super(text);
    this.problem = { part, text, advice };
  }
}

/** @throws Unusable when certificate and key are not a pair; neither of them is one */
function requirePair({ cert, key, passphrase }: TlsOptions, names: typeof PART_NAMES): void {
  if (cert === undefined && key === undefined) return;
  if (cert === undefined || key === undefined) {
    const part = cert === undefined ? 'cert' : 'key';
    const what = cert === undefined ? names.cert : `${names.cert}’s private key`;
    throw new Unusable(
      part,
      `the ${what} is missing: TLS needs both its certificate and its private key`,
      'Configure both, or a PFX file with both.',
    );
  }
  const certificates = certificatesOf('cert', bytesOf(cert), names);
  const privateKey = privateKeyOf(bytesOf(key), passphrase, names);
  if (certificates[0]?.checkPrivateKey(privateKey)) return;
  const owner = certificates.findIndex((certificate) => certificate.checkPrivateKey(privateKey));
  if (owner > 0) {
    throw new Unusable(
      'cert',
      `the ${names.cert} has another certificate before it: the private key belongs to number ${owner + 1}`,
      'Put the certificate first, and those of its issuers after it.',
    );
  }
  throw new Unusable(
    'key',
    `the private key does not belong to the ${names.cert}`,
    'Use the key from which the certificate’s signing request was made.',
  );
}

/** @throws Unusable when there is not a whole certificate, and nothing but whole ones */
function certificatesOf(part: 'cert' | 'ca', content: Buffer, names: typeof PART_NAMES): X509Certificate[] {
  const found = wholeCertificates(content);
  const begun = content.toString('latin1').match(BEGIN_CERTIFICATE)?.length ?? 0;
  if (found.length > 0 && found.length === begun) return found;
  const { is, advice } =
    begun === 0
      ? describe(content, 'certificate')
      : {
          is: begun === 1 ? 'it is damaged, or ends too early' : 'one of them is damaged, or ends too early',
          advice: 'Copy it again, from -----BEGIN to the end of the last line.',
        };
  throw new Unusable(part, `the ${names[part]} is not made of certificates in PEM: ${is}`, advice);
}

const BEGIN_CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]*-----END \1-----/g;

/** Returns the certificates that can be parsed. */
function wholeCertificates(content: Buffer): X509Certificate[] {
  return (content.toString('latin1').match(CERTIFICATE) ?? []).flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

/** @throws Unusable when there is no private key in PEM, or it cannot be decrypted */
function privateKeyOf(content: Buffer, passphrase: string | undefined, names: typeof PART_NAMES): KeyObject {
  try {
    return createPrivateKey({ key: content, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    const text = content.toString('latin1');
    const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m.test(text);
    const { is, advice } = isEncrypted ? locked(passphrase) : describe(content, 'private key');
    throw new Unusable('key', `the ${names.key} holds no private key that can be used: ${is}`, advice);
  }
}

function locked(passphrase: string | undefined): Description {
  return passphrase === undefined || passphrase === ''
    ? { is: 'it is encrypted, and there is no passphrase', advice: 'Configure its passphrase.' }
    : { is: 'its passphrase is another one, or it is damaged', advice: 'Check the passphrase; it is the key’s own.' };
}

/** @throws Unusable when the PFX cannot be opened, or has no certificate and key */
function requirePfx({ pfx, passphrase }: TlsOptions, names: typeof PART_NAMES): void {
  const content = bytesOf(pfx);
  try {
    createSecureContext({ pfx: content, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    const code = `${(error as NodeJS.ErrnoException).code ?? ''} ${(error as Error).message}`;
    const { is, advice } = /mac verify|MAC_VERIFY/i.test(code)
      ? locked(passphrase)
      : /unsupported/i.test(code)
        ? {
            is: 'it is encrypted with an algorithm that OpenSSL 3 no longer has',
            advice: 'Export it again with AES, or convert it: openssl pkcs12 -legacy -in FILE -out FILE.pem.',
          }
        : content[0] === DER
          ? {
              is: 'it is no PFX (PKCS#12), or damaged',
              advice: 'Choose the .pfx or .p12 file with certificate and key.',
            }
          : describe(content, 'PFX');
    throw new Unusable('pfx', `the ${names.pfx} cannot be used: ${is}`, advice);
  }
}

/** @throws Unusable when no certificate in it is of a CA: no server's certificate would then be trusted */
function requireAuthority(tls: TlsOptions, names: typeof PART_NAMES): void {
  const certificates = certificatesOf('ca', bytesOf(tls.ca), names);
  // One without the extension that says so may still be trusted if it has signed itself.
  if (certificates.some((certificate) => certificate.ca || certificate.checkIssued(certificate))) return;
  const [own] = wholeCertificates(bytesOf(tls.cert));
  const isOwn = own !== undefined && certificates.some(({ fingerprint256 }) => fingerprint256 === own.fingerprint256);
  const what = isOwn ? `the ${names.cert} itself` : `of ${certificates.map(commonNameOf).join(', ').slice(0, 300)}`;
  throw new Unusable(
    'ca',
    `the ${names.ca} has no certificate of a CA: it is ${what}`,
    'Configure the certificates of the root and sub-CAs that sign the other side’s certificate.',
  );
}

/** @throws Unusable for what is left: an algorithm or a key that OpenSSL finds too weak, for instance */
function requireContext(tls: TlsOptions, names: typeof PART_NAMES): void {
  try {
    createSecureContext(tls);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    const part = code.includes('CA_') ? 'ca' : tls.pfx === undefined ? 'cert' : 'pfx';
    const why = WEAK.find(([words]) => code.includes(words))?.[1] ?? 'OpenSSL refuses it';
    throw new Unusable(
      part,
      `the ${names[part]} cannot be used: ${why} (${code})`,
      'Request a new one with current algorithms.',
    );
  }
}

const WEAK = [
  ['KEY_TOO_SMALL', 'its key is too short'],
  ['MD_TOO_WEAK', 'it is signed with a hash that is no longer trusted'],
] as const;

interface Description {
  /** A clause, e.g. `it is empty`. */
  is: string;
  advice: string;
}

/** Says what something is that is not PEM of what was wanted. */
function describe(content: Buffer, wanted: 'certificate' | 'private key' | 'PFX'): Description {
  const text = content.toString('latin1').trim();
  if (text === '') {
    return { is: 'it is empty', advice: 'Fill it in; if it comes from an environment variable, set that.' };
  }
  const variable = namedVariable(text);
  if (variable !== undefined) {
    return { is: `the environment variable ${printable(variable).slice(0, 100)} is not set`, advice: 'Set it.' };
  }
  if (/^(?:\xff\xfe|\xfe\xff)|^.?\0/.test(text)) {
    return { is: 'it is text in UTF-16', advice: 'Save it as plain text, in ASCII or UTF-8.' };
  }
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text)?.[1];
  if (label !== undefined) return ofLabel(label, wanted, text.includes(`-----END ${label}-----`));
  if (content[0] === DER) return ofDer(content, '');
  const decoded = /^[A-Za-z0-9+/\s]{40,}=*$/.test(text) ? Buffer.from(text, 'base64') : undefined;
  if (decoded?.[0] === DER) return ofDer(decoded, ', without the lines BEGIN and END');
  if (text.startsWith('<')) return { is: 'it is a web page', advice: `Configure the ${wanted}, not a page about it.` };
  if (/^(?:file:|~?\/|\.{1,2}[/\\]|[A-Za-z]:[/\\])[^\r\n]*$/.test(text)) {
    return { is: 'it is a path', advice: 'Configure what is in the file, or choose the file.' };
  }
  return wanted === 'PFX'
    ? { is: 'it is no PFX (PKCS#12)', advice: 'Choose the .pfx or .p12 file.' }
    : {
        is: 'it is something else',
        advice: `Configure the ${wanted} in PEM, from -----BEGIN to the end of the last line.`,
      };
}

/** The first byte of everything in DER. */
const DER = 0x30;

function ofLabel(label: string, wanted: string, isWhole: boolean): Description {
  if (label.includes('REQUEST')) {
    return { is: 'it is a signing request', advice: 'Use the certificate that was issued for it.' };
  }
  if (label === 'OPENSSH PRIVATE KEY') {
    return { is: 'it is in OpenSSH’s own format', advice: 'Convert a copy of it: ssh-keygen -p -m PEM -f COPY.' };
  }
  if (label === 'PKCS7') {
    return {
      is: 'it is PKCS#7',
      advice: 'Convert it: openssl pkcs7 -print_certs -in FILE -out FILE.pem.',
    };
  }
  const kind = label.endsWith('PRIVATE KEY')
    ? 'private key'
    : label.endsWith('PUBLIC KEY')
      ? 'public key'
      : label.endsWith('CERTIFICATE')
        ? 'certificate'
        : undefined;
  if (kind === wanted) {
    const is = isWhole ? 'it is damaged' : 'it ends too early';
    return { is, advice: 'Copy it again, from -----BEGIN to the end of the last line.' };
  }
  return {
    is: kind === undefined ? 'it is something else in PEM' : `it is a ${kind}`,
    advice:
      kind === 'private key' || kind === 'certificate'
        ? 'Check that certificate, private key and CA are not exchanged.'
        : `Configure the ${wanted}.`,
  };
}

/** @param how further words about its form */
function ofDer(content: Buffer, how: string): Description {
  if (isCertificate(content)) {
    const advice = 'Convert it: openssl x509 -inform DER -in FILE -out FILE.pem.';
    return { is: 'it is a certificate in DER', advice };
  }
  const hex = content.subarray(0, 40).toString('hex');
  // A sequence that begins with the number 3 is PKCS#12; one with this object identifier is PKCS#7.
  if (/^30(?:[0-7].|80|81..|82.{4}|83.{6}|84.{8})020103/.test(hex)) {
    return {
      is: `it is PFX (PKCS#12)${how}`,
      advice: 'Choose PFX for it, or convert it: openssl pkcs12 -in FILE -out FILE.pem.',
    };
  }
  if (hex.includes('06092a864886f70d0107')) {
    return {
      is: `it is PKCS#7${how}`,
      advice: 'Convert it: openssl pkcs7 -inform DER -print_certs -in FILE -out FILE.pem.',
    };
  }
  if (isPrivateKey(content)) {
    const advice = 'Convert it: openssl pkey -inform DER -in FILE -out FILE.pem.';
    return { is: 'it is a private key in DER', advice };
  }
  return { is: `it is in DER${how}`, advice: 'Convert it to PEM, e.g. with openssl.' };
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length > 0;
  } catch {
    return false;
  }
}

function isPrivateKey(der: Buffer): boolean {
  return (['pkcs8', 'pkcs1', 'sec1'] as const).some((type) => {
    try {
      return createPrivateKey({ key: der, format: 'der', type }).type === 'private';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ERR_MISSING_PASSPHRASE';
    }
  });
}

/** Returns the common name of a certificate's subject for a text. */
function commonNameOf({ subject }: X509Certificate): string {
  return printableName(/^CN=(.*)$/m.exec(subject ?? '')?.[1] ?? '');
}

function printableName(name: string): string {
  return name === '' ? '(without a name)' : name.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
