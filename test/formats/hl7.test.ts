import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { acknowledgeHl7 } from '../../lib/formats/hl7/acknowledge';
import { readHl7, textAt, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import type { SegmentObject } from '../../lib/formats/segments';
import { hl7Text } from '../harness/arbitraries';
import { thrown } from '../harness/failure';
import { haveSamples, NO_SAMPLES, samplesIn } from '../harness/samples';

const ADT = [
  'MSH|^~\\&|PAS|TRUST|MESH|GP|20260401120000||ADT^A01|M-1|P|2.4',
  'PID|||1^^^NHS~2^^^L||O\\T\\BRIEN&X^J\\.br\\K|||""|||||',
  'OBX|1|TX|A^B||one\\F\\two\\X0D\\three',
  'OBX|2|TX|C||||',
  'Z01|',
  '',
].join('\r');

const fields = (message: Hl7Message, name: string, index = 0): SegmentObject =>
  (message[name] as SegmentObject[])[index] ?? {};

describe('HL7 v2', () => {
  it('is read by segment, field, repeat, component and subcomponent, with escapes resolved', () => {
    const message = readHl7(ADT);
    const pid = fields(message, 'PID');
    assert.deepEqual(pid['f3'], [
      { c1: '1', c4: 'NHS' },
      { c1: '2', c4: 'L' },
    ]);
    assert.deepEqual(pid['f5'], [{ c1: { s1: 'O&BRIEN', s2: 'X' }, c2: 'J\\.br\\K' }]);
    assert.deepEqual(pid['f8'], [{ c1: '""' }]);
    assert.equal('f4' in pid, false);
    assert.deepEqual(fields(message, 'OBX')['f5'], [{ c1: 'one|two\rthree' }]);
    assert.equal(textAt(message, 'MSH', 9, 2), 'A01');
    assert.equal(fields(message, 'MSH')['f1'], '|');
  });

  it('is written byte for byte as it was read, whatever its line ends, trailing separators and envelope', () => {
    const variants = [
      ADT,
      ADT.trimEnd(),
      ADT.replaceAll('\r', '\n'),
      ADT.replaceAll('\r', '\r\n'),
      `\uFEFF${ADT}`,
      `\v${ADT}\x1c\r`,
      ADT.replaceAll('|', '!').replaceAll('^', '@').replaceAll('~', '*').replaceAll('\\', '$').replaceAll('&', '%'),
      ADT.replaceAll('one', 'one\ntwo'),
      `FHS|^~\\&|A\rBHS|^~\\&|A\r${ADT}MSH|*~\\&|B||||||ADT*A02|2|P|2.4\rPID|||1*2\rBTS|2\r`,
    ];
    for (const text of variants) {
      assert.equal(writeHl7(readHl7(text)), text);
      assert.equal(writeHl7(JSON.parse(JSON.stringify(readHl7(text))) as Hl7Message), text);
    }
  });

  it('has only changed fields rebuilt', () => {
    const message = readHl7(ADT);
    fields(message, 'PID')['f5'] = [{ c1: 'A|B^C', c2: 'x\ry' }];
    fields(message, 'OBX', 1)['f5'] = 'new';
    delete fields(message, 'Z01')['raw'];
    const lines = (writeHl7(message) as string).split('\r');
    assert.equal(lines[1], 'PID|||1^^^NHS~2^^^L||A\\F\\B\\S\\C^x\\X0D\\y|||""|||||');
    assert.equal(lines[2], ADT.split('\r')[2]);
    assert.equal(lines[3], 'OBX|2|TX|C||new||');
    assert.equal(lines[4], 'Z01');
  });

  it('writes a new segment at its place, or after the last of its name', () => {
    const message = readHl7('MSH|^~\\&|A\rOBX|1\rOBX|2\rNTE|1\r');
    (message['OBX'] as SegmentObject[]).push({ f1: '3' });
    message['ZZZ'] = { at: 1.5, f2: { c2: 5 } };
    assert.equal(writeHl7(message), 'MSH|^~\\&|A\rZZZ||^5\rOBX|1\rOBX|2\rOBX|3\rNTE|1\r');
  });

  it('is decoded by MSH-18, else by the setting, and encoded the same way', () => {
    const latin = Buffer.from('MSH|^~\\&|A||||||ADT^A01|1|P|2.4||||||8859/1\rPID|||||Zo\xeb\r', 'latin1');
    const message = readHl7(latin);
    assert.equal(textAt(message, 'PID', 5), 'Zoë');
    assert.deepEqual(writeHl7(message), latin);
    const latin9 = Buffer.from('MSH|^~\\&|A||||||ADT^A01|1|P|2.4||||||8859/15\rPID|||||\xa4\r', 'latin1');
    assert.equal(textAt(readHl7(latin9), 'PID', 5), '€');
    assert.deepEqual(writeHl7(readHl7(latin9)), latin9);
    const windows = Buffer.from('MSH|^~\\&|A\rPID|||||\x80 \x93x\x94\x81\r', 'latin1');
    const read = readHl7(windows, { charset: 'windows-1252' });
    assert.equal(textAt(read, 'PID', 5), '€ “x”\x81');
    assert.deepEqual(writeHl7(read), windows);
    assert.throws(() => readHl7(windows), UnreadableError);
    assert.throws(() => readHl7(windows, { charset: 'ascii' }), UnreadableError);
    fields(message, 'PID')['f5'] = [{ c1: '漢' }];
    assert.throws(() => writeHl7(message), InvalidMessageError);
    assert.throws(() => readHl7(Buffer.from('MSH|^~\\&|A||||||A|1|P|2.4||||||KLINGON\r')), UnreadableError);
  });

  it('says that a payload is not HL7 without quoting it', () => {
    for (const text of [
      '',
      ' ',
      'hello SMITH',
      'PID|1',
      'MSH',
      'MSH|',
      'MSH|^^',
      'MSH|^~\\&|A\rsmith was here',
      'MSHA',
    ]) {
      assert.throws(
        () => readHl7(text),
        (error) => error instanceof UnreadableError && !/smith/i.test(error.message),
        text,
      );
    }
    for (const object of [{}, { PID: {} }, { MSH: 5 }, { MSH: { f3: { c1: [] } } }, { MSH: { f99999: 'x' } }]) {
      assert.throws(() => writeHl7(object as unknown as Hl7Message), InvalidMessageError);
    }
  });

  it('is acknowledged: sender and receiver exchanged, control id, version and character set kept', () => {
    const ack = writeHl7(acknowledgeHl7(readHl7(ADT), { now: new Date('2026-04-01T11:00:00Z'), controlId: 'A-1' }));
    assert.equal(ack, 'MSH|^~\\&|MESH|GP|PAS|TRUST|20260401110000+0000||ACK^A01^ACK|A-1|P|2.4\rMSA|AA|M-1\r');
    const nak = acknowledgeHl7(readHl7(ADT.replace('|2.4', '|2.5.1').replaceAll('^', '@').replace('@~', '@~')), {
      now: new Date(0),
      controlId: 'A-1',
      code: 'AE',
      text: 'no such ward',
    });
    assert.match(
      writeHl7(nak) as string,
      /\rMSA\|AE\|M-1\|no such ward\rERR\|\|\|207@@HL70357\|E\|\|\|\|no such ward\r$/,
    );
  });

  it('with a space where MSH-2 has the escape character is read without one, and reported', () => {
    const text = 'MSH|^~ &|LAB|B|C|D|2026||ORU^R01|M-1|P|2.3\rOBX|1|TX|A||a b\\T\\c&d~e^f\r';
    for (const payload of [text, Buffer.from(text)]) {
      const message = readHl7(payload);
      assert.deepEqual(
        message.tolerated?.map(({ code }) => code),
        ['hl7-no-escape'],
      );
      assert.deepEqual((message['OBX'] as SegmentObject[])[0]?.['f5'], [
        { c1: { s1: 'a b\\T\\c', s2: 'd' } },
        { c1: 'e', c2: 'f' },
      ]);
      assert.deepEqual(writeHl7(message), payload);
      for (const segment of message['OBX'] as SegmentObject[]) delete segment.raw;
      assert.deepEqual(writeHl7(message), payload);
    }
    for (const msh2 of [' ~\\&', '^ \\&', '^~\\ ', '^~  ']) {
      thrown(UnreadableError, () => readHl7(text.replace('^~ &', msh2)));
    }
  });

  it('is acknowledged by its MSH-10 as it stands there, whatever separators are in it', () => {
    for (const controlId of ['A^B', 'A&B^C~D', 'A\\T\\B', 'X-1 ']) {
      const message = readHl7(`MSH|^~\\&|A|B|C|D|2026||ADT^A01|${controlId}|P|2.4\r`);
      const acknowledgement = writeHl7(acknowledgeHl7(message, {})) as string;
      assert.match(acknowledgement, /\rMSA\|AA\|/);
      assert.equal(acknowledgement.split('\rMSA|AA|')[1], `${controlId.trim()}\r`);
    }
  });

  it('gets no acknowledgement if it is one, or has no control id', () => {
    const ack = readHl7('MSH|^~\\&|A||||||ACK|1|P|2.4\rMSA|AA|0\r');
    assert.throws(() => acknowledgeHl7(ack, { now: new Date() }), InvalidMessageError);
    assert.throws(() => acknowledgeHl7(readHl7('MSH|^~\\&|A\r'), { now: new Date() }), InvalidMessageError);
  });

  it('is written byte for byte as it was read, for every sample', function () {
    if (!haveSamples) return this.skip();
    const files = [...samplesIn('hl7v2', '.hl7'), ...samplesIn('hl7v2', '.erb')];
    assert.equal(files.length, 5, NO_SAMPLES);
    for (const file of files) {
      const bytes = readFileSync(file);
      const message = readHl7(bytes);
      assert.deepEqual(writeHl7(message), bytes, basename(file));
      assert.match(textAt(message, 'MSH', 9), /^(ADT|ORU)$/);
      assert.notEqual(textAt(message, 'PID', 3), '');
    }
  });

  it('made of anything throws the documented error or comes back byte for byte', () => {
    fc.assert(
      fc.property(fc.oneof(hl7Text, fc.string()), (text) => {
        let read: Hl7Message;
        try {
          read = readHl7(text);
        } catch (error) {
          assert.ok(error instanceof UnreadableError);
          return;
        }
        assert.equal(writeHl7(read), text);
      }),
      { numRuns: 500 },
    );
  });

  it('with more fields than can be written is not read', () => {
    const long = (count: number): string => `MSH|^~\\&|\rZ01${'|'.repeat(count)}X`;
    assert.equal(writeHl7(readHl7(long(999))), long(999));
    thrown(UnreadableError, () => readHl7(long(1000)));
  });

  it('has as many components and subcomponents read as are written: a waveform has thousands', () => {
    for (const [separator, count] of [
      ['^', 5000],
      ['&', 5000],
      ['^', 99_998],
      ['&', 99_998],
    ] as const) {
      const text = `MSH|^~\\&|\rOBX|1|NA|ECG||${`1${separator}`.repeat(count)}2\r`;
      const message = readHl7(text);
      for (const segment of message['OBX'] as SegmentObject[]) delete segment.raw;
      assert.equal(writeHl7(message), text, `${count} ${separator}`);
      thrown(UnreadableError, () => readHl7(text.replace(/2\r$/, `${separator.repeat(100_000 - count)}2\r`)));
    }
    for (const [key, subkey] of [
      ['c100000', 's1'],
      ['c1', 's100000'],
      ['c1', 's9999999'],
    ] as const) {
      thrown(InvalidMessageError, () => writeHl7({ MSH: [{ f3: [{ [key]: { [subkey]: 'x' } }] }] }));
    }
  });

  it('reads back every text that a component can have', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (text) => {
        // Formatting sequences stay as they are, and a text that spells one out cannot be distinguished from one.
        fc.pre(!text.includes('\\'));
        const written = writeHl7({
          MSH: [{ f3: [{ c1: 'A' }] }],
          PID: [{ f5: [{ c1: text, c2: { s1: text, s2: text } }] }],
        });
        const pid = fields(readHl7(written), 'PID');
        assert.deepEqual(pid['f5'], [{ c1: text, c2: { s1: text, s2: text } }]);
      }),
    );
  });

  it('made of bytes throws the documented error or comes back byte for byte', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom('iso-8859-1', 'windows-1252', 'utf-8'),
        (bytes, charset) => {
          const payload = Buffer.concat([Buffer.from('MSH|^~\\&|A|'), bytes]);
          try {
            assert.deepEqual(writeHl7(readHl7(payload, { charset })), payload);
          } catch (error) {
            assert.ok(error instanceof UnreadableError, String(error));
          }
        },
      ),
    );
  });

  it('of 100 MB of zeros is refused, and 30 MB of separators or line ends neither hangs nor fills the memory', () => {
    assert.throws(() => readHl7(Buffer.alloc(100_000_000)), UnreadableError);
    for (const filler of ['|', '^', '~', '\n', '\r', '\\', ' ', 'OBX|1\r', '\nx']) {
      const text = `MSH|^~\\&|A\rZ01|${filler.repeat(30_000_000 / filler.length)}x`;
      try {
        assert.ok(writeHl7(readHl7(text)) === text, JSON.stringify(filler));
      } catch (error) {
        assert.ok(error instanceof UnreadableError, JSON.stringify(filler));
      }
    }
  }).timeout(120_000);
});
