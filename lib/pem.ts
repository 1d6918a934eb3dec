/** Repairs PEM that came by an environment variable, a secret or an editor: its lines are often changed on the way. */
import { createPrivateKey, X509Certificate } from 'node:crypto';

/** A block, with whatever white space its sender has left. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-:]*)-----END \1-----/g;

/**
 * Returns PEM whose line breaks became spaces or `\\n`, that is indented, in quotes, after a byte order mark or in UTF-16,
 * or that is itself in base64, as PEM; also a certificate or private key that has lost its first and last line. Anything
 * else is returned unchanged. A key with headers (`Proc-Type`) is left as it is.
 */
export function repairPem(text: string): string;
/** The same for bytes: Node-RED reads environment variables and files into Buffers. */
export function repairPem(content: Buffer): Buffer;
export function repairPem(content: string | Buffer): string | Buffer;
export function repairPem(content: string | Buffer): string | Buffer {
  if (typeof content === 'string') return repairedText(content);
  const text = content.toString('latin1');
  const repaired = repairedText(text);
  return repaired === text ? content : Buffer.from(repaired, 'latin1');
}

function repairedText(text: string): string {
  // PowerShell writes UTF-16, whose other halves are NUL for PEM; JSON within JSON has several backslashes.
  const unescaped = text.replaceAll('\0', '').replaceAll(/(?:\\+r)?\\+n/g, '\n');
  const pem = unescaped.includes('-----BEGIN') ? unescaped : decoded(unescaped);
  if (pem === undefined) return text;
  // OpenSSL wants each block on lines of its own: not behind a quote or byte order mark, nor behind another block.
  const separate = pem
    .replaceAll(/(?<=[^\r\n])(?=-----BEGIN )/g, '\n')
    .replaceAll(/(-----END [A-Z0-9 ]+-----)(?=[^\r\n])/g, '$1\n');
  return separate.replaceAll(BLOCK, (block, label: string, body: string) => {
    if (/^\r?\n(?:[A-Za-z0-9+/=]{1,76}\r?\n)+$/.test(body)) return block;
    const lines = body.replaceAll(/\s+/g, '').match(/.{1,64}/g) ?? [];
    return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
  });
}

/** The PEM that a text is in base64, or that it would be with its first and last line; undefined if it is none. */
function decoded(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/\s]+=*\s*$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  const pem = bytes.toString('latin1');
  if (pem.includes('-----BEGIN')) return pem;
  const label = labelOf(bytes);
  return label === undefined ? undefined : `-----BEGIN ${label}-----\n${text}\n-----END ${label}-----\n`;
}

/** The first byte of DER: a sequence. */
const SEQUENCE = 0x30;

/** What DER is; undefined if it is neither a certificate nor a private key without a passphrase. */
function labelOf(der: Buffer): string | undefined {
  if (der[0] !== SEQUENCE) return undefined;
  const kinds: Array<[label: string, parse: () => unknown]> = [
    ['CERTIFICATE', () => new X509Certificate(der)],
    ['PRIVATE KEY', () => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })],
    ['RSA PRIVATE KEY', () => createPrivateKey({ key: der, format: 'der', type: 'pkcs1' })],
    ['EC PRIVATE KEY', () => createPrivateKey({ key: der, format: 'der', type: 'sec1' })],
  ];
  return kinds.find(([, parse]) => succeeds(parse))?.[0];
}

function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
