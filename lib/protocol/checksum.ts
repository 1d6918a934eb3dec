/**
 * `Mex-Content-Checksum`: "checksum of the original message contents, as provided by the message sender" (mesh-api.yaml,
 * retrieve_message). MESH passes it on and names no algorithm: it is told by the sender's own prefix, or by the length.
 */

/** A checksum that can be checked. */
export interface Checksum {
  /** As node:crypto has it. */
  algorithm: 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';
  /** In lower case. */
  hex: string;
}

/** Digits of each algorithm's hexadecimal form. */
const DIGITS: Record<Checksum['algorithm'], number> = { md5: 32, sha1: 40, sha256: 64, sha384: 96, sha512: 128 };

/**
 * After the name either a separator, with or without spaces, or spaces: no run of them can be cut in two ways, which for a header of
 * nothing but spaces would take the square of its length.
 */
const CHECKSUM = /^\s*(?:(md5|sha-?\d{1,3})(?:\s*[:\-/]\s*|\s+))?([0-9a-f]+)\s*$/i;

/**
 * Reads the header: hexadecimal digits, alone or after the algorithm's name (`SHA-256:…`, `md5 …`, `sha256-…`). Undefined
 * for everything else, e.g. a name that the digits do not fit: that is then no checksum of a kind that we know.
 */
export function readChecksum(text: string | undefined): Checksum | undefined {
  const [, name, hex = ''] = CHECKSUM.exec(text ?? '') ?? [];
  const byLength = Object.entries(DIGITS).find(([, digits]) => digits === hex.length);
  if (!byLength) return undefined;
  const algorithm = byLength[0] as Checksum['algorithm'];
  if (name !== undefined && name.toLowerCase().replace('-', '') !== algorithm) return undefined;
  return { algorithm, hex: hex.toLowerCase() };
}
