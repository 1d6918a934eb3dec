/**
 * Reads the rows of a delimited file with csv-parse, and keeps where each row's bytes end, so that a row can be written
 * as it was read. csv-parse hands its rows to a callback instead of its stream, which takes half as long (measured).
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { parse, type CsvError } from 'csv-parse';
import { windows1252FromLatin1 } from '../charset';
import { BYTE_ORDER_MARK, type CsvEncoded } from './encoding';
import type { CsvSchema } from './schema';
import { SLICE_BYTES, slicesOf, type CsvSource } from './source';

const LF = 10;
const CR = 13;

/** A row as it was read. */
export interface CsvRow {
  values: string[];
  /** On which line of the file it begins, counted from 1. */
  line: number;
  /** Where its bytes begin and, with its line end, end in the file. */
  start: number;
  end: number;
  lineEnd: 'LF' | 'CRLF' | 'none';
  /** Whether its bytes are no text in the file's encoding. */
  isUndecodable: boolean;
}

/** Why a file cannot be read on. */
export class UnreadableRow extends Error {
  constructor(
    /** The line on which the row begins. */
    readonly line: number,
    /** `quote`: a quote within a value, or one that does not close; `row-length`: a longer row than the schema allows. */
    readonly rule: 'quote' | 'row-length',
  ) {
    super(`Line ${line} cannot be read (${rule})`);
  }
}

/** Where to begin. */
export interface CsvPosition {
  offset: number;
  line: number;
}

/**
 * Yields the rows of a file in batches, one for each slice.
 * @throws UnreadableRow where a row has no end; the rows before it have been yielded
 */
export async function* readRows(
  source: CsvSource,
  schema: CsvSchema,
  { encoding, byteOrderMark, hasCr = true }: CsvEncoded,
  from: CsvPosition = { offset: byteOrderMark ? BYTE_ORDER_MARK.length : 0, line: 1 },
  to = source.size,
): AsyncGenerator<CsvRow[]> {
  // A row's end, and the lines that csv-parse has counted, before takeRows fills in the rest.
  const found: CsvRow[] = [];
  const linesOf: number[] = [];
  const parser = parse({
    delimiter: schema.delimiter,
    quote: schema.quote === '' ? null : schema.quote,
    escape: schema.quote === '' ? null : schema.quote,
    relax_quotes: schema.looseQuotes,
    // Each is compared with every byte.
    record_delimiter: hasCr ? ['\r\n', '\n'] : ['\n'],
    encoding: encoding === 'utf-8' ? 'utf8' : 'latin1',
    relax_column_count: true,
    max_record_size: schema.maxRowBytes,
    on_record: (values: string[], { bytes, lines }) => {
      found.push({ values, line: 0, start: 0, end: from.offset + bytes, lineEnd: 'none', isUndecodable: false });
      linesOf.push(lines);
      return null;
    },
  });
  // Each failure is reported by the call that caused it.
  parser.on('error', () => undefined);

  let { line } = from;
  let rowStart = from.offset;
  let linesBefore = 0;
  // The bytes of rows that are not taken yet: memory that is used again and again, because no row keeps any of it.
  let bytes = Buffer.allocUnsafe(2 * SLICE_BYTES);
  let length = 0;
  let isFirst = true;

  /** Returns the rows that csv-parse has found; `bytes` begins with the first of them. */
  const takeRows = (): CsvRow[] => {
    const rows = found.splice(0);
    const lines = linesOf.splice(0);
    const bytesStart = rowStart;
    const all = bytes.subarray(0, (rows.at(-1)?.end ?? bytesStart) - bytesStart);
    const isPlain = isAscii(all);
    const isValid = isPlain || (encoding === 'utf-8' && isUtf8(all));
    for (const [index, row] of rows.entries()) {
      const begin = rowStart - bytesStart;
      const end = row.end - bytesStart;
      row.line = line;
      row.start = rowStart;
      rowStart = row.end;
      if (all[end - 1] === LF && end > begin) row.lineEnd = all[end - 2] === CR && end - 1 > begin ? 'CRLF' : 'LF';
      if (!isPlain && encoding === 'windows-1252') row.values = row.values.map(windows1252FromLatin1);
      if (!isValid) row.isUndecodable = isUndecodable(all.subarray(begin, end), encoding);
      // csv-parse counts a CR within a value, too.
      const counted = lines[index] ?? 0;
      line += counted - linesBefore <= 1 ? 1 : countLines(all.subarray(begin, end));
      linesBefore = counted;
    }
    bytes.copyWithin(0, all.length, length);
    length -= all.length;
    return rows;
  };

  try {
    for await (const slice of slicesOf(source, from.offset, to)) {
      if (length + slice.length > bytes.length) {
        const grown = Buffer.allocUnsafe(2 * (length + slice.length));
        bytes.copy(grown, 0, 0, length);
        bytes = grown;
      }
      slice.copy(bytes, length);
      length += slice.length;
      const failed = await new Promise<Error | undefined>((resolve) => {
        // csv-parse keeps the end of the first bytes that it gets, and copies of all others.
        parser.write(isFirst ? Buffer.from(slice) : slice, (error) => resolve(error ?? undefined));
      });
      isFirst = false;
      const rows = takeRows();
      if (rows.length > 0) yield rows;
      if (failed) throw unreadable(failed, line);
    }
    const failed = await new Promise<Error | undefined>((resolve) => {
      parser.once('error', resolve);
      parser.end(() => resolve(undefined));
    });
    const rows = takeRows();
    if (rows.length > 0) yield rows;
    if (failed) throw unreadable(failed, line);
  } finally {
    parser.destroy();
  }
}

function unreadable(error: Error, line: number): Error {
  const code = (error as Partial<CsvError>).code as string | undefined;
  if (code === undefined) return error;
  return new UnreadableRow(line, code === 'CSV_MAX_RECORD_SIZE' ? 'row-length' : 'quote');
}

/** Bytes that Windows-1252 has no character for. */
const UNDEFINED_1252 = new Set([0x81, 0x8d, 0x8f, 0x90, 0x9d]);

function isUndecodable(raw: Buffer, encoding: CsvEncoded['encoding']): boolean {
  if (encoding === 'utf-8') return !isUtf8(raw);
  if (encoding === 'ascii') return !isAscii(raw);
  return raw.some((byte) => UNDEFINED_1252.has(byte));
}

/** A last line without an end counts as one. */
function countLines(raw: Buffer): number {
  let lines = 0;
  for (let at = raw.indexOf(LF); at >= 0; at = raw.indexOf(LF, at + 1)) lines += 1;
  return Math.max(1, lines);
}

/** Whether a row is an empty line, or one of blanks alone. */
export function isBlank({ values }: CsvRow): boolean {
  return values.length === 1 && values[0]?.trim() === '';
}
