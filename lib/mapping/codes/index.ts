/** Tables of codes: read from delimited files, ConceptMaps or rows, looked up, and what they do not have counted. */
export { readCodes, tableOfRows } from './read-codes';
export { readCodeRows, type CodeCsvOptions } from './read-csv';
export type { ReadCodes } from './table';
export { readTypedRows, type TypedCodeRow } from './typed-rows';
export type { CodeLookup, CodeTable, CodeTarget } from './types';
export { UnknownCodes } from './unknown-codes';
