/**
 * `Mex-Content-Checksum`: "checksum of the original message contents, as provided by the message sender"
 * (mesh-api.yaml, retrieve_message). MESH passes it on and names no algorithm: the sender's own prefix or the length
 * identifies it.
 */

/** A checksum that can be verified. */
export interface Checksum {
  /** Named as node:crypto names it. */
  algorithm: 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';
  /** Lower case. */
  hex: string;
}

/** Number of hexadecimal digits of each algorithm. */
const DIGITS: Record<Checksum['algorithm'], number> = { md5: 32, sha1: 40, sha256: 64, sha384: 96, sha512: 128 };

/**
 * The name is followed by a separator, with or without spaces, or by spaces alone. No run of spaces matches in two
 * ways: for a header of nothing but spaces that would take time quadratic in its length.
 */
const CHECKSUM = /^\s*(?:(md5|sha-?\d{1,3})(?:\s*[:\-/]\s*|\s+))?([0-9a-f]+)\s*$/i;

/**
 * Parses the header: hexadecimal digits, alone or after the algorithm's name (`SHA-256:…`, `md5 …`, `sha256-…`).
 * Returns undefined for anything else, such as a name that does not match the number of digits.
 */
export function readChecksum(text: string | undefined): Checksum | undefined {
  const [, name, hex = ''] = CHECKSUM.exec(text ?? '') ?? [];
  const byLength = Object.entries(DIGITS).find(([, digits]) => digits === hex.length);
  if (!byLength) return undefined;
  const algorithm = byLength[0] as Checksum['algorithm'];
  if (name !== undefined && name.toLowerCase().replace('-', '') !== algorithm) return undefined;
  return { algorithm, hex: hex.toLowerCase() };
}
