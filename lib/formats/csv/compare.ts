/**
 * Compares the rows of a file that came back with those of the file that was sent: a service that answers with the rows
 * that remain leaves rows out, and neither adds nor repeats any. Of the sent file 12 bytes a row are kept, of the
 * other nothing. No value is told (docs/design.md, rule 12).
 */
import { UnreadableError } from '../../errors';
import { delimiterOf } from './delimiter';
import { detectEncoding } from './encoding';
import { isBlank, readRows, UnreadableRow, type CsvRow } from './reader';
import { readCsvSchema } from './schema';
import type { CsvSource } from './source';
import { readCsvRange } from './split';
import { HashList, hashOf } from './unique';

/** Bytes of a file in which its first line is looked for. */
const BEGINNING_BYTES = 64 * 1024;

/** A column by its number, from 1, of a file without column names; or by its name in the first row. */
export type ComparedColumn = string | number;

/** What a comparison has found. Numbers only. */
export interface CsvComparison {
  /** Rows of the file that was sent. */
  sent: number;
  /** Rows of the file that came back. */
  returned: number;
  /** Rows that came back and were not sent, and the line of the first. */
  notSent: number;
  notSentLine?: number;
  /** Rows that came back more often than they were sent, and the line of the first. */
  repeated: number;
  repeatedLine?: number;
}

/** Which of the files cannot be compared, and the line from which on, if it is one. */
export class IncomparableFile extends Error {
  constructor(
    readonly file: 'sent' | 'returned',
    readonly line?: number,
  ) {
    super(`The file that was ${file} cannot be compared`);
  }
}

/**
 * Returns how the rows of two files differ. Values are equal if their 64-bit hashes are: with 6 million rows sent, one
 * row in 3 million million that were not sent would be missed.
 * @throws IncomparableFile when one has no such column, or rows that cannot be read; what a source throws
 */
export async function compareRows(
  files: { sent: CsvSource; returned: CsvSource },
  columns: { sent: ComparedColumn; returned: ComparedColumn },
): Promise<CsvComparison> {
  const hashes = new HashList();
  const found: CsvComparison = { sent: 0, returned: 0, notSent: 0, repeated: 0 };
  const sentWidth = await eachValue('sent', files.sent, columns.sent, (value) => {
    found.sent += 1;
    if (value !== '') hashes.add(hashOf([value]));
  });
  const known = await hashes.sorted();
  const returnedWidth = await eachValue('returned', files.returned, columns.returned, (value, line) => {
    found.returned += 1;
    const taken = known.take(hashOf([value]));
    if (taken === 'unknown') {
      found.notSent += 1;
      found.notSentLine ??= line;
    } else if (taken === 'repeated') {
      found.repeated += 1;
      found.repeatedLine ??= line;
    }
  });
  const areNumbered = typeof columns.sent === 'number' && typeof columns.returned === 'number';
  // Without names, nothing else tells what a further column is: another number, perhaps.
  if (areNumbered && found.returned > 0 && returnedWidth !== sentWidth) throw new IncomparableFile('returned', 1);
  return found;
}

/**
 * Calls `take` for each value of a column, without blanks around it. Returns how many values each row has: all have as
 * many as the first, or the value of another row may stand in one.
 */
async function eachValue(
  file: IncomparableFile['file'],
  source: CsvSource,
  column: ComparedColumn,
  take: (value: string, line: number) => void,
): Promise<number | undefined> {
  const isNumbered = typeof column === 'number';
  let place = isNumbered ? column - 1 : undefined;
  let width: number | undefined;
  try {
    for await (const rows of rowsOf(source)) {
      for (const row of rows) {
        if (isBlank(row)) continue;
        const own = isNumbered ? widthOf(row) : row.values.length;
        width ??= own;
        if (row.isUndecodable || own !== width) throw new IncomparableFile(file, row.line);
        if (place === undefined) place = placeOf(column, row, file);
        else {
          const value = row.values[place];
          if (value === undefined) throw new IncomparableFile(file, row.line);
          take(value.trim(), row.line);
        }
      }
    }
  } catch (error) {
    if (error instanceof UnreadableRow) throw new IncomparableFile(file, error.line);
    if (error instanceof UnreadableError) throw new IncomparableFile(file);
    throw error;
  }
  return width;
}

/** Returns the place of a column that the first row names. */
function placeOf(column: ComparedColumn, { values, line }: CsvRow, file: IncomparableFile['file']): number {
  const name = String(column).trim().toLowerCase();
  const place = values.findIndex((each) => each.trim().toLowerCase() === name);
  if (place < 0) throw new IncomparableFile(file, line);
  return place;
}

/** How many values a row of a list has. A last empty one stands behind its delimiter, which a service may leave out. */
const widthOf = ({ values }: CsvRow): number => (values.at(-1) === '' ? values.length - 1 : values.length);

/** Yields the rows of a file in batches. A quote within a value is a character like others, as some services write it. */
async function* rowsOf(source: CsvSource): AsyncGenerator<CsvRow[]> {
  const beginning = await readCsvRange(source, 0, Math.min(source.size, BEGINNING_BYTES));
  const firstLine = /^[^\r\n]*/.exec(beginning.toString('latin1'))?.[0] ?? '';
  const schema = readCsvSchema({ delimiter: delimiterOf(firstLine), looseQuotes: true });
  yield* readRows(source, schema, await detectEncoding(source, schema));
}
