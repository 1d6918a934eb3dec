import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import {
  componentAt,
  readEdifact,
  writeEdifact,
  type EdifactMessage,
  type Interchange,
} from '../../lib/formats/edifact/interchange';
import type { SegmentObject } from '../../lib/formats/segments';
import { edifactText } from '../harness/arbitraries';
import { thrown } from '../harness/failure';
import { haveSamples, NO_SAMPLES, samplesIn } from '../harness/samples';

const MEDRPT = `UNA:+.? '
UNB+UNOC:3+LAB:80+GP:80+260401:1200+77++MEDRPT++1'
UNH+1+MEDRPT:0:1:RT:NHS003'
BGM+LSR'
NAD+SLA+++ST JAMES?'S UNIVERSITY?+'
PNA+PAT+943:OPI+++SU:AZIZ+FO:NISMA'
UNT+9+1'
UNH+2+MEDRPT:0:1:RT:NHS003'
BGM+LSR'
UNT+3+2'
UNZ+2+77'
`;

const segments = (message: EdifactMessage | undefined, tag: string): SegmentObject[] =>
  (message?.[tag] ?? []) as SegmentObject[];

describe('EDIFACT', () => {
  it('is read by message, segment, element and component, with release characters resolved', () => {
    const interchange = readEdifact(MEDRPT);
    assert.equal(componentAt(interchange.UNB?.[0], 5), '77');
    assert.equal(interchange.messages?.length, 2);
    const [first = {}] = interchange.messages ?? [];
    assert.deepEqual(segments(first, 'PNA')[0]?.['e5'], { c1: 'SU', c2: 'AZIZ' });
    assert.equal(componentAt(segments(first, 'NAD')[0], 4), "ST JAMES'S UNIVERSITY+");
    assert.equal('e2' in (segments(first, 'NAD')[0] ?? {}), false);
  });

  it('is written byte for byte as it was read, whether its counts are right or wrong', () => {
    const variants = [
      MEDRPT,
      MEDRPT.replaceAll('\n', ''),
      MEDRPT.replaceAll('\n', '\r\n'),
      MEDRPT.slice(MEDRPT.indexOf('UNB')),
      MEDRPT.replace("UNA:+.? '", 'UNA|*.! ~').replaceAll(
        /[:+?']/g,
        (char) => ({ ':': '|', '+': '*', '?': '!', "'": '~' })[char] ?? '',
      ),
      MEDRPT.replace("UNT+9+1'\n", '').replace("UNZ+2+77'\n", ''),
      MEDRPT.replace('UNH+1', "UNG+MEDRPT'UNH+1").replace('UNZ', "UNE+2+1'UNZ"),
      "UNB+UNOW:4+A+B+20260401:1200+1'UNH+1+X'ABC+1*2*3:4'UNT+3+1'UNZ+1+1'",
    ];
    for (const text of variants) {
      assert.equal(writeEdifact(readEdifact(text)), text);
      assert.equal(writeEdifact(JSON.parse(JSON.stringify(readEdifact(text))) as Interchange), text);
    }
  });

  it('has only changed parts rebuilt, and removed counts filled in', () => {
    const interchange = readEdifact(MEDRPT);
    const [first = {}] = interchange.messages ?? [];
    Object.assign(segments(first, 'NAD')[0] ?? {}, { e4: "O'NEILL?" });
    segments(first, 'NAD').push({ e1: 'PO', e2: { c1: 5, c2: '900' } });
    delete first.UNT?.[0]?.['e1'];
    const lines = (writeEdifact(interchange) as string).split('\n');
    assert.equal(lines[4], "NAD+SLA+++O?'NEILL??'");
    assert.equal(lines[5], "NAD+PO+5:900'PNA+PAT+943:OPI+++SU:AZIZ+FO:NISMA'");
    assert.equal(lines[6], "UNT+6+1'");
  });

  it('is built from an object with its trailers', () => {
    const made = writeEdifact({
      UNB: [{ e1: { c1: 'UNOC', c2: '3' }, e5: '12' }],
      messages: [{ UNH: [{ e1: '1', e2: 'X' }], BGM: [{ e1: 'A' }] }],
    });
    assert.equal(made, "UNB+UNOC:3++++12'UNH+1+X'BGM+A'UNT+3+1'UNZ+1+12'");
  });

  it('is ISO 8859-1 with syntax identifier UNOC', () => {
    const bytes = Buffer.from(MEDRPT.replace('AZIZ', 'ZO\xcb'), 'latin1');
    const interchange = readEdifact(bytes);
    assert.equal(componentAt(segments(interchange.messages?.[0], 'PNA')[0], 5, 2), 'ZOË');
    assert.deepEqual(writeEdifact(interchange), bytes);
    Object.assign(segments(interchange.messages?.[0], 'PNA')[0] ?? {}, { e5: '漢' });
    assert.throws(() => writeEdifact(interchange), InvalidMessageError);
    assert.throws(
      () => readEdifact(Buffer.from(bytes.toString('latin1').replace('UNOC', 'UNOX'), 'latin1')),
      UnreadableError,
    );
  });

  it('says that a payload is not EDIFACT without quoting it', () => {
    for (const text of [
      '',
      'UNA',
      'UNA      ',
      "UNA:+.? 'SMITH",
      'SMITH',
      "UNH+1'",
      "UNB+1'SMITH'",
      "UNB+1'UNH+1",
      "UNB+1'NAD+SMITH'",
    ]) {
      assert.throws(
        () => readEdifact(text),
        (error) => error instanceof UnreadableError && !/smith/i.test(error.message),
        text,
      );
    }
    for (const object of [
      {},
      { UNB: [] },
      { UNB: [{}], messages: [{}] },
      { UNB: [{}], messages: 5 },
      { UNB: [{ e1: { c1: {} } }] },
    ]) {
      assert.throws(() => writeEdifact(object as unknown as Interchange), InvalidMessageError);
    }
  });

  it('is written byte for byte as it was read, for every sample', function () {
    if (!haveSamples) return this.skip();
    const files = samplesIn('edifact-pathology', '.dat').filter((file) => !file.includes('regex'));
    assert.equal(files.length, 5, NO_SAMPLES);
    for (const file of files) {
      const bytes = readFileSync(file);
      const interchange = readEdifact(bytes);
      assert.deepEqual(writeEdifact(interchange), bytes, basename(file));
      assert.equal(componentAt(interchange.UNB?.[0], 5), '1015');
    }
  });

  it('made of anything throws the documented error or comes back byte for byte', () => {
    fc.assert(
      fc.property(fc.oneof(edifactText, fc.string()), (payload) => {
        let read: Interchange;
        try {
          read = readEdifact(payload);
        } catch (error) {
          assert.ok(error instanceof UnreadableError, String(error));
          return;
        }
        assert.equal(writeEdifact(read), payload);
      }),
      { numRuns: 500 },
    );
  });

  it('whose UNT has no reference is written without it; a segment with 1,000 elements is not read', () => {
    for (const text of ["UNB+UNOC:3'UNH+1'UNT+2'UNZ+1'", 'UNA|*.! ~UNB*UNOC|3~UNH*1~UNT*2~']) {
      assert.equal(writeEdifact(readEdifact(text)), text);
    }
    const long = (count: number): string => `UNB${'+'.repeat(count)}X'`;
    assert.equal(writeEdifact(readEdifact(long(999))), long(999));
    thrown(UnreadableError, () => readEdifact(long(1000)));
    assert.equal(writeEdifact({ UNB: { e1: 'UNOC' } as never }), "UNB+UNOC'UNZ+0'");
  });

  it('reads back every text that a component can have', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        const made = { UNB: [{ e1: text }], messages: [{ UNH: [{ e1: '1' }], FTX: [{ e4: { c2: text } }] }] };
        const read = readEdifact(writeEdifact(made));
        assert.equal(componentAt(segments(read.messages?.[0], 'FTX')[0], 4, 2), text);
      }),
    );
  });

  it('of 100 MB of zeros is refused, and 30 MB of one character neither hangs nor fills the memory', () => {
    assert.throws(() => readEdifact(Buffer.alloc(100_000_000)), UnreadableError);
    assert.throws(() => readEdifact('\n'.repeat(30_000_000)), UnreadableError);
    for (const filler of ['+', ':', '?', "'", '\n', '\xEF\xBB\xBF', "X+'"]) {
      const text = `UNB+UNOC:3'UNH+1'${filler.repeat(30_000_000 / filler.length)}x`;
      assert.throws(() => readEdifact(text), UnreadableError, JSON.stringify(filler));
    }
  }).timeout(120_000);
});
