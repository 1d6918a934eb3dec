import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { ConfigurationError, UnreadableError } from '../../../lib/errors';
import { checkCsv, readCsvSchema, type WrittenCsvSchema } from '../../../lib/formats/csv';
import { failure, thrown } from '../../harness/failure';
import { APPOINTMENTS, check, found, memorySource, OPT_OUT, partsOf, TRACE } from './support';

const NAMES: WrittenCsvSchema = { columns: [{ name: 'id', required: true, unique: true }, { name: 'text' }] };

describe('A delimited file', () => {
  it('of the opt-out check is good with LF, a trailing comma and valid numbers, and refused by line otherwise', async () => {
    assert.deepEqual(await found('9997877896,\n9991742182,\n', OPT_OUT), []);
    assert.deepEqual(await found('9997877896,\n9991742181,\n', OPT_OUT), ['2 NHS number nhs-number-check-digit']);
    assert.deepEqual(await found('9997877896,\r\n9991742182,\r\n', OPT_OUT), ['1 line-end']);
    assert.deepEqual(await found('9997877896,\n9991742182,', OPT_OUT), ['2 last-line-end']);
    assert.deepEqual(await found('9997877896\n9991742182,\n', OPT_OUT), ['1 trailing-delimiter']);
    assert.deepEqual(await found('\uFEFF9997877896,\n', OPT_OUT), ['1 byte-order-mark']);
    assert.deepEqual(await found('', OPT_OUT), ['- rows']);
    assert.deepEqual(await found('9997877896,\n\n', OPT_OUT), ['2 blank-line']);
    assert.deepEqual(await found('9997877896,\n9991742182,\n9997877896,\n', OPT_OUT), ['3 NHS number unique']);
  });

  it('reports how it is encoded and how its lines end', async () => {
    const result = await check('\uFEFFid,text\r\n1,a\n2,b', NAMES);
    assert.deepEqual(
      [result.encoding, result.byteOrderMark, result.lineEnds, result.rows, result.columns],
      ['utf-8', true, { LF: 1, CRLF: 1, none: 1 }, 2, ['id', 'text']],
    );
  });

  it('is UTF-8 where all of it is, and Windows-1252 where one byte at its end is not', async () => {
    assert.equal((await check(`id,text\n${'1,é\n'.repeat(50)}`)).encoding, 'utf-8');
    assert.equal((await check('id,text\n1,£\n2,😀\n')).encoding, 'utf-8');
    const mixed = Buffer.concat([Buffer.from(`id,text\n${'1,é\n'.repeat(50)}`), Buffer.from('2,£\n', 'latin1')]);
    const result = await check(mixed);
    assert.deepEqual([result.encoding, result.findings], ['windows-1252', []]);
  });

  it('has each line with bytes of another encoding reported', async () => {
    const bytes = Buffer.from('id,text\n1,ok\n2,\xa3\n3,ok\n', 'latin1');
    assert.deepEqual(await found(bytes, { encoding: 'utf-8' }), ['3 encoding']);
    assert.deepEqual(await found(bytes, { encoding: 'ascii' }), ['3 encoding']);
    const undefinedByte = Buffer.from('id,text\n1,\x80\n2,\x81\n', 'latin1');
    assert.deepEqual(await found(undefinedByte, { encoding: 'windows-1252' }), ['3 encoding']);
  });

  it('in UTF-16, or with CR alone at the end of its lines, is refused with advice', async () => {
    for (const content of [Buffer.from('\uFEFFid,text\n', 'utf16le'), Buffer.from('id,text\n', 'utf16le'), 'id\r1\r']) {
      const error = await failure(UnreadableError, check(content));
      assert.notEqual(error.advice, undefined);
    }
  });

  it('has its header compared exactly, or read by name', async () => {
    const exact: WrittenCsvSchema = { ...NAMES, header: 'exact' };
    assert.deepEqual(await found('id,text\n1,a\n', exact), []);
    assert.deepEqual(await found('text,id\na,1\n', exact), ['1 id header']);
    assert.deepEqual(await found('id,text,more\n1,a,b\n', exact), ['1 header']);
    assert.deepEqual(await found('text,other,id\na,x,1\nb,y,1\n', NAMES), ['3 id unique']);
    assert.deepEqual(await found('text,other\na,x\n', NAMES), ['1 id header']);
    assert.deepEqual(await found('text,id,text\na,1,x\n', NAMES), ['1 text header']);
    assert.deepEqual(await found('text,id,other\na,1,x\n', { ...NAMES, otherColumns: 'refuse' }), [
      '1 column 3 header',
    ]);
    const pattern = { ...NAMES, otherColumnsPattern: 'personalisation_.+' };
    assert.deepEqual(await found('id,personalisation_a,x\n1,2,3\n', pattern), ['1 column 3 header']);
  });

  it('without a header is told by position, and one that should have a header never has its first row quoted', async () => {
    const result = await check('MARKED-NAME,MARKED-VALUE\n1,2\n', NAMES);
    assert.equal(result.isComplete, false);
    assert.doesNotMatch(JSON.stringify(result.findings), /MARKED/);
    assert.deepEqual(await found('1,a\n1,b\n', { ...NAMES, header: 'none' }), ['2 id unique']);
  });

  it('has a first row of another form, whose count is that of the rows', async () => {
    const head = 'MPTREQ_20260227141000,SPINE_MPTPHASE4_TRACE,20260227141000';
    const rows = 'row-1,9997877896,19800229\nrow-2,,20001231\n';
    assert.deepEqual(await found(`${head},2\n${rows}`, TRACE), []);
    assert.deepEqual(await found(`${head},3\n${rows}`, TRACE), ['1 rows row-count']);
    assert.deepEqual(await found(`${head}\n${rows}`, TRACE), ['1 leading-row']);
    assert.deepEqual(await found('', TRACE), ['- leading-row']);
    assert.deepEqual(await found(`${head},1\nrow-1,,19810229\n`, TRACE), ['2 DATE_OF_BIRTH date']);
    const blank = `${head},2\n\n${rows}`;
    assert.deepEqual(await found(blank, { ...TRACE, blankLines: 'skip' }), []);
  });

  it('has trailing rows that agree with the first one', async () => {
    const file = (id: string, count: string): string =>
      `"NBSSAPPT_HDR"|"00000042"|"000002"\n"NBSSAPPT_FLDS"|"Sequence"\n"NBSSAPPT_DATA"|"000001"\n` +
      `"NBSSAPPT_DATA"|"000002"\n"NBSSAPPT_END"|"${id}"|"${count}"\n`;
    assert.deepEqual(await found(file('00000042', '000002'), APPOINTMENTS), []);
    assert.deepEqual(await found(file('00000043', '000003'), APPOINTMENTS), [
      '5 extract id same-as',
      '5 rows row-count',
    ]);
    const cut = file('00000042', '000002').split('\n').slice(0, 4).join('\n');
    assert.deepEqual(await found(cut, APPOINTMENTS), ['4 trailing-row', '1 rows row-count']);
  });

  it('has every type, length and list of values checked by column', async () => {
    const schema: WrittenCsvSchema = {
      forbiddenStart: '=+-@',
      columns: [
        { name: 'integer', type: 'integer', minimum: 1, maximum: 9 },
        { name: 'decimal', type: 'decimal' },
        { name: 'date', type: 'date', format: ['yyyyMMdd', 'dd/MM/yyyy'] },
        { name: 'time', type: 'time' },
        { name: 'text', minLength: 2, maxLength: 3, pattern: '[A-Z😀]+' },
        { name: 'code', values: ['NEW', 'UPDATE'], ignoreCase: true },
        { name: 'needed', required: true },
      ],
    };
    const header = 'integer,decimal,date,time,text,code,needed\n';
    assert.deepEqual(await found(`${header}5,-1.50,29/02/2000,23:59,AB😀,new,x\n,,,,,,x\n`, schema), []);
    assert.deepEqual(await found(`${header}10,1e5,19000229,24:00,A,OLD, \n`, schema), [
      '2 integer range',
      '2 decimal decimal',
      '2 date date',
      '2 time time',
      '2 text length',
      '2 code values',
      '2 needed required',
    ]);
    assert.deepEqual(await found(`${header}1.0,,,,ab,,=1+1\n`, schema), [
      '2 integer integer',
      '2 text pattern',
      '2 needed forbidden-start',
    ]);
    assert.deepEqual(await found(`${header},,,,,,-5\n,,,,,,-A1\n,,,,,\n`, schema), [
      '3 needed forbidden-start',
      '4 column-count',
    ]);
  });

  it('tells lines by number behind values with line breaks', async () => {
    assert.deepEqual(await found('id,text\n1,"a\nb\r\nc"\n1,x\r\n,"\r"\n', NAMES), ['6 id required', '5 id unique']);
  });

  it('ends where a quote is within a value or does not close, and says from which line on', async () => {
    for (const rest of ['"b"c,x\n3,y\n', 'a"b,x\n3,y\n', '"b,x\n3,y\n']) {
      const result = await check(`id,text\n1,x\n2,${rest}`, NAMES);
      assert.deepEqual([result.isComplete, result.isFileRefused, result.rows], [false, true, 1]);
      assert.deepEqual(
        result.findings.map(({ line, rule }) => [line, rule]),
        [[3, 'quote']],
      );
    }
    const long = await found(`id,text\n1,"${'x'.repeat(500)}`, { ...NAMES, maxRowBytes: 100 });
    assert.deepEqual(long, ['2 row-length']);
    assert.deepEqual(await found('id,text\n1,5" x\n', { ...NAMES, quote: '' }), []);
  });

  it('has all findings counted by rule, and handed over, when only the first are kept', async () => {
    const seen: unknown[] = [];
    const result = await check(`id,text\n${',x\n'.repeat(50)}`, NAMES, {
      maxFindings: 3,
      onFinding: (finding) => seen.push(finding),
    });
    assert.deepEqual([result.findings.length, result.counts, seen.length], [3, { required: 50 }, 50]);
    assert.equal(result.rejectedRows, 50);
  });

  it('has repeated values of several columns together found, and equal hashes alone are none', async () => {
    const schema: WrittenCsvSchema = { columns: [{ name: 'a' }, { name: 'b' }], unique: [['a', 'b']] };
    assert.deepEqual(await found('a,b\n1,23\n12,3\n1,23\n,\n,\n', schema), ['4 a, b unique']);
    const rows = Array.from({ length: 3000 }, (_, index) => `${index % 2900},x\n`).join('');
    const result = await checkCsv(memorySource(`id,text\n${rows}`, 1000), readCsvSchema(NAMES), { maxFindings: 1000 });
    assert.equal(result.counts['unique'], 100);
    assert.deepEqual([result.findings[0]?.line, result.findings[0]?.text], [2902, 'Line 2 has the same value.']);
  });

  it('has no value of it in any finding', async () => {
    const marked = 'MARKED';
    const schemas = [OPT_OUT, TRACE, APPOINTMENTS, NAMES, { ...NAMES, header: 'exact', forbiddenStart: 'M' } as const];
    const line = fc.array(fc.constantFrom(marked, `${marked} 9997877896`, '', `"${marked}"`, `${marked}"`), {
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...schemas), fc.array(line, { maxLength: 6 }), async (schema, lines) => {
        const content = lines.map((values) => values.join(schema.delimiter ?? ',')).join('\n');
        const { findings, counts } = await check(content, schema);
        assert.doesNotMatch(JSON.stringify([findings, counts]), /MARKED|99978/);
      }),
    );
  });
});

