/** Reads a table of codes from a delimited file, whatever its size, without holding the event loop. */
import { createHash } from 'node:crypto';
import type { CsvFinding } from '../../formats/csv/check';
import { detectEncoding } from '../../formats/csv/encoding';
import { isBlank, readRows, UnreadableRow, type CsvRow } from '../../formats/csv/reader';
import { readCsvSchema, type CsvSchema } from '../../formats/csv/schema';
import { slicesOf, type CsvSource } from '../../formats/csv/source';
import { CodeTableBuilder, type CodeColumns, type CodeTableOptions, type ReadCodes } from './table';
import { typedRow, type TypedCodeRow } from './typed-rows';
import type { CodeRow } from './types';

/** The columns' names where a file has the usual ones. */
export const CODE_COLUMNS: Readonly<CodeColumns> = {
  sourceSystem: 'sourceSystem',
  source: 'source',
  targetSystem: 'targetSystem',
  target: 'target',
  display: 'display',
  equivalence: 'equivalence',
  priority: 'priority',
};

/** An import ends after so many errors. */
const MAX_IMPORT_ERRORS = 100;

type Role = keyof CodeColumns;
const ROLES = Object.keys(CODE_COLUMNS) as Role[];

/** How the file is written. */
export interface CodeCsvOptions extends CodeTableOptions {
  delimiter?: string | undefined;
  encoding?: CsvSchema['encoding'] | undefined;
  /** Columns that the file names differently. Without a header: their numbers, from 1. */
  columns?: Partial<CodeColumns> | undefined;
  /** Whether the first row has the columns' names. Default: true. */
  hasHeader?: boolean;
}

/** Where each column is in a row. */
type Places = Partial<Record<Role, number>>;

/** What takes rows and what is wrong with them: a table that is built, or an import. */
interface RowSink {
  add(row: CodeRow): void;
  error(finding: CsvFinding): void;
  /** Whether no more rows are taken. */
  readonly isFull: boolean;
}

/**
 * Reads a table. `source` and `target` are needed; other columns are read if the file has them.
 * @throws ConfigurationError for a wrong delimiter; UnreadableError for UTF-16, and for lines that end with CR alone
 */
export async function readCsvCodes(source: CsvSource, options: CodeCsvOptions): Promise<ReadCodes> {
  const builder = new CodeTableBuilder(options, columnsOf(options));
  const endsWithLineEnd = await readInto(builder, source, options);
  return { ...builder.finish(await versionOf(source)), endsWithLineEnd };
}

/**
 * Reads the rows of a delimited file with the usual columns, for a person who edits them: codes are not checked.
 * @param options `maxRows`: more are an error
 * @throws as {@link readCsvCodes}
 */
export async function readCodeRows(
  source: CsvSource,
  options: { delimiter?: string; maxRows: number },
): Promise<{ rows: TypedCodeRow[]; errors: CsvFinding[] }> {
  const rows: TypedCodeRow[] = [];
  const errors: CsvFinding[] = [];
  const { maxRows } = options;
  await readInto(
    {
      add: (row) => rows.push(typedRow(row)),
      error: (finding) => errors.push(finding),
      get isFull() {
        return rows.length > maxRows || errors.length >= MAX_IMPORT_ERRORS;
      },
    },
    source,
    options,
  );
  if (rows.length > maxRows)
    errors.push({ rule: 'rows', text: `The file has more than ${maxRows} rows, the maximum here.` });
  return { rows: rows.slice(0, maxRows), errors };
}

