/** A payload's checksum for `Mex-Content-Checksum`, by which the recipient can check that the payload is complete. */
import { createHash } from 'node:crypto';

/** The algorithms that this pack calculates. */
export const CHECKSUMS = ['md5', 'sha256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUMS)[number];

/**
 * Returns the checksum in lower-case hexadecimal, over all bytes of the payload before it is compressed and cut
 * ("checksum of the original message contents", mesh-api.yaml, whose example is an MD5 in this form).
 */
export async function checksumOf(pieces: AsyncIterable<Buffer>, algorithm: ChecksumAlgorithm): Promise<string> {
  const hash = createHash(algorithm);
  for await (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
