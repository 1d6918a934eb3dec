/** From the bytes of rows to values, and back: a row whose values have not changed is written as it was read. */
import { InvalidMessageError } from '../../errors';
import { encode } from '../charset';
import { BYTE_ORDER_MARK, type CsvEncoded } from './encoding';
import { isBlank, readRows, type CsvRow } from './reader';
import type { CsvSchema } from './schema';

/** A row by the names of its columns, or by their places. */
export type CsvValues = Record<string, unknown> | readonly unknown[];

/** How rows are read and written. */
export interface CsvForm extends CsvEncoded {
  /** Empty: rows are arrays. */
  columns: readonly string[];
}

/** Returns the values of rows, as objects by column where columns are known. Bytes are of whole rows, without a header. */
export async function parseCsvRows(bytes: Buffer, schema: CsvSchema, form: CsvForm): Promise<CsvValues[]> {
  const rows = await rowsIn(bytes, schema, form);
  return rows.map(({ values }) => toValues(values, schema, form.columns));
}

async function rowsIn(bytes: Buffer, schema: CsvSchema, { encoding }: CsvEncoded): Promise<CsvRow[]> {
  const source = {
    size: bytes.length,
    async *open(start: number, end: number) {
      yield bytes.subarray(start, end);
    },
  };
  const found: CsvRow[] = [];
  for await (const rows of readRows(source, schema, { encoding, byteOrderMark: false })) found.push(...rows);
  return schema.blankLines === 'skip' ? found.filter((row) => !isBlank(row)) : found;
}

function toValues(values: string[], schema: CsvSchema, columns: readonly string[]): CsvValues {
  const own = schema.trailingDelimiter && values.length > 1 && values.at(-1) === '' ? values.slice(0, -1) : values;
  if (columns.length === 0) return own;
  // A header may name __proto__.
  return Object.fromEntries(own.map((value, index) => [columns[index] ?? `column ${index + 1}`, value]));
}

/**
 * Returns the bytes of rows.
 * @param read the bytes that rows were read from: those with the same values are written byte for byte as they are there
 * @throws InvalidMessageError for a value that the encoding does not have, or that cannot be in a row without quotes
 */
export async function writeCsvRows(
  rows: readonly CsvValues[],
  schema: CsvSchema,
  form: CsvForm,
  read: Buffer = Buffer.alloc(0),
): Promise<Buffer> {
  const known = new Map<string, Buffer[]>();
  let end = 0;
  for (const row of await rowsIn(read, schema, form)) {
    const key = JSON.stringify(toFields(toValues(row.values, schema, form.columns), form.columns));
    known.set(key, [...(known.get(key) ?? []), read.subarray(end, row.end)]);
    end = row.end;
  }
  return Buffer.concat(
    rows.map((row) => {
      const fields = toFields(row, form.columns);
      return known.get(JSON.stringify(fields))?.shift() ?? writeFields(fields, schema, form);
    }),
  );
}

/** Returns the bytes before the rows: the header, and the byte order mark that a schema requires. */
export function writeCsvHeader(schema: CsvSchema, form: CsvForm): Buffer {
  const mark = form.byteOrderMark || schema.byteOrderMark === 'require' ? BYTE_ORDER_MARK : Buffer.alloc(0);
  if (schema.header === 'none') return mark;
  const plain = { ...schema, trailingDelimiter: false };
  return Buffer.concat([mark, writeFields([...form.columns], plain, form)]);
}

function toFields(row: CsvValues, columns: readonly string[]): string[] {
  const values = isArray(row) ? row : columns.map((name) => (Object.hasOwn(row, name) ? row[name] : ''));
  return values.map((value) => {
    if (value === undefined || value === null) return '';
    if (typeof value === 'string') return value;
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    throw new InvalidMessageError('A row has a value that is no text, number or boolean.', {
      advice: 'Convert the values of the rows to text before they are written.',
    });
  });
}

const isArray = (row: CsvValues): row is readonly unknown[] => Array.isArray(row);

function writeFields(fields: readonly string[], schema: CsvSchema, { encoding }: CsvEncoded): Buffer {
  const { delimiter, quote, quoting, trailingDelimiter, lineEnd } = schema;
  const written = fields.map((field) => {
    const needsQuotes = field.includes(delimiter) || (quote !== '' && field.includes(quote)) || /[\r\n]/.test(field);
    if (quote === '' && needsQuotes) {
      throw new InvalidMessageError('A row has a value with a delimiter or a line break, and no quotes are allowed.', {
        advice: 'Replace these characters in the values, or set a quote in the schema.',
      });
    }
    if (quote === '' || !(needsQuotes || quoting === 'all' || isLonelyBlank(field, fields))) return field;
    return `${quote}${field.replaceAll(quote, quote + quote)}${quote}`;
  });
  const line = written.join(delimiter) + (trailingDelimiter ? delimiter : '') + (lineEnd === 'LF' ? '\n' : '\r\n');
  return encode(line, encoding);
}

/** A row of one empty value would be a blank line. */
function isLonelyBlank(field: string, fields: readonly string[]): boolean {
  return fields.length === 1 && field.trim() === '';
}
