/**
 * Reads the rows of a delimited file with csv-parse, and keeps where each row's bytes end, so that a row can be written
 * as it was read. csv-parse hands its rows to a callback instead of its stream, which takes half as long (measured).
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { parse, type CsvError } from 'csv-parse';
import { windows1252FromLatin1 } from '../charset';
import { BYTE_ORDER_MARK, type CsvEncoded } from './encoding';
import type { CsvSchema } from './schema';
import { slicesOf, type CsvSource } from './source';

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
  { encoding, byteOrderMark }: CsvEncoded,
  from: CsvPosition = { offset: byteOrderMark ? BYTE_ORDER_MARK.length : 0, line: 1 },
  to = source.size,
): AsyncGenerator<CsvRow[]> {
  const found: Array<{ values: string[]; end: number; lines: number }> = [];
  const parser = parse({
    delimiter: schema.delimiter,
    quote: schema.quote === '' ? null : schema.quote,
    escape: schema.quote === '' ? null : schema.quote,
    record_delimiter: ['\r\n', '\n'],
    encoding: encoding === 'utf-8' ? 'utf8' : 'latin1',
    relax_column_count: true,
    max_record_size: schema.maxRowBytes,
    on_record: (values: string[], { bytes, lines }) => {
      found.push({ values, end: bytes, lines });
      return null;
    },
  });
  // Each failure is reported by the call that caused it.
  parser.on('error', () => undefined);

  let { line } = from;
  let rowStart = from.offset;
  let linesBefore = 0;
  let bytes: Buffer = Buffer.alloc(0);

  /** Returns the rows that csv-parse has found; `bytes` begins with the first of them. */
  const takeRows = (): CsvRow[] => {
    if (found.length === 0) return [];
    const bytesStart = rowStart;
    const last = found.at(-1)?.end ?? 0;
    const all = bytes.subarray(0, from.offset + last - bytesStart);
    const isPlain = isAscii(all);
    const isValid = isPlain || (encoding === 'utf-8' && isUtf8(all));
    const rows = found.map(({ values, end, lines }): CsvRow => {
      const start = rowStart;
      rowStart = from.offset + end;
      const at = rowStart - bytesStart;
      const endsWithLf = bytes[at - 1] === LF && at > start - bytesStart;
      const lineEnd = !endsWithLf ? 'none' : bytes[at - 2] === CR && at - 1 > start - bytesStart ? 'CRLF' : 'LF';
      const raw = isValid && lines - linesBefore <= 1 ? undefined : bytes.subarray(start - bytesStart, at);
      const row: CsvRow = {
        values: isPlain || encoding !== 'windows-1252' ? values : values.map(windows1252FromLatin1),
        line,
        start,
        end: rowStart,
        lineEnd,
        isUndecodable: !isValid && raw !== undefined && isUndecodable(raw, encoding),
      };
      // csv-parse counts a CR within a value, too.
      line += raw === undefined ? 1 : countLines(raw);
      linesBefore = lines;
      return row;
    });
    found.length = 0;
    bytes = bytes.subarray(all.length);
    return rows;
  };

  try {
    for await (const slice of slicesOf(source, from.offset, to)) {
      bytes = bytes.length === 0 ? slice : Buffer.concat([bytes, slice]);
      const failed = await new Promise<Error | undefined>((resolve) => {
        parser.write(slice, (error) => resolve(error ?? undefined));
      });
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