/** Returns whether the last line ends with a line end. */
async function readInto(
  sink: RowSink,
  source: CsvSource,
  options: Pick<CodeCsvOptions, 'delimiter' | 'encoding' | 'hasHeader' | 'columns'>,
): Promise<boolean> {
  const { delimiter = ',', encoding = 'auto', hasHeader = true, columns: asked = {} } = options;
  const schema = readCsvSchema({ delimiter, encoding });
  const columns = columnsOf(options);
  const encoded = await detectEncoding(source, schema);
  let places = hasHeader ? undefined : placesByNumber(columns, asked, sink);
  if (!hasHeader && places === undefined) return true;
  let width = 0;
  let lastRow: CsvRow | undefined;
  try {
    for await (const rows of readRows(source, schema, encoded)) {
      for (const row of rows) {
        lastRow = row;
        if (isBlank(row)) continue;
        if (width === 0) width = row.values.length;
        if (places === undefined) {
          places = placesByName(row, columns, asked, sink);
          if (places === undefined) return true;
          continue;
        }
        if (row.isUndecodable) {
          const text = `The row has bytes that ${encoded.encoding} does not have.`;
          sink.error({ line: row.line, rule: 'encoding', text });
        } else if (row.values.length !== width) {
          const text = `The row has ${row.values.length} columns instead of ${width}.`;
          sink.error({ line: row.line, rule: 'column-count', text });
        } else sink.add(rowOf(row, places));
        if (sink.isFull) return true;
      }
    }
  } catch (error) {
    if (!(error instanceof UnreadableRow)) throw error;
    const text = 'The file cannot be read from this line on: a quote within a value, or one that does not close.';
    sink.error({ line: error.line, rule: error.rule, text });
  }
  return lastRow?.lineEnd !== 'none';
}

function columnsOf({ columns = {} }: Pick<CodeCsvOptions, 'columns'>): CodeColumns {
  return { ...CODE_COLUMNS, ...withoutBlanks(columns) };
}

function rowOf({ values, line }: CsvRow, places: Places): CodeRow {
  const value = (role: Role): string => {
    const place = places[role];
    return place === undefined ? '' : withoutGuard(values[place] ?? '');
  };
  return {
    at: line,
    sourceSystem: value('sourceSystem'),
    source: value('source'),
    targetSystem: value('targetSystem'),
    target: value('target'),
    display: value('display'),
    equivalence: value('equivalence'),
    priority: value('priority'),
  };
}

/** An export writes an apostrophe before a value that a spreadsheet would take for a formula (resources/mesh-editor/code-table.js). */
function withoutGuard(value: string): string {
  return /^'[=+\-@]/.test(value) ? value.slice(1) : value;
}

/** Returns undefined, with an error, where a column that is needed or was asked for is not in the header. */
function placesByName(
  { values, line }: CsvRow,
  columns: CodeColumns,
  asked: Partial<CodeColumns>,
  sink: RowSink,
): Places | undefined {
  const names = values.map((name) => name.trim());
  const places: Places = {};
  let isGood = true;
  const fail = (name: string, text: string): void => {
    sink.error({ line, column: name, rule: 'header', text });
    isGood = false;
  };
  for (const role of ROLES) {
    const name = columns[role];
    const place = names.indexOf(name);
    if (place >= 0) places[role] = place;
    if (place >= 0 && names.includes(name, place + 1)) fail(name, `The header has the column ${name} twice.`);
    const isNeeded = role === 'source' || role === 'target' || (asked[role] ?? '').trim() !== '';
    if (place < 0 && isNeeded) fail(name, `The header does not have the column ${name}.`);
  }
  return isGood ? places : undefined;
}

function placesByNumber(columns: CodeColumns, asked: Partial<CodeColumns>, sink: RowSink): Places | undefined {
  const places: Places = {};
  let isGood = true;
  for (const role of ROLES) {
    const isAsked = (asked[role] ?? '').trim() !== '';
    const number = Number(columns[role]);
    if (isAsked && Number.isInteger(number) && number >= 1 && number <= 1000) places[role] = number - 1;
    else if (isAsked || role === 'source' || role === 'target') {
      const text = 'A file without a header needs the number of this column.';
      sink.error({ column: CODE_COLUMNS[role], rule: 'header', text });
      isGood = false;
    }
  }
  return isGood ? places : undefined;
}

function withoutBlanks(columns: Partial<CodeColumns>): Partial<CodeColumns> {
  return Object.fromEntries(
    Object.entries(columns)
      .map(([role, name]) => [role, name.trim()] as const)
      .filter(([, name]) => name !== ''),
  );
}

/** Returns the beginning of the SHA-256 of the bytes: tables with the same version have the same content. */
export async function versionOf(source: CsvSource): Promise<string> {
  const hash = createHash('sha256');
  for await (const slice of slicesOf(source, 0, source.size)) hash.update(slice);
  return hash.digest('hex').slice(0, 12);
}
