/** UUIDs of the versions that Node.js does not make (RFC 9562). */
import { createHash } from 'node:crypto';

/** Sequences of a millisecond: 12 bits. */
const SEQUENCES = 0x1000;

/**
 * Returns a UUID of version 7: it begins with its time (RFC 9562, 5.7).
 * @param now milliseconds since 1970
 * @param sequence orders those of one millisecond (RFC 9562, 6.2, method 1)
 * @param random eight random bytes
 */
export function uuidOfTime(now: number, sequence: number, random: Buffer): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(now, 0, 6);
  bytes.writeUInt16BE(sequence % SEQUENCES, 6);
  random.copy(bytes, 8, 0, 8);
  return withVersion(bytes, 7);
}

/** Returns a function that makes UUIDs of version 7: those of one millisecond sort in the order in which they were made. */
export function uuidsOfTime(now: () => number, random: (bytes: number) => Buffer): () => string {
  let last = 0;
  let sequence = 0;
  return () => {
    const time = now();
    const bytes = random(10);
    // The first of a millisecond begins in the lower half: the others have room behind it.
    sequence = time === last ? sequence + 1 : bytes.readUInt16BE(0) % (SEQUENCES / 2);
    last = time;
    return uuidOfTime(time, sequence, bytes.subarray(2));
  };
}

/**
 * Returns the UUID of version 5 of a name: the same one for the same name (RFC 9562, 5.5).
 * @param namespace a UUID
 */
export function uuidOfName(name: string, namespace: string): string {
  const space = Buffer.from(namespace.replaceAll('-', ''), 'hex');
  const digest = createHash('sha1').update(space).update(name, 'utf8').digest();
  return withVersion(digest.subarray(0, 16), 5);
}

/** Writes version and variant (RFC 9562, 4.1 and 4.2) into 16 bytes, and the hyphens between them. */
function withVersion(bytes: Buffer, version: number): string {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
