/** multipart/form-data as clients write it, in pieces of any size. The whole ones are written by Node's own FormData. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { boundaryOf, MultipartParser, type PartHeaders } from '../../lib/formats/multipart';
import { thrown } from '../harness/failure';

interface Read {
  headers: PartHeaders;
  bytes: Buffer;
}

/** Reads a payload in pieces of `size` bytes. */
function parsed(payload: Buffer | string, boundary: string, size = Infinity): Read[] {
  const bytes = Buffer.from(payload as string, 'latin1');
  const parser = new MultipartParser(boundary);
  const parts: Array<Read & { isOpen: boolean }> = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const event of parser.read(bytes.subarray(at, Math.min(bytes.length, at + size)))) {
      const last = parts.at(-1);
      if (event.kind === 'begin') parts.push({ headers: event.headers, bytes: Buffer.alloc(0), isOpen: true });
      else if (event.kind === 'end') Object.assign(last ?? assert.fail('no part'), { isOpen: false });
      else if (last) last.bytes = Buffer.concat([last.bytes, event.bytes]);
    }
  }
  parser.finish();
  assert.ok(parts.every(({ isOpen }) => !isOpen));
  return parts.map(({ headers, bytes: content }) => ({ headers, bytes: content }));
}

const form = (...lines: string[]): string => `${lines.join('\r\n')}\r\n`;
const FIELD = 'Content-Disposition: form-data; name="a"';
const text = (parts: Read[]): string[] => parts.map(({ bytes }) => bytes.toString('latin1'));

