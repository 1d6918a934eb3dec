/** A payload's checksum for `Mex-Content-Checksum`, so that the receiver can tell that it is whole. */
import { createHash } from 'node:crypto';

/** Algorithms that are calculated here. */
export const CHECKSUMS = ['md5', 'sha256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUMS)[number];

/**
 * Hexadecimal, lower case, over all bytes of the payload before compression and before it is cut ("checksum of the original
 * message contents", mesh-api.yaml, whose example is an MD5 in this form). Takes the whole payload, piece by piece.
 */
export async function checksumOf(pieces: AsyncIterable<Buffer>, algorithm: ChecksumAlgorithm): Promise<string> {
  const hash = createHash(algorithm);
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
