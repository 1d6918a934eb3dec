/** Sources of delimited files in memory, and the forms of the national flows. */
import {
  checkCsv,
  readCsvSchema,
  splitCsv,
  wholeOf,
  type CsvCheck,
  type CsvCheckOptions,
} from '../../../lib/formats/csv';
import type { CsvSource, CsvSplitOptions, WrittenCsvSchema } from '../../../lib/formats/csv';

/** Bytes in memory, yielded in pieces of `pieceBytes`. */
export function memorySource(content: string | Buffer, pieceBytes = 7): CsvSource {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return {
    size: bytes.length,
    async *open(start, end) {
      for (let at = start; at < end; at += pieceBytes) yield bytes.subarray(at, Math.min(at + pieceBytes, end));
    },
  };
}

export const check = (
  content: string | Buffer,
  schema: WrittenCsvSchema = {},
  options?: CsvCheckOptions,
): Promise<CsvCheck> => checkCsv(memorySource(content), readCsvSchema(schema), options);

/** Findings as `line column rule`. */
export const found = async (content: string | Buffer, schema: WrittenCsvSchema = {}): Promise<string[]> =>
  (await check(content, schema)).findings.map(({ line, column, rule }) =>
    [line ?? '-', column, rule].filter((part) => part !== undefined).join(' '),
  );

/** The bytes of each part. */
export async function partsOf(
  content: string | Buffer,
  schema: WrittenCsvSchema,
  options: CsvSplitOptions,
): Promise<Buffer[]> {
  const source = memorySource(content);
  const parts: Buffer[] = [];
  for await (const part of splitCsv(source, await checkCsv(source, readCsvSchema(schema)), options)) {
    parts.push(await wholeOf(part.pieces()));
  }
  return parts;
}

/** The list of the national data opt-out check: a number, a comma and LF. */
export const OPT_OUT: WrittenCsvSchema = {
  encoding: 'ascii',
  byteOrderMark: 'refuse',
  lineEnd: 'LF',
  lastLineEnd: 'require',
  header: 'none',
  trailingDelimiter: true,
  minRows: 1,
  columns: [{ name: 'NHS number', type: 'nhs-number', required: true, unique: true }],
};

/** A trace request of the older kind: four values, then the rows, without a header. */
export const TRACE: WrittenCsvSchema = {
  header: 'none',
  leadingRows: [
    {
      columns: [
        { name: 'reference', pattern: String.raw`MPTREQ_\d{14}`, required: true },
        { name: 'workflow', values: ['SPINE_MPTPHASE4_TRACE'], required: true },
        { name: 'time', type: 'time', format: 'yyyyMMddHHmmss', required: true },
        { name: 'rows', type: 'integer', rowCount: true, required: true },
      ],
    },
  ],
  columns: [
    { name: 'UNIQUE REFERENCE', required: true, unique: true },
    { name: 'NHS_NO', type: 'nhs-number' },
    { name: 'DATE_OF_BIRTH', type: 'date', format: 'yyyyMMdd' },
  ],
};

/** Appointments with a header row of values, one of names, and a trailer that repeats id and count. */
export const APPOINTMENTS: WrittenCsvSchema = {
  delimiter: '|',
  quoting: 'all',
  header: 'exact',
  leadingRows: [
    {
      columns: [
        { name: 'type', values: ['NBSSAPPT_HDR'] },
        { name: 'extract id', pattern: String.raw`\d{8}` },
        { name: 'rows', type: 'integer', rowCount: true },
      ],
    },
  ],
  columns: [
    { name: 'NBSSAPPT_FLDS', values: ['NBSSAPPT_DATA'] },
    { name: 'Sequence', type: 'integer', unique: true },
  ],
  trailingRows: [
    {
      columns: [
        { name: 'type', values: ['NBSSAPPT_END'] },
        { name: 'extract id', sameAs: 'extract id' },
        { name: 'rows', type: 'integer', rowCount: true },
      ],
    },
  ],
};
