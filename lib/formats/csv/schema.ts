/**
 * What a delimited file must look like: written as JSON by a person, checked here, and trusted behind
 * (docs/csv.md, "A schema").
 */
import * as z from 'zod';
import { ConfigurationError } from '../../errors';
import { dateFormat } from './dates';

/** Printable ASCII and tab: the same bytes in every encoding that is read. */
const separator = z.string().regex(/^[\t\x20-\x7e]{1,8}$/, 'must be one to eight printable ASCII characters or a tab');
const text = z.string().min(1);
const count = z.int().min(0);
const format = text.refine((value) => dateFormat(value) !== undefined, 'must have yyyy, MM and dd, or HH and mm');
const pattern = text.refine(isPattern, 'is no regular expression');

const columnSchema = z.strictObject({
  /** As the header has it; a file without a header is told by position, and this is the name in findings. */
  name: text,
  type: z.enum(['text', 'integer', 'decimal', 'date', 'time', 'nhs-number']).default('text'),
  /** Whether every row must have a value, not blanks alone. */
  required: z.boolean().default(false),
  /** Of dates and times: yyyy, MM, dd, HH, mm, ss, SSS; what else it has stands for itself. */
  format: z.union([format, z.array(format).min(1)]).optional(),
  /** In characters. */
  minLength: count.optional(),
  maxLength: count.optional(),
  /** Of integers and decimals. */
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  /** A regular expression that the whole value must match. */
  pattern: pattern.optional(),
  /** The only values. */
  values: z.array(z.string()).min(1).optional(),
  /** Whether upper and lower case are the same in `values`. */
  ignoreCase: z.boolean().default(false),
  /** Whether no two rows may have the same value. */
  unique: z.boolean().default(false),
  /** Of NHS numbers: see NhsNumberOptions. */
  separators: z.enum(['refuse', 'allow']).default('refuse'),
  testNumbers: z.enum(['allow', 'refuse', 'require']).default('allow'),
});

/** A value of a leading or trailing row. */
const cellSchema = columnSchema.omit({ unique: true }).extend({
  /** Whether it is the number of data rows. */
  rowCount: z.boolean().default(false),
  /** The name of a value in a leading row that it must equal. */
  sameAs: text.optional(),
});

const otherRowSchema = z.strictObject({ columns: z.array(cellSchema).min(1) });

const csvSchema = z
  .strictObject({
    name: z.string().optional(),
    description: z.string().optional(),
    /** `auto`: UTF-8 if the whole file is, Windows-1252 otherwise. */
    encoding: z.enum(['auto', 'utf-8', 'windows-1252', 'ascii']).default('auto'),
    byteOrderMark: z.enum(['allow', 'refuse', 'require']).default('allow'),
    delimiter: separator.default(','),
    /** Empty: quotes are characters like others. */
    quote: z.union([z.literal(''), separator]).default('"'),
    /** Whether a quote within a value that is not quoted is a character like others, as some services write it. */
    looseQuotes: z.boolean().default(false),
    /** What is quoted when rows are written. */
    quoting: z.enum(['needed', 'all']).default('needed'),
    lineEnd: z.enum(['any', 'LF', 'CRLF']).default('any'),
    /** Of the last line. */
    lastLineEnd: z.enum(['any', 'require', 'refuse']).default('any'),
    /** `exact`: these columns in this order. `by-name`: in any order. `none`: by position, without a header. */
    header: z.enum(['exact', 'by-name', 'none']).default('by-name'),
    columns: z.array(columnSchema).default([]),
    /** Of a header by name. */
    otherColumns: z.enum(['allow', 'refuse']).default('allow'),
    /** A regular expression that the names of other columns must match. */
    otherColumnsPattern: pattern.optional(),
    /** Whether each data row ends with one more delimiter. */
    trailingDelimiter: z.boolean().default(false),
    blankLines: z.enum(['refuse', 'skip']).default('refuse'),
    /** Characters that no value may begin with: a spreadsheet would take it for a formula. */
    forbiddenStart: z.string().default(''),
    /** Columns whose values together are in one row only. */
    unique: z.array(z.array(text).min(1)).default([]),
    leadingRows: z.array(otherRowSchema).default([]),
    trailingRows: z.array(otherRowSchema).default([]),
    minRows: count.default(0),
    maxRows: count.optional(),
    maxBytes: count.optional(),
    /** A longer row is taken for a quote that does not close. */
    maxRowBytes: count.min(1).default(1024 * 1024),
  })
  .superRefine((schema, context) => {
    const fail = (path: PropertyKey[], message: string): void => context.addIssue({ code: 'custom', path, message });
    const names = new Set<string>();
    schema.columns.forEach(({ name, type, format: form }, index) => {
      if (names.has(name)) fail(['columns', index, 'name'], 'is the name of another column, too');
      names.add(name);
      if (type === 'date' && form === undefined) fail(['columns', index, 'format'], 'is needed for a date');
    });
    if (schema.header !== 'by-name' && schema.columns.length === 0) fail(['columns'], 'are needed for this header');
    if (schema.quote !== '' && schema.delimiter.includes(schema.quote)) fail(['quote'], 'is in the delimiter');
    schema.unique.forEach((columns, index) => {
      for (const name of columns) if (!names.has(name)) fail(['unique', index], 'names a column that is not here');
    });
    const leading = new Set(schema.leadingRows.flatMap(({ columns }) => columns.map(({ name }) => name)));
    schema.trailingRows.forEach((row, index) =>
      row.columns.forEach(({ sameAs }, at) => {
        if (sameAs !== undefined && !leading.has(sameAs)) {
          fail(['trailingRows', index, 'columns', at, 'sameAs'], 'names no value of a leading row');
        }
      }),
    );
  });

/** A schema with all its defaults. */
export type CsvSchema = z.output<typeof csvSchema>;
/** A schema as a person writes it. */
export type WrittenCsvSchema = z.input<typeof csvSchema>;
export type CsvColumn = z.output<typeof columnSchema>;
/** A value of a leading or trailing row. */
export type CsvCell = z.output<typeof cellSchema>;

/** Maximum number of faults of a schema that an error lists. */
const MAX_LISTED = 5;

/**
 * Returns a schema with its defaults.
 * @throws ConfigurationError that names the settings that are wrong
 */
export function readCsvSchema(written: unknown): CsvSchema {
  const result = csvSchema.safeParse(written);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${path.join('.') || 'the schema'}: ${message}`);
  const more = faults.length > MAX_LISTED ? `; and ${faults.length - MAX_LISTED} more` : '';
  throw new ConfigurationError(`The schema of the file is wrong. ${faults.slice(0, MAX_LISTED).join('; ')}${more}`, {
    advice: 'Correct these settings of the schema.',
  });
}

/** Returns a column of which only the name is known. */
export function otherColumn(name: string): CsvColumn {
  return { ...columnSchema.parse({ name: 'other' }), name };
}

function isPattern(source: string): boolean {
  try {
    return Boolean(wholePattern(source));
  } catch {
    return false;
  }
}

/** Returns the regular expression that a whole value must match. */
export function wholePattern(source: string): RegExp {
  return new RegExp(`^(?:${source})$`, 'u');
}
