/** Delimited files (CSV): checked, split, joined and written. */
export { checkCsv, type CsvCheck, type CsvCheckOptions, type CsvFinding } from './check';
export { parseCsvRows, writeCsvHeader, writeCsvRows, type CsvForm, type CsvValues } from './rows';
export { readCsvSchema, type CsvSchema, type WrittenCsvSchema } from './schema';
export type { CsvSource } from './source';
export { readCsvRange, splitCsv, wholeOf, type CsvPart, type CsvSplitOptions } from './split';
