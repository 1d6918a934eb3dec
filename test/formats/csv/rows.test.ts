import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { InvalidMessageError } from '../../../lib/errors';
import {
  parseCsvRows,
  readCsvSchema,
  writeCsvHeader,
  writeCsvRows,
  type CsvForm,
  type CsvValues,
} from '../../../lib/formats/csv';
import { failure } from '../../harness/failure';
import { OPT_OUT } from './support';

const FORM: CsvForm = { encoding: 'utf-8', byteOrderMark: false, columns: ['a', 'b'] };
const SCHEMA = readCsvSchema({});

describe('The rows of a delimited file', () => {
  it('are objects by column, and written byte for byte as they were read unless they were changed', async () => {
    const bytes = Buffer.from('"1",x\r\n2,"y"\n1,x\n');
    const rows = (await parseCsvRows(bytes, SCHEMA, FORM)) as Array<Record<string, string>>;
    assert.deepEqual(rows, [
      { a: '1', b: 'x' },
      { a: '2', b: 'y' },
      { a: '1', b: 'x' },
    ]);
    assert.deepEqual(await writeCsvRows(rows, SCHEMA, FORM, bytes), bytes);
    const changed = [{ ...rows[1], b: 'z, z' }, rows[0] ?? {}, { a: 3 }];
    assert.equal(String(await writeCsvRows(changed, SCHEMA, FORM, bytes)), '2,"z, z"\r\n"1",x\r\n3,\r\n');
  });

  it('end as the schema says: with a delimiter, LF, and quotes around all values', async () => {
    const form: CsvForm = { encoding: 'ascii', byteOrderMark: false, columns: ['NHS number'] };
    const rows = [{ 'NHS number': '9997877896' }];
    assert.equal(String(await writeCsvRows(rows, readCsvSchema(OPT_OUT), form)), '9997877896,\n');
    const all = readCsvSchema({ quoting: 'all', delimiter: '|' });
    assert.equal(String(await writeCsvRows([['x', 'y"z']], all, FORM)), '"x"|"y""z"\r\n');
    assert.equal(String(writeCsvHeader(all, FORM)), '"a"|"b"\r\n');
  });

  it('with a character that their encoding lacks, an object as value, or a delimiter without quotes are refused', async () => {
    const form: CsvForm = { ...FORM, encoding: 'windows-1252' };
    await failure(InvalidMessageError, writeCsvRows([['£', '漢']], SCHEMA, form));
    await failure(InvalidMessageError, writeCsvRows([['a', {}]], SCHEMA, FORM));
    await failure(InvalidMessageError, writeCsvRows([['a,b']], readCsvSchema({ quote: '' }), FORM));
    assert.deepEqual(await writeCsvRows([['£', '€']], SCHEMA, form), Buffer.from('\xa3,\x80\r\n', 'latin1'));
  });

  it('come back from what was written, whatever their values', async () => {
    const values = fc.array(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 2, maxLength: 2 }), {
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(values, fc.constantFrom('|', ',', '\t'), async (rows, delimiter) => {
        const schema = readCsvSchema({ delimiter });
        const form: CsvForm = { ...FORM, columns: [] };
        const bytes = await writeCsvRows(rows, schema, form);
        const read: CsvValues[] = await parseCsvRows(bytes, schema, form);
        assert.deepEqual(read, rows);
        assert.deepEqual(await writeCsvRows(read, schema, form, bytes), bytes);
      }),
    );
  });
});
