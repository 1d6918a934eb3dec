/** A list that came back beside the list that was sent: which rows of it cannot be believed. */
import assert from 'node:assert/strict';
import { compareRows, IncomparableFile, type CsvComparison } from '../../../lib/formats/csv/compare';
import { memorySource } from './support';

const SENT = '9997877896,\n9991742182,\n9999081002,\n9993390755,\n';
type Bytes = string | Buffer;

const compare = (returned: Bytes, sent: Bytes = SENT, columns = { sent: 1, returned: 1 } as const) =>
  compareRows({ sent: memorySource(sent), returned: memorySource(returned) }, columns);

/** What is found, without what is zero. */
const found = async (returned: Bytes, sent?: Bytes): Promise<Partial<CsvComparison>> =>
  Object.fromEntries(Object.entries(await compare(returned, sent)).filter(([, value]) => value !== 0));

/** Which file cannot be compared, and from which line on. */
const incomparable = async (returned: Bytes, sent?: Bytes): Promise<unknown> => {
  const error = await compare(returned, sent).catch((each: unknown) => each);
  assert.ok(error instanceof IncomparableFile, String(error));
  assert.doesNotMatch(error.message, /\d{10}/);
  return [error.file, error.line];
};

describe('A list that came back', () => {
  it('agrees with the list that was sent in any order, with any line ends, delimiters, blanks and byte order mark', async () => {
    for (const returned of [
      '9993390755,\n9997877896,\n',
      '9997877896,\r\n9993390755,\r\n',
      '\uFEFF9997877896,\n9993390755,\n',
      '9997877896\n9993390755',
      '"9997877896",\n 9993390755 ,\n\n',
      Buffer.from('9997877896;\n9993390755;\n', 'latin1'),
    ]) {
      assert.deepEqual(await found(returned), { sent: 4, returned: 2 });
    }
    assert.deepEqual(await found(SENT), { sent: 4, returned: 4 });
    assert.deepEqual(await found('9997877896\n', SENT.replaceAll('\n', '\r\n')), { sent: 4, returned: 1 });
  });

  it('that has a row that was not sent is told by the line of the first, never by its value', async () => {
    assert.deepEqual(await found('9997877896,\n9990000050,\n9997938348,\n'), {
      sent: 4,
      returned: 3,
      notSent: 2,
      notSentLine: 2,
    });
    // A row of names, a number cut in two, a number with a zero or without one, an empty value.
    for (const foreign of ['NHS_NUMBER,\n', '99978\n', '09997877896,\n', '999787789,\n', ',\n']) {
      assert.deepEqual(await found(foreign + SENT), { sent: 4, returned: 5, notSent: 1, notSentLine: 1 }, foreign);
    }
  });

  it('that repeats a row is longer than it may be; a row that was sent twice may come back twice', async () => {
    const twice = '9997877896,\n9991742182,\n9997877896,\n';
    assert.deepEqual(await found(twice), { sent: 4, returned: 3, repeated: 1, repeatedLine: 3 });
    assert.deepEqual(await found(twice, `${SENT}9997877896,\n`), { sent: 5, returned: 3 });
    assert.deepEqual(await found(`${twice}9997877896,\n`, `${SENT}9997877896,\n`), {
      sent: 5,
      returned: 4,
      repeated: 1,
      repeatedLine: 4,
    });
  });

  it('without a byte, or of blank lines alone, has no rows', async () => {
    for (const nothing of ['', '\n', '\r\n\r\n', '  \n']) assert.deepEqual(await found(nothing), { sent: 4 });
  });

  it('cannot be compared if a second value stands in a row, if a quote does not close, or if it is UTF-16', async () => {
    assert.deepEqual(await incomparable('9997877896,\n9991742182,9990000050,\n'), ['returned', 2]);
    assert.deepEqual(await incomparable('9997877896,9990000050,\n9991742182,9997938348,\n'), ['returned', 1]);
    assert.deepEqual(await incomparable('9997877896,\n"9991742182,\n'), ['returned', 2]);
    assert.deepEqual(await incomparable(Buffer.from(`\uFEFF${SENT}`, 'utf16le')), ['returned', undefined]);
    assert.deepEqual(await incomparable(Buffer.from([0x39, 0xff, 0x81, 0x0a])), ['returned', 1]);
    assert.deepEqual(await incomparable('9997877896,\n', '"9997877896,\n'), ['sent', 1]);
  });

  it('is compared by the names of columns where the files have them, in any case and place', async () => {
    const columns = { sent: 'UNIQUE REFERENCE', returned: 'unique reference' };
    const files = (returned: string) => ({
      sent: memorySource('UNIQUE REFERENCE,NHS_NO\nrow-1,9997877896\nrow-2,\n'),
      returned: memorySource(returned),
    });
    const good = await compareRows(files('CODE,Unique Reference\n00,row-2\n'), columns);
    assert.deepEqual([good.sent, good.returned, good.notSent], [2, 1, 0]);
    assert.equal((await compareRows(files('CODE,Unique Reference\n00,row-3\n'), columns)).notSent, 1);
    await assert.rejects(compareRows(files('CODE\n00\n'), columns), IncomparableFile);
  });

  it('of a million rows is compared in little memory while timers run, and its one foreign row is found', async function () {
    this.timeout(60_000);
    const number = (n: number): string => String(9_000_000_000 + n * 7);
    const list = (from: number, to: number): string =>
      Array.from({ length: to - from }, (_, n) => `${number(from + n)},\n`).join('');
    const sent = Buffer.from(list(0, 1_000_000));
    const returned = Buffer.from(list(50_000, 1_000_001));
    const whole = (bytes: Buffer) => ({
      size: bytes.length,
      async *open(start: number, end: number) {
        yield bytes.subarray(start, end);
      },
    });
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const before = process.memoryUsage().arrayBuffers;
    const result = await compareRows({ sent: whole(sent), returned: whole(returned) }, { sent: 1, returned: 1 });
    clearInterval(timer);
    assert.deepEqual(result, {
      sent: 1_000_000,
      returned: 950_001,
      notSent: 1,
      notSentLine: 950_001,
      repeated: 0,
    });
    assert.ok(process.memoryUsage().arrayBuffers - before < 60_000_000);
    assert.ok(longest < 500, `${longest} ms without a timer`);
  });
});
