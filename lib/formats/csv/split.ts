/** Splits a checked file into parts of whole rows. Rows are cut by their lengths, not parsed again. */
import type { CsvCheck } from './check';
import { slicesOf, type CsvSource } from './source';

/** How a file is split. Without `rows` and `bytes` it is one part. */
export interface CsvSplitOptions {
  /** Rows of each part; the last one has the rest. */
  rows?: number | undefined;
  /** The largest size of a part, header included. A single row may be larger. */
  bytes?: number | undefined;
  /** Whether each part begins with the header's row, so that it is a file by itself. */
  repeatHeader?: boolean;
  /** Which rows. Default: those that were not rejected. */
  take?: 'accepted' | 'rejected' | 'all';
}

/** Some consecutive rows of a file; of rejected ones between them, nothing. */
export interface CsvPart {
  /** From 0. */
  index: number;
  /** How many parts there are. */
  count: number;
  rows: number;
  /** The number of its first row among all data rows of the file, from 1; 0 for a part without rows. */
  firstRow: number;
  /** How many bytes of the header are before its rows. */
  headerBytes: number;
  /** How many bytes it has, header included. */
  size: number;
  /**
   * Yields its bytes: its rows exactly as they were read, after the header if that is repeated. A piece is valid until
   * the next. To be read before the next part is taken, or not at all.
   */
  pieces: () => AsyncIterable<Buffer>;
}

/** A part before its bytes are read. */
interface PlannedPart {
  rows: number;
  firstRow: number;
  size: number;
  /** Where its rows are: adjacent ones are one range. */
  ranges: Array<{ start: number; end: number }>;
}

/**
 * Yields the parts of a file, reading no further ahead than a slice: whoever takes the parts decides when the next one is
 * read. A file without rows is one part without rows.
 */
export async function* splitCsv(
  source: CsvSource,
  check: CsvCheck,
  options: CsvSplitOptions = {},
): AsyncGenerator<CsvPart> {
  const { layout } = check;
  const header = options.repeatHeader === true ? await readCsvRange(source, layout.headerStart, layout.headEnd) : EMPTY;
  const count = countParts(check, options, header.length);
  const reader = new ForwardReader(source, layout.headEnd, layout.tailStart);
  let index = 0;
  try {
    for (const { rows, firstRow, size, ranges } of planParts(check, options, header.length)) {
      const pieces = async function* (): AsyncGenerator<Buffer> {
        if (header.length > 0) yield header;
        for (const { start, end } of ranges) yield* reader.take(start, end);
      };
      yield { index, count, rows, firstRow, headerBytes: header.length, size, pieces };
      index += 1;
    }
  } finally {
    await reader.close();
  }
}

const EMPTY = Buffer.alloc(0);

function countParts(check: CsvCheck, options: CsvSplitOptions, headerBytes: number): number {
  let count = 0;
  for (const part of planParts(check, options, headerBytes)) count += part.rows >= 0 ? 1 : 0;
  return count;
}

function* planParts(check: CsvCheck, options: CsvSplitOptions, headerBytes: number): Generator<PlannedPart> {
  const { headEnd, lengths, rejected } = check.layout;
  const { rows: maxRows = Infinity, bytes: maxBytes = Infinity, take = 'accepted' } = options;
  const isTaken = (row: number): boolean => take === 'all' || rejected.has(row) === (take === 'rejected');
  const empty = (): PlannedPart => ({ rows: 0, firstRow: 0, size: headerBytes, ranges: [] });
  let part = empty();
  let start = headEnd;
  let row = 0;
  let isFirst = true;
  for (const length of lengths) {
    const end = start + length;
    if (isTaken(row)) {
      if (part.rows > 0 && (part.rows >= maxRows || part.size + length > maxBytes)) {
        yield part;
        isFirst = false;
        part = empty();
      }
      if (part.rows === 0) part.firstRow = row + 1;
      const last = part.ranges.at(-1);
      if (last?.end === start) last.end = end;
      else part.ranges.push({ start, end });
      part.rows += 1;
      part.size += length;
    }
    start = end;
    row += 1;
  }
  if (part.rows > 0 || isFirst) yield part;
}

/** Returns the bytes of a range. */
export async function readCsvRange(source: CsvSource, start: number, end: number): Promise<Buffer> {
  return start < end ? wholeOf(source.open(start, end), end - start) : EMPTY;
}

/**
 * Returns all pieces as one.
 * @param size how many bytes they have, if that is known
 */
export async function wholeOf(pieces: AsyncIterable<Buffer>, size?: number): Promise<Buffer> {
  let whole = Buffer.allocUnsafe(size ?? 64 * 1024);
  let length = 0;
  for await (const piece of pieces) {
    if (length + piece.length > whole.length) {
      const grown = Buffer.allocUnsafe(2 * (length + piece.length));
      whole.copy(grown, 0, 0, length);
      whole = grown;
    }
    piece.copy(whole, length);
    length += piece.length;
  }
  return whole.subarray(0, length);
}

/** Reads ranges of a file, each behind the one before, with one opening. */
class ForwardReader {
  readonly #slices: AsyncGenerator<Buffer>;
  #at: number;
  #rest: Buffer = EMPTY;

  constructor(source: CsvSource, start: number, end: number) {
    this.#slices = slicesOf(source, start, end);
    this.#at = start;
  }

  async *take(start: number, end: number): AsyncGenerator<Buffer> {
    while (this.#at < end) {
      if (this.#rest.length === 0) {
        const { value, done } = await this.#slices.next();
        if (done) return;
        this.#rest = value;
      }
      const from = Math.min(Math.max(start - this.#at, 0), this.#rest.length);
      const to = Math.min(end - this.#at, this.#rest.length);
      const piece = this.#rest.subarray(from, to);
      this.#at += to;
      this.#rest = this.#rest.subarray(to);
      if (piece.length > 0) yield piece;
    }
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#slices.return(undefined);
  }
}
