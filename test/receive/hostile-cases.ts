/**
 * What a hostile server may respond with instead of a message, one response for each chunk requested. None of it may
 * pass for a message. test/receive/mutations.ts removes each check and sees its case fail.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { HostileResponse } from '../harness/hostile-mesh';

export const gzip = { 'content-encoding': 'gzip' };
export const range = (text: string): Record<string, string> => ({ 'mex-chunk-range': text });

/** Chunk `number` of `total`, `text` each. */
export const chunkOf =
  (text: Buffer) =>
  (number: number, total: number, more: HostileResponse = {}): HostileResponse => ({
    status: number < total ? 206 : 200,
    body: text,
    ...more,
    headers: { ...range(`${number}:${total}`), ...more.headers },
  });

/** A gzip with one byte changed, counted from its end: 6 is in its CRC, 1 in its length. */
export function spoilt(bytes: Buffer, fromEnd: number): Buffer {
  const other = Buffer.from(bytes);
  other[other.length - fromEnd] = (other[other.length - fromEnd] ?? 0) ^ 0xff;
  return other;
}

/** Cases that end with a DownloadError, for a payload of these bytes. */
export function hostileCases(TEXT: Buffer): Record<string, HostileResponse[]> {
  const GZIP = gzipSync(TEXT);
  const wrongCrc = spoilt(GZIP, 6);
  const wrongLength = spoilt(GZIP, 1);
  const chunk = chunkOf(TEXT);
  const digest = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('hex');
  const checksum = (value: string): Record<string, string> => ({ 'mex-content-checksum': value });
  return {
    'a body shorter than its Content-Length, and a break': [
      { headers: { 'content-length': TEXT.length + 10 }, body: TEXT, ending: 'break' },
    ],
    'a chunked body that breaks off': [{ body: TEXT, ending: 'break' }],
    'a gzip shorter than its Content-Length, and a break': [
      { headers: { ...gzip, 'content-length': GZIP.length }, body: GZIP.subarray(0, 30), ending: 'break' },
    ],
    'a gzip that ends too early': [{ headers: gzip, body: GZIP.subarray(0, -1) }],
    'a gzip that ends after its first byte': [{ headers: gzip, body: GZIP.subarray(0, 1) }],
    'an empty body as a gzip': [{ headers: gzip }],
    'a gzip with a wrong checksum': [{ headers: gzip, body: wrongCrc }],
    'a gzip with a wrong length': [{ headers: gzip, body: wrongLength }],
    'a plain body declared as gzip': [{ headers: gzip, body: TEXT }],
    'garbage after the gzip': [{ headers: gzip, body: Buffer.concat([GZIP, Buffer.from('garbage')]) }],
    'garbage after the gzip, later': [{ headers: gzip, body: [GZIP, Buffer.from('garbage')] }],
    'zeros after the gzip': [{ headers: gzip, body: Buffer.concat([GZIP, Buffer.alloc(20)]) }],
    'zeros after the gzip, later': [{ headers: gzip, body: [GZIP, Buffer.alloc(20)] }],
    'zeros and another gzip after the gzip': [{ headers: gzip, body: Buffer.concat([GZIP, Buffer.alloc(3), GZIP]) }],
    'a second gzip that is broken': [{ headers: gzip, body: Buffer.concat([GZIP, wrongCrc]) }],
    'an unknown encoding': [{ headers: { 'content-encoding': 'br' }, body: TEXT }],
    'two encodings': [{ headers: { 'content-encoding': 'gzip, gzip' }, body: gzipSync(GZIP) }],
    'no chunk range where more is to follow': [{ status: 206, body: TEXT }],
    'no chunk range at chunk 2': [chunk(1, 2), { status: 200, body: TEXT }],
    'a chunk range that cannot be read': [{ headers: range('one of two'), body: TEXT }],
    'chunk 2 where chunk 1 was requested': [chunk(2, 2)],
    'chunk 1 where chunk 2 was requested': [chunk(1, 2), chunk(1, 2)],
    'chunk 3 where chunk 2 was requested': [chunk(1, 3), chunk(3, 3)],
    'a total that becomes smaller': [chunk(1, 3), chunk(2, 2)],
    'a total that becomes larger': [chunk(1, 2), chunk(2, 3)],
    'status 206 at the last chunk': [chunk(1, 2), chunk(2, 2, { status: 206 })],
    'status 206 at the only chunk': [chunk(1, 1, { status: 206 })],
    'status 200 before the last chunk': [chunk(1, 2, { status: 200 })],
    'status 200 in the middle': [chunk(1, 3), chunk(2, 3, { status: 200 })],
    'a REPORT where chunk 2 was requested': [chunk(1, 2), { headers: { 'mex-messagetype': 'REPORT' } }],
    'a REPORT with the range of chunk 2': [chunk(1, 2), chunk(2, 2, { headers: { 'mex-messagetype': 'REPORT' } })],
    'a broken gzip in chunk 2': [
      chunk(1, 2, { headers: gzip, body: GZIP }),
      chunk(2, 2, { headers: gzip, body: wrongCrc }),
    ],
    'chunk 1 again, as the last': [chunk(1, 2), chunk(1, 2, { status: 200 })],
    'status 200 before an existing chunk': [chunk(1, 2, { status: 200 }), chunk(2, 2)],
    'a plain body without a length, cut off': [{ body: TEXT.subarray(0, 20), ending: 'close' }],
    'a Mex-Total-Chunks that differs from its range': [
      chunk(1, 2, { headers: { 'mex-total-chunks': 3 } }),
      chunk(2, 2),
    ],
    'a Mex-Total-Chunks without a range': [{ headers: { 'mex-total-chunks': 2 }, body: TEXT }],
    'a second chunk that MESH does not have': [chunk(1, 2)],
    'a second chunk from another sender': [
      chunk(1, 2, { headers: { 'mex-from': 'X26ABC1' } }),
      chunk(2, 2, { headers: { 'mex-from': 'X26ABC3' } }),
    ],
    'an MD5 that does not match the payload': [{ headers: checksum(digest('md5', GZIP)), body: TEXT }],
    'a SHA-256 that does not match the payload of two chunks': [
      chunk(1, 2, { headers: checksum(`SHA-256:${digest('sha256', TEXT)}`) }),
      chunk(2, 2),
    ],
    'a wrong checksum in a gzip, and then nothing more': [
      { headers: { ...gzip, 'content-length': GZIP.length + 9 }, body: wrongCrc, ending: 'hang' },
    ],
    'garbage after a gzip, and then nothing more': [
      { headers: gzip, body: [GZIP, Buffer.from('garbage')], ending: 'hang' },
    ],
    'zeros after a gzip, and then nothing more': [{ headers: gzip, body: [GZIP, Buffer.alloc(20)], ending: 'hang' }],
  };
}
