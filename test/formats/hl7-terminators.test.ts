import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { splitHl7 } from '../../lib/formats/hl7/batch';
import { readHl7, textAt, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import type { SegmentObject } from '../../lib/formats/segments';
import { thrown } from '../harness/failure';

const MSH = 'MSH|^~\\&|LAB|TRUST|GP|X|20260401||ORU^R01|M-1|P|2.4';

/** A message of one text, with this line end after each segment. */
const withText = (text: string, end: string): string =>
  [MSH, 'PID|1', `OBX|1|TX|A||${text}||||||F`, 'OBX|2|TX|B||second', ''].join(end);

const namesOf = (message: Hl7Message): string[] => Object.keys(message).filter((key) => /^[A-Z][A-Z0-9]{2}$/.test(key));
const codesOf = (message: Hl7Message): string[] => (message.tolerated ?? []).map(({ code }) => code);

/** Lines that a person writes, which look like a segment's name. */
const LINES = [
  'NIL',
  'NAD.',
  'MRI: no lesion',
  'CT: clear',
  'BP1-120/80',
  'MSH-7 was wrong',
  'FHS',
  'ECG\\F\\normal',
  'BMI^30',
  'HB1',
];

describe('the segments of an HL7 v2 message', () => {
  it('end with what ends the header: line breaks of another kind are text, whatever follows', () => {
    for (const [end, other] of [
      ['\r', '\n'],
      ['\r\n', '\n'],
      ['\r\n', '\r'],
      ['\n', '\r'],
    ] as const) {
      for (const line of LINES) {
        const text = withText(`Allergies:${other}${line}`, end);
        const message = readHl7(text);
        const place = JSON.stringify([end, other, line]);
        assert.deepEqual(namesOf(message), ['MSH', 'PID', 'OBX'], place);
        const [first = ''] = line.split(/[\\^]/);
        assert.ok(textAt(message, 'OBX', 5).startsWith(`Allergies:${other}${first}`), place);
        assert.equal(message.tolerated, undefined, place);
        assert.equal(writeHl7(message), text, place);
      }
    }
  });

  it('hold a document in base64 that its sender has wrapped, of any size', () => {
    for (const size of [1_000, 100_000]) {
      for (let seed = 0; seed < 20; seed += 1) {
        let state = seed + 1;
        const bytes = Buffer.from(
          Array.from({ length: size }, () => (state = (state * 48_271) % 2_147_483_647) & 0xff),
        );
        const wrapped = bytes.toString('base64').replaceAll(/.{76}/g, '$&\n');
        const message = readHl7(withText(`^application^pdf^Base64^${wrapped}`, '\r'));
        assert.deepEqual(namesOf(message), ['MSH', 'PID', 'OBX']);
        assert.deepEqual(Buffer.from(textAt(message, 'OBX', 5, 5), 'base64'), bytes);
      }
    }
  });

  it('go on over a line that is no segment where the terminator has a line feed, which is reported', () => {
    for (const [end, lineBreak] of [
      ['\n', '\n'],
      ['\r\n', '\r\n'],
      ['\r', '\r\n'],
    ] as const) {
      for (const line of LINES) {
        const text = [MSH, 'PID|1', `OBX|1|TX|A||Allergies:${lineBreak}${line}`, 'OBX|2|TX|B||second', ''].join(end);
        const message = readHl7(text);
        assert.deepEqual(namesOf(message), ['MSH', 'PID', 'OBX'], line);
        assert.match(textAt(message, 'OBX', 5), /^Allergies:\r?\n./);
        assert.deepEqual(message.tolerated, [
          {
            code: 'hl7-continued-line',
            message: 'A line after segment 3 is not a segment. It was read as part of that segment’s text.',
            count: 1,
          },
        ]);
        assert.equal(writeHl7(message), text);
      }
    }
  });

  it('of a file with mixed line ends are found where a name and the field separator stand, which is reported', () => {
    for (const [end, other] of [
      ['\r', '\n'],
      ['\r', '\r\n'],
      ['\r\n', '\n'],
      ['\r\n', '\r'],
      ['\n', '\r'],
    ] as const) {
      const text = `${MSH}${end}PID|1${other}OBX|1|TX|A||x${other}OBX|2|TX|B||y${end}`;
      const message = readHl7(text);
      assert.deepEqual(namesOf(message), ['MSH', 'PID', 'OBX'], JSON.stringify([end, other]));
      assert.deepEqual(codesOf(message), ['hl7-mixed-terminators']);
      assert.equal(message.tolerated?.[0]?.count, 2);
      assert.equal(writeHl7(message), text);
    }
  });

  it('that HL7 does not define are read where the terminator stands before them, and reported where it may be text', () => {
    for (const [end, codes] of [
      ['\r', []],
      ['\n', ['hl7-unknown-segment']],
      ['\r\n', ['hl7-unknown-segment']],
    ] as const) {
      const message = readHl7(`${MSH}${end}OBX|1|TX|A||Allergies:${end}NIL|x${end}`);
      assert.deepEqual(namesOf(message), ['MSH', 'OBX', 'NIL']);
      assert.deepEqual(codesOf(message), codes);
      assert.deepEqual(codesOf(readHl7(`${MSH}${end}OBX|1|TX|A||x${end}ZAL|x${end}`)), []);
    }
  });

  it('keep their texts out of what is reported', () => {
    const message = readHl7(withText('SMITH\r\nJones', '\r'));
    assert.doesNotMatch(JSON.stringify(message.tolerated), /smith|jones/i);
  });

  it('of each message of a file end as its own header does', () => {
    const text = `${MSH}\rOBX|1|TX|A||x\nNIL\r${MSH}\nOBX|1|TX|B||y\rNIL\n${MSH}\r\nOBX|1|TX|C||z\nNIL\r\n`;
    const message = readHl7(text);
    assert.deepEqual(namesOf(message), ['MSH', 'OBX']);
    assert.equal(message.tolerated, undefined);
    const texts = (message['OBX'] as SegmentObject[]).map(({ f5 }) => (f5 as Array<{ c1: string }>)[0]?.c1);
    assert.deepEqual(texts, ['x\nNIL', 'y\rNIL', 'z\nNIL']);
  });

  it('have no blank line in their last field, and keep the spaces before the line end', () => {
    for (const blank of ['\r', ' \r', '  \t \r\r', '\r\n \r']) {
      const text = `${MSH}\rPID|1|x  \r${blank}PV1|1\r${blank}`;
      const message = readHl7(text);
      assert.deepEqual(namesOf(message), ['MSH', 'PID', 'PV1'], JSON.stringify(blank));
      assert.equal(textAt(message, 'PID', 2), 'x  ');
      assert.equal(textAt(message, 'PV1', 1), '1');
      assert.equal(writeHl7(message), text);
    }
  });

  it('may be padded with NUL, or ended by Ctrl-Z: no text has them, and it is reported', () => {
    for (const end of ['\r', '\n', '\r\n']) {
      const whole = [MSH, 'PID|1', 'OBX|1|TX|A||last'].join(end);
      for (const padded of [
        `${whole}\0\0`,
        `${whole}${end}\0\0\0`,
        `${whole}${end}\x1a`,
        `${whole}\x1a`,
        `\0\0${whole}${end}`,
      ]) {
        for (const payload of [padded, Buffer.from(padded)]) {
          const message = readHl7(payload);
          assert.deepEqual(codesOf(message), ['hl7-padding'], JSON.stringify(padded));
          assert.equal(textAt(message, 'OBX', 5), 'last');
          assert.deepEqual(writeHl7(JSON.parse(JSON.stringify(message)) as Hl7Message), payload);
        }
        // What is added stands on a line of its own.
        const added = writeHl7({ ...readHl7(padded), ZZZ: [{ f1: 'x' }] }) as string;
        assert.match(added.replaceAll('\0', '').replaceAll('\x1a', ''), /last[\r\n]+ZZZ\|x/, JSON.stringify(padded));
      }
      const joined = `${whole}${end}\x1a${whole.replace('M-1', 'M-2')}${end}\x1a`;
      const { messages } = splitHl7(joined);
      assert.deepEqual(
        messages.map((each) => textAt(readHl7(each), 'MSH', 10)),
        ['M-1', 'M-2'],
      );
    }
    const inside = `${MSH}\rOBX|1|TX|A||a\0b\x1ac||F\r`;
    assert.equal(textAt(readHl7(inside), 'OBX', 5), 'a\0b\x1ac');
    assert.equal(readHl7(inside).tolerated, undefined);
  });

  it('are refused where a CR begins a line without a name: HL7 has no such text', () => {
    thrown(UnreadableError, () => readHl7(`${MSH}\rPID|1\rAllergies: nil\r`));
    thrown(UnreadableError, () => readHl7(`${MSH}\nsmith was here\n`));
  });

  it('without fields are read back where lines end with LF', () => {
    const message = readHl7(`${MSH}\nPID|1\n`);
    message['ZZ1'] = [{}];
    const written = writeHl7(message) as string;
    assert.deepEqual(namesOf(readHl7(written)), ['MSH', 'PID', 'ZZ1']);
    assert.equal(readHl7(written).tolerated, undefined);
  });

  it('and only they begin one: whatever a text holds, it comes back, with any terminator', () => {
    const line = fc.oneof(fc.constantFrom(...LINES, '', ' ', 'x'), fc.string({ maxLength: 8 }));
    fc.assert(
      fc.property(fc.constantFrom('\r', '\n', '\r\n'), fc.array(line, { minLength: 1, maxLength: 6 }), (end, lines) => {
        const other = end === '\n' ? '\r' : '\n';
        // A name with the field separator is a segment, as it is for everybody.
        const text = lines.map((each) => each.replaceAll(/[|\r\n\x1c\\^~&]/g, '')).join(other); // oxlint-disable-line no-control-regex -- FS
        fc.pre(text.trim() !== '');
        const message = readHl7(withText(`a${text}z`, end));
        assert.deepEqual(namesOf(message), ['MSH', 'PID', 'OBX']);
        assert.equal(textAt(message, 'OBX', 5), `a${text}z`);
        assert.equal(message.tolerated, undefined);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('HL7 escape sequences', () => {
  /** Not resolved, since what they stand for is not known here, or is no text. */
  const KEPT = [
    '\\XE9\\',
    '\\xe9\\',
    '\\XC3A9\\',
    '\\X0d\\',
    '\\X0D0A\\',
    '\\X41\\',
    '\\.BR\\',
    '\\.br\\',
    '\\.sp+2\\',
    '\\.in 4\\',
    '\\P\\',
    '\\p\\',
    '\\H\\b\\N\\',
    '\\h\\b\\n\\',
    '\\C2842\\',
    '\\M1B2442\\',
    '\\Zabc\\',
    '\\f\\',
    '\\E\\P\\E\\',
    '\\E\\.br\\E\\',
  ];
  /** Resolved, and written as they were. */
  const RESOLVED = ['\\F\\', '\\S\\', '\\T\\', '\\R\\', '\\E\\', '\\X0D\\', '\\X0A\\', '\\E\\F\\E\\', '50\\E\\ \\F\\'];

  it('survive a change of a neighbour and a copy to another field byte for byte', () => {
    for (const sequence of [...KEPT, ...RESOLVED]) {
      const text = `a${sequence}b`;
      const message = readHl7(`${MSH}\rOBX|1|TX|A^${text}^x&${text}~${text}||${text}\r`);
      const [obx] = message['OBX'] as SegmentObject[];
      assert.ok(obx);
      const [first, second] = obx['f3'] as Array<Record<string, unknown>>;
      const value = textAt(message, 'OBX', 5);
      Object.assign(first ?? {}, { c1: 'NEW', c4: value });
      Object.assign(first?.['c3'] ?? {}, { s1: 'new' });
      Object.assign(second ?? {}, { c2: 'new' });
      message['NTE'] = [{ f3: value }];
      const lines = (writeHl7(message) as string).split('\r');
      assert.equal(lines[1], `OBX|1|TX|NEW^${text}^new&${text}^${text}~${text}^new||${text}`);
      assert.equal(lines[2], `NTE|||${text}`);
    }
  });

  it('are resolved where they stand for a separator, CR or LF only', () => {
    const read = (text: string): string => textAt(readHl7(`${MSH}\rOBX|1|TX|A||${text}\r`), 'OBX', 5);
    assert.equal(read('\\F\\\\S\\\\T\\\\R\\\\E\\\\X0D\\\\X0A\\'), '|^&~\\\r\n');
    for (const sequence of KEPT.filter((each) => !each.startsWith('\\E\\'))) assert.equal(read(sequence), sequence);
    // An escaped backslash that would spell a sequence.
    assert.equal(read('\\E\\P\\E\\'), '\\E\\P\\');
  });

  it('that a sender has got wrong stay as they are beside a changed neighbour, and are escaped in a copy', () => {
    const path = '\\\\server\\share\\letter.pdf';
    const message = readHl7(`${MSH}\rOBX|1|RP|A||${path}^old\r`);
    assert.equal(textAt(message, 'OBX', 5), path);
    const [obx] = message['OBX'] as SegmentObject[];
    assert.ok(obx);
    Object.assign((obx['f5'] as object[])[0] ?? {}, { c2: 'new' });
    message['NTE'] = [{ f3: path }];
    const written = writeHl7(message) as string;
    assert.ok(written.includes(`||${path}^new\r`));
    assert.equal(textAt(readHl7(written), 'NTE', 3), path);
  });

  it('of any message survive a copy of each text to another field', () => {
    const piece = fc.oneof(
      fc.constantFrom(...KEPT, ...RESOLVED, '\\E\\E', 'E', 'P', 'F'),
      fc.stringMatching(/^[ a-z0-9é.,-]{0,6}$/),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
        const text = `x${pieces.join('')}`;
        const message = readHl7(`${MSH}\rOBX|1|TX|A||${text}\r`);
        message['NTE'] = [{ f3: textAt(message, 'OBX', 5) }];
        assert.equal((writeHl7(message) as string).split('\r')[2], `NTE|||${text}`);
      }),
      { numRuns: 2000 },
    );
  });
});
