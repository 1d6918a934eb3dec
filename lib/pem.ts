/** Repairs PEM that came by an environment variable or a secret: its line breaks are often lost on the way. */

/** A block, with whatever white space its sender has left. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-:]*)-----END \1-----/g;

/**
 * Returns PEM whose line breaks became spaces or `\\n`, or that is itself in base64, as PEM; anything else unchanged. A
 * key with headers (`Proc-Type`) is left as it is.
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
  const unescaped = text.replaceAll(/\\r\\n|\\n/g, '\n');
  const pem = unescaped.includes('-----BEGIN') ? unescaped : decoded(unescaped);
  if (pem === undefined) return text;
  // As `cat` joins two files of which the first has no line break at its end.
  const separate = pem.replaceAll(/(-----END [A-Z0-9 ]+-----)(?=-----BEGIN )/g, '$1\n');
  return separate.replaceAll(BLOCK, (block, label: string, body: string) => {
    if (/^\r?\n(?:[A-Za-z0-9+/=]{1,76}\r?\n)+$/.test(body)) return block;
    const lines = body.replaceAll(/\s+/g, '').match(/.{1,64}/g) ?? [];
    return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
  });
}

/** The PEM that a text is in base64; undefined if it is none. */
function decoded(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/\s]+=*\s*$/.test(text)) return undefined;
  const pem = Buffer.from(text, 'base64').toString('latin1');
  return pem.includes('-----BEGIN') ? pem : undefined;
}
