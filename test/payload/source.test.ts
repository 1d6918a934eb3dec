import assert from 'node:assert/strict';
import { appendFile, chmod, rename, truncate, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidMessageError, PayloadError, type Payload } from '../../lib/index';
import { openPayload, type PayloadSource } from '../../lib/payload/source';
import { allOf } from '../harness/all-of';
import { emptyFolder } from '../harness/cleanup';
import { fullErrorText, failure } from '../harness/failure';

const MARK = 'MARKpatient';

async function read(source: PayloadSource, start = 0, end = source.size): Promise<Buffer> {
  return Buffer.concat(await allOf(source.open(start, end)));
}

describe('a payload', () => {
  it('of bytes is those bytes', async () => {
    const source = await openPayload(Buffer.from([0, 255, 1]));
    assert.equal(source.size, 3);
    assert.equal(source.contentType, 'application/octet-stream');
    assert.equal(source.fileName, undefined);
    assert.deepEqual([...(await read(source))], [0, 255, 1]);
  });

  it('that is a view into a larger ArrayBuffer is the view', async () => {
    const large = new Uint8Array(100).map((_, index) => index);
    const source = await openPayload(large.subarray(10, 14));
    assert.equal(source.size, 4);
    assert.deepEqual([...(await read(source))], [10, 11, 12, 13]);
    assert.deepEqual([...(await read(source, 1, 3))], [11, 12]);
  });

  it('of text is UTF-8', async () => {
    const source = await openPayload('Zoë 😀');
    assert.equal(source.size, 9);
    assert.equal(source.contentType, 'text/plain; charset=utf-8');
    assert.equal((await read(source)).toString('utf8'), 'Zoë 😀');
  });

  it('of JSON is its text', async () => {
    for (const json of [{ a: [1, null] }, [], 'text', 0, false, null]) {
      const source = await openPayload({ json });
      assert.equal(source.contentType, 'application/json');
      assert.deepEqual(JSON.parse((await read(source)).toString()), json);
    }
  });

  it('of a file is the file, with its name', async () => {
    const file = join(await emptyFolder(), 'letter.pdf');
    await writeFile(file, '0123456789');
    const source = await openPayload({ file });
    assert.equal(source.size, 10);
    assert.equal(source.fileName, 'letter.pdf');
    assert.equal((await read(source)).toString(), '0123456789');
    assert.equal((await read(source, 3, 7)).toString(), '3456', 'the end is not included');
    assert.equal((await read(source, 3, 7)).toString(), '3456', 'and it can be opened again');
  });

  it('of text that looks like a path is text', async () =>
    assert.equal((await read(await openPayload('/etc/passwd'))).toString(), '/etc/passwd'));

  it('that is large comes in pieces', async () => {
    const source = await openPayload(Buffer.alloc(2_500_000, 7));
    const pieces = await allOf(source.open(0, source.size));
    assert.ok(pieces.length >= 3);
    assert.equal(
      pieces.reduce((sum, piece) => sum + piece.length, 0),
      2_500_000,
    );
  });

  for (const [what, payload] of [
    ['bytes', Buffer.alloc(0)],
    ['text', ''],
    ['JSON', { json: undefined }],
  ] as const) {
    it(`of empty ${what} is refused, as MESH would`, async () => {
      const error = await failure(InvalidMessageError, openPayload(payload));
      assert.match(error.message, /is empty. Nothing was sent/);
    });
  }

  it('of an empty file is refused', async () => {
    const file = join(await emptyFolder(), 'empty');
    await writeFile(file, '');
    assert.match((await failure(InvalidMessageError, openPayload({ file }))).message, /is empty/);
  });

  for (const [what, payload] of [
    ['nothing', undefined],
    ['null', null],
    ['a number', 5],
    ['an object of no known kind', { text: MARK }],
    ['a list', [MARK]],
    ['a file without a path', { file: 5 }],
  ] as const) {
    it(`that is ${what} is refused`, async () => {
      const error = await failure(InvalidMessageError, openPayload(payload as unknown as Payload));
      assert.ok(error.advice);
      assert.ok(!fullErrorText(error).includes(MARK));
    });
  }

  it('of circular JSON is refused in plain words, without its contents', async () => {
    const circular: Record<string, unknown> = { [MARK]: 1 };
    circular[`${MARK}self`] = circular;
    const error = await failure(InvalidMessageError, openPayload({ json: circular }));
    assert.match(error.message, /cannot be written as JSON. Nothing was sent/);
    assert.match(error.advice ?? '', /Remove circular references/);
    assert.ok(!fullErrorText(error).includes(MARK));
  });

  it('of JSON with a BigInt is refused in plain words', async () => {
    const error = await failure(InvalidMessageError, openPayload({ json: { n: 1n } }));
    assert.match(error.advice ?? '', /BigInt/);
  });
});

describe('a file as payload', () => {
  let file: string;
  beforeEach(async () => {
    file = join(await emptyFolder(), `${MARK}.pdf`);
    await writeFile(file, '0123456789');
  });

  it('that is missing is an error with advice, without its path', async () => {
    const error = await failure(PayloadError, openPayload({ file: `${file}.gone` }));
    assert.match(error.message, /ENOENT/);
    assert.match(error.advice ?? '', /no such file/);
    assert.ok(!fullErrorText(error).includes(MARK), 'the path is repeated');
  });

  it('that is a folder is an error', async () => {
    const error = await failure(PayloadError, openPayload({ file: join(file, '..') }));
    assert.match(error.message, /is not a file/);
  });

  it('below a file is an error', async () => {
    assert.match((await failure(PayloadError, openPayload({ file: join(file, 'x') }))).message, /ENOTDIR/);
  });

  it('that the user may not read is an error with advice', async function () {
    // Root may read everything, so there is nothing to test.
    if (process.getuid?.() === 0) this.skip();
    await chmod(file, 0o000);
    const source = await openPayload({ file });
    const error = await failure(PayloadError, read(source));
    assert.match(error.message, /EACCES/);
    assert.match(error.advice ?? '', /may read the file/);
  });

  const changes: Record<string, () => Promise<void>> = {
    longer: () => appendFile(file, 'x'),
    shorter: () => truncate(file, 5),
    rewritten: async () => {
      await writeFile(file, 'abcdefghij');
      await utimes(file, new Date(), new Date(Date.now() + 5000));
    },
    replaced: async () => {
      await writeFile(`${file}.new`, '0123456789');
      await rename(`${file}.new`, file);
    },
  };
  for (const [how, change] of Object.entries(changes)) {
    it(`that is ${how} between two openings is an error`, async () => {
      const source = await openPayload({ file });
      await read(source, 0, 5);
      await change();
      const error = await failure(PayloadError, read(source, 5, 10));
      assert.match(error.message, /was changed while it was being sent/);
      assert.equal(error.retry, 'never');
    });
  }

  it('that is removed between two openings is an error', async () => {
    const source = await openPayload({ file });
    await unlink(file);
    assert.match((await failure(PayloadError, read(source))).message, /ENOENT/);
  });

  it('that shrinks while it is read is an error', async () => {
    await writeFile(file, Buffer.alloc(5_000_000));
    const source = await openPayload({ file });
    const pieces = source.open(0, source.size)[Symbol.asyncIterator]();
    await pieces.next();
    await truncate(file, 2_000_000);
    const rest = async (): Promise<void> => {
      while ((await pieces.next()).done !== true);
    };
    assert.match((await failure(PayloadError, rest())).message, /became shorter/);
  });
});
