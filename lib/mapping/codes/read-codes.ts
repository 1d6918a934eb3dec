/** Reads a table of codes from a file of either kind, or from rows that a person typed. */
import { createHash } from 'node:crypto';
import type { CsvSource } from '../../formats/csv/source';
import { readConceptMap } from './concept-map';
import { CODE_COLUMNS, readCsvCodes, type CodeCsvOptions } from './read-csv';
import { CodeTableBuilder, type CodeTableOptions, type ReadCodes } from './table';
import type { TypedCodeRow } from './typed-rows';

/**
 * Reads a table: a ConceptMap if the file begins as JSON does, a delimited file otherwise.
 * @throws ConfigurationError for a wrong delimiter; UnreadableError for UTF-16, and for lines that end with CR alone
 */
export async function readCodes(source: CsvSource, options: CodeCsvOptions): Promise<ReadCodes> {
  for await (const piece of source.open(0, Math.min(source.size, 64))) {
    if (/^\uFEFF?\s*\{/.test(piece.toString('utf8'))) return readConceptMap(source, options);
    break;
  }
  return readCsvCodes(source, options);
}

/** Makes a table of rows; each is numbered from 1. */
export function tableOfRows(rows: readonly TypedCodeRow[], options: CodeTableOptions): ReadCodes {
  const builder = new CodeTableBuilder(options, CODE_COLUMNS);
  rows.forEach((row, index) => builder.add({ ...row, at: index + 1 }));
  return builder.finish(createHash('sha256').update(JSON.stringify(rows)).digest('hex').slice(0, 12));
}
