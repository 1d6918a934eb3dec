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
}

export const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
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
  if (schema.encoding !== 'auto') return { encoding: schema.encoding, byteOrderMark };
  const encoding = byteOrderMark || (await isAllUtf8(source)) ? 'utf-8' : 'windows-1252';
  return { encoding, byteOrderMark };
}

async function firstBytes(source: CsvSource, bytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, Math.min(bytes, source.size))) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function isAllUtf8(source: CsvSource): Promise<boolean> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const slice of slicesOf(source, 0, source.size, VALIDATED_BYTES)) {
    const bytes = rest.length === 0 ? slice : Buffer.concat([rest, slice]);
    const end = wholeCharacters(bytes);
    if (!isUtf8(bytes.subarray(0, end))) return false;
    rest = Buffer.from(bytes.subarray(end));
  }
  return isUtf8(rest);
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