describe('A schema', () => {
  it('that is wrong is refused with the places of its faults', () => {
    const error = thrown(ConfigurationError, () =>
      readCsvSchema({
        delimiter: '"',
        columns: [
          { name: 'a', type: 'date' },
          { name: 'a', pattern: '(' },
          { name: 'b', format: 'yyyyMMddyyyy' },
        ],
        unique: [['c']],
        more: true,
      }),
    );
    for (const place of ['columns.1.pattern', 'columns.2.format', 'more'])
      assert.match(error.message, new RegExp(place));
    const doubtful = thrown(ConfigurationError, () =>
      readCsvSchema({ delimiter: '"', columns: [{ name: 'a', type: 'date' }, { name: 'a' }], unique: [['c']] }),
    );
    for (const place of ['columns.0.format', 'columns.1.name', 'quote', 'unique.0']) {
      assert.match(doubtful.message, new RegExp(place));
    }
  });
});

describe('The parts of a delimited file', () => {
  const file = fc
    .tuple(
      fc.array(
        fc.array(fc.constantFrom('a', 'bc', '"d,e"', '"f\n""g"', '', '£', '"\r\n"'), { minLength: 2, maxLength: 3 }),
        { maxLength: 30 },
      ),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      fc.constantFrom('utf8' as const, 'latin1' as const),
    )
    .map(([rows, lineEnd, hasLast, encoding]) =>
      Buffer.from(rows.map((row) => row.join(',')).join(lineEnd) + (hasLast ? lineEnd : ''), encoding),
    );

  it('are together the file, byte by byte, whatever the file and the size of the parts', async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 7 }), fc.boolean(), async (bytes, size, bySize) => {
        const schema: WrittenCsvSchema = { columns: [{ name: 'a' }], header: 'none' };
        const source = memorySource(bytes);
        const { layout } = await checkCsv(source, readCsvSchema(schema));
        const parts = await partsOf(bytes, schema, {
          take: 'all',
          ...(bySize ? { bytes: 10 * size } : { rows: size }),
        });
        const whole = [bytes.subarray(0, layout.headEnd), ...parts, bytes.subarray(layout.tailStart)];
        assert.deepEqual(Buffer.concat(whole), bytes);
      }),
    );
  });

  it('have the rows that csv-parse finds', async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 9 }), async (bytes, rows) => {
        const schema: WrittenCsvSchema = { columns: [{ name: 'a' }], header: 'none', encoding: 'utf-8' };
        const parts = await partsOf(bytes, schema, { take: 'all', rows });
        const options = { relax_column_count: true, record_delimiter: ['\r\n', '\n'] };
        assert.deepEqual(
          parts.flatMap((part) => parse(part, options)),
          parse(bytes, options),
        );
      }),
    );
  });

  it('are of at most so many rows, or so many bytes with the header, and leave out what was rejected', async () => {
    const content = 'id,text\n1,a\n,b\n3,c\n4,d\n';
    const text = async (options: Parameters<typeof partsOf>[2]): Promise<string[]> =>
      (await partsOf(content, NAMES, options)).map(String);
    assert.deepEqual(await text({ rows: 2 }), ['1,a\n3,c\n', '4,d\n']);
    assert.deepEqual(await text({ rows: 2, repeatHeader: true }), ['id,text\n1,a\n3,c\n', 'id,text\n4,d\n']);
    assert.deepEqual(await text({ bytes: 12, repeatHeader: true }), [
      'id,text\n1,a\n',
      'id,text\n3,c\n',
      'id,text\n4,d\n',
    ]);
    assert.deepEqual(await text({ take: 'rejected', repeatHeader: true }), ['id,text\n,b\n']);
    assert.deepEqual(await text({ take: 'all' }), ['1,a\n,b\n3,c\n4,d\n']);
    assert.deepEqual((await partsOf('id,text\n', NAMES, { rows: 5 })).map(String), ['']);
  });
});