describe('multipart/form-data', () => {
  it('from Node’s FormData is read byte for byte, whatever the pieces', async () => {
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom('', '\r\n', '--', '\r\n--', '\n--x\r', 'a\r\n\r\nb').map((each) => Buffer.from(each)),
    );
    const field = fc.record({
      name: fc.string({ minLength: 1 }),
      fileName: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
      content,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(field, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 80 }),
        async (fields, size) => {
          const data = new FormData();
          for (const each of fields) {
            data.append(
              each.name,
              new Blob([Buffer.from(each.content)], { type: 'application/pdf' }),
              each.fileName ?? 'blob',
            );
          }
          const response = new Response(data);
          const boundary = boundaryOf(response.headers.get('content-type') ?? '') ?? assert.fail('no boundary');
          const payload = Buffer.from(await response.arrayBuffer());
          const found = parsed(payload, boundary, size);
          assert.deepEqual(
            found.map(({ bytes }) => bytes),
            fields.map((each) => Buffer.from(each.content)),
          );
          assert.deepEqual(found, parsed(payload, boundary));
          assert.ok(found.every(({ headers }) => headers.contentType === 'application/pdf'));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('has names and file names in every form that clients write', () => {
    for (const [header, name, fileName] of [
      ['form-data; name="a"; filename="Zoë.pdf"', 'a', 'Zoë.pdf'],
      [`form-data; name="a"; filename="${Buffer.from('Łódź.pdf').toString('latin1')}"`, 'a', 'Łódź.pdf'],
      ["form-data; name=a; filename=plain.pdf; filename*=UTF-8''%C5%81.pdf", 'a', 'Ł.pdf'],
      ["form-data; name=a; filename=plain.pdf; filename*=UTF-8''%ZZ", 'a', 'plain.pdf'],
      ['form-data; name="a \\"b\\" %22c%22"; filename="C:\\dir\\x.pdf"', 'a "b" "c"', 'C:\\dir\\x.pdf'],
      ['form-data; name="a;b"; filename=""', 'a;b', ''],
      ['form-data; name=a; filename=Letter to GP.pdf ; x=y', 'a', 'Letter to GP.pdf'],
      ['FORM-DATA;NAME=a', 'a', undefined],
      ['form-data; filename="name=x"; name="a"', 'a', 'name=x'],
      ['form-data; filename="x; name=evil"; name="a"', 'a', 'x; name=evil'],
    ] as const) {
      const [part] = parsed(form('--b', `content-disposition: ${header}`, '', 'x', '--b--'), 'b');
      assert.deepEqual([part?.headers.name, part?.headers.fileName], [name, fileName], header);
    }
  });

  it('may have text before the first boundary and after the last, spaces after one, and no last line end', () => {
    const payload = form(
      'preamble --b',
      '--b \t',
      FIELD,
      '',
      'one',
      '--b',
      FIELD,
      '',
      'two',
      '--b--',
      'epilogue',
      '--b',
    );
    assert.deepEqual(text(parsed(payload, 'b')), ['one', 'two']);
    assert.deepEqual(text(parsed(form('--b', FIELD, '', 'one', '--b--').trimEnd(), 'b', 1)), ['one']);
  });

  it('may have lines that end with LF alone; the first boundary decides for all', () => {
    const lf = form('--b', FIELD, '', 'one\ntwo', '--b--').replaceAll('\r\n', '\n');
    for (const size of [1, 2, 100]) assert.deepEqual(text(parsed(lf, 'b', size)), ['one\ntwo']);
    assert.deepEqual(text(parsed(form('--b', FIELD, '', 'one\n--b\ntwo', '--b--'), 'b')), ['one\n--b\ntwo']);
  });

  it('ends a part only at a whole boundary at the beginning of a line', () => {
    const content = 'x--b\r\n--bc\r\n--b-\r\n--b x\r\n-- b\r\n--B\r\n--';
    for (const size of [1, 3, 7, 100]) {
      assert.deepEqual(text(parsed(form('--b', FIELD, '', content, '--b--'), 'b', size)), [content]);
    }
  });

  it('may have empty parts, with a line for nothing or without', () => {
    assert.deepEqual(text(parsed(form('--b', FIELD, '', '', '--b', FIELD, '', '--b--'), 'b', 1)), ['', '']);
  });

  it('says of a part in base64 that it is, and leaves it', () => {
    const [part] = parsed(form('--b', FIELD, 'Content-Transfer-Encoding: BASE64', '', 'QQ==', '--b--'), 'b');
    assert.deepEqual([part?.headers.transferEncoding, part?.bytes.toString()], ['base64', 'QQ==']);
    const [plain] = parsed(form('--b', FIELD, 'Content-Transfer-Encoding: binary', '', 'QQ==', '--b--'), 'b');
    assert.equal(plain?.headers.transferEncoding, undefined);
  });

  for (const [what, payload, why] of [
    ['is cut within a part', form('--b', FIELD, '', 'one', '--b', FIELD, '', 'tw'), /ends before its last boundary/],
    [
      'is cut within the last boundary',
      form('--b', FIELD, '', 'one', '--b-').trimEnd(),
      /ends before its last boundary/,
    ],
    ['is cut within headers', form('--b', FIELD), /ends before its last boundary/],
    ['has another boundary', form('--c', FIELD, '', 'one', '--c--'), /boundary of its content type is not in it/],
    ['is something else and large', 'x'.repeat(100_000), /boundary of its content type is not in it/],
    ['is empty', '', /boundary of its content type is not in it/],
    ['has no part', form('--b--'), /has no parts/],
    ['has a part without a name', form('--b', 'Content-Type: text/plain', '', 'x', '--b--'), /part 1 has no name/],
    ['has a part without headers', form('--b', '', 'x', '--b--'), /part 1 has no name/],
    ['has a header without a colon', form('--b', FIELD, 'oops', '', 'x', '--b--'), /a header of part 1 has no name/],
    [
      'has endless headers',
      form('--b', `${FIELD}; x="${'y'.repeat(20_000)}`),
      /longer than 16384 bytes, or have no end/,
    ],
    [
      'has 1,001 parts',
      form(...Array.from({ length: 1001 }, () => `--b\r\n${FIELD}\r\n\r\nx`), '--b--'),
      /more than 1000 parts/,
    ],
  ] as const) {
    it(`is refused with why, in pieces or whole, if it ${what}`, () => {
      for (const size of [1000, Infinity]) {
        const error = thrown(UnreadableError, () => parsed(payload, 'b', size));
        assert.match(error.message, why);
        assert.ok(error.advice);
      }
    });
  }

  it('is recognised by its content type, which must name a boundary', () => {
    assert.equal(boundaryOf('multipart/form-data; boundary=abc'), 'abc');
    assert.equal(boundaryOf('Multipart/Form-Data; charset=utf-8; Boundary="a b:c"'), 'a b:c');
    assert.equal(boundaryOf('multipart/form-data; x="; boundary=evil"; boundary=good'), 'good');
    for (const other of [
      undefined,
      '',
      'text/plain',
      'multipart/mixed; boundary=x',
      'multipart/form-data-x; boundary=x',
    ]) {
      assert.equal(boundaryOf(other), undefined);
    }
    for (const wrong of [
      'multipart/form-data',
      'multipart/form-data; boundary=',
      `multipart/form-data; boundary=${'x'.repeat(71)}`,
    ]) {
      assert.match(thrown(UnreadableError, () => boundaryOf(wrong)).message, /names no boundary/);
    }
  });
});
