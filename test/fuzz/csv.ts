/** Delimited files: whatever the bytes, parts are together the file, and no finding quotes it. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { checkCsv, parseCsvRows, readCsvSchema, splitCsv, wholeOf, writeCsvRows } from '../../lib/formats/csv';
import { APPOINTMENTS, memorySource, OPT_OUT, TRACE } from '../formats/csv/support';
import { MARK, target, type Target } from './target';

const PIECES = [
  ',',
  '|',
  '"',
  '""',
  '\n',
  '\r\n',
  '\r',
  '\uFEFF',
  '£',
  '\0',
  'NBSSAPPT_HDR',
  'id',
  MARK,
  '9997877896',
  '=',
];
const text = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 4 })), { maxLength: 40 })
  .map((pieces) => pieces.join(''));
const bytes = fc.oneof(
  fc.tuple(text, fc.constantFrom('utf8', 'latin1', 'utf16le')).map(([content, as]) => Buffer.from(content, as)),
  fc.uint8Array({ maxLength: 200 }).map((content) => Buffer.from(content)),
);
const schema = fc.constantFrom(
  OPT_OUT,
  TRACE,
  APPOINTMENTS,
  { columns: [{ name: 'id', unique: true }], forbiddenStart: '=' },
  { header: 'none' as const, columns: [{ name: 'id' }], blankLines: 'skip' as const, maxRowBytes: 30 },
  { quote: '' as const, encoding: 'windows-1252' as const },
);

export const CSV: readonly Target[] = [
  target(
    'csv: a file is split into parts that are the file, and findings do not quote it',
    fc.tuple(bytes, schema, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 50 })),
    [UnreadableError],
    async ([content, written, rows, pieceBytes]) => {
      const source = memorySource(content, pieceBytes);
      const check = await checkCsv(source, readCsvSchema(written));
      assert.ok(!JSON.stringify([check.findings, check.counts]).includes(MARK), 'a finding quotes the mark');
      if (!check.isComplete) return;
      const parts: Buffer[] = [];
      for await (const part of splitCsv(source, check, { rows, take: 'all' })) parts.push(await wholeOf(part.pieces()));
      const { headEnd, tailStart } = check.layout;
      assert.deepEqual(Buffer.concat([content.subarray(0, headEnd), ...parts, content.subarray(tailStart)]), content);
    },
  ),
  target(
    'csv: rows that were not changed are written as they were read',
    fc.tuple(bytes, fc.constantFrom(',', '|')),
    [UnreadableError],
    async ([content, delimiter]) => {
      const header = { header: 'none' as const, columns: [{ name: 'a' }], delimiter, blankLines: 'skip' as const };
      const read = readCsvSchema(header);
      const source = memorySource(content);
      const check = await checkCsv(source, read);
      if (!check.isComplete || check.encoding !== 'utf-8') return;
      const { headEnd, tailStart } = check.layout;
      const raw = content.subarray(headEnd, tailStart);
      const form = { ...check, columns: [] };
      assert.deepEqual(await writeCsvRows(await parseCsvRows(raw, read, form), read, form, raw), raw);
    },
  ),
];
