/** In which encoding a delimited file is: looked for in the whole of it, because its first letter may be its last. */
import { isUtf8 } from 'node:buffer';
import { UnreadableError } from '../../errors';
import { refuseUtf16 } from '../charset';
import type { CsvSchema } from './schema';
import { slicesOf, type CsvSource } from './source';

type CsvEncoding = Exclude<CsvSchema['encoding'], 'auto'>;

/** How a file is encoded. */
export interface CsvEncoded {
  encoding: CsvEncoding;
  /** Whether it begins with the byte order mark of UTF-8. */
  byteOrderMark: boolean;
  /** False if the whole file is known to have no CR. */
  hasCr?: boolean;
}

export const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
const CR = 13;
/** Validation takes 1 ms for this much (measured). */
const VALIDATED_BYTES = 1024 * 1024;

/**
 * Returns the encoding of a file: the one of its schema; with `auto` UTF-8 if it begins with a byte order mark or if
 * all of it is UTF-8, which ASCII is, and Windows-1252 otherwise.
 * @throws UnreadableError for UTF-16, and for lines that end with CR alone
 */
export async function detectEncoding(source: CsvSource, schema: CsvSchema): Promise<CsvEncoded> {
  const beginning = await firstBytes(source, 64 * 1024);
  refuseUtf16(beginning);
  if (beginning.includes('\r') && !beginning.includes('\n')) {
    throw new UnreadableError('The lines of the file end with CR alone.', {
      advice: 'Have the sender end lines with LF or CR LF.',
    });
  }
  const byteOrderMark = beginning.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  const asksForUtf8 = schema.encoding === 'auto' && !byteOrderMark;
  const { isAllUtf8, hasCr } = await scan(source, asksForUtf8);
  const detected = isAllUtf8 ? 'utf-8' : 'windows-1252';
  return { encoding: schema.encoding === 'auto' ? detected : schema.encoding, byteOrderMark, hasCr };
}

async function firstBytes(source: CsvSource, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, Math.min(bytes, source.size))) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Reads the whole file: a hundredth of the time that parsing takes (measured). */
async function scan(source: CsvSource, asksForUtf8: boolean): Promise<{ isAllUtf8: boolean; hasCr: boolean }> {
  let isAllUtf8 = true;
  let hasCr = false;
  let rest: Buffer = Buffer.alloc(0);
  for await (const slice of slicesOf(source, 0, source.size, VALIDATED_BYTES)) {
    hasCr ||= slice.includes(CR);
    if (!asksForUtf8 || !isAllUtf8) {
      if (hasCr) break;
      continue;
    }
    const bytes = rest.length === 0 ? slice : Buffer.concat([rest, slice]);
    const end = wholeCharacters(bytes);
    isAllUtf8 = isUtf8(bytes.subarray(0, end));
    rest = Buffer.from(bytes.subarray(end));
  }
  return { isAllUtf8: isAllUtf8 && isUtf8(rest), hasCr };
}

/** Returns where the last character begins if it may go on behind the end; the length otherwise. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return bytes.length - back;
  }
  return bytes.length;
}
