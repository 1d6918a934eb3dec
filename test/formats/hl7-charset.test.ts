import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { decode, encode } from '../../lib/formats/charset';
import { readEdifact } from '../../lib/formats/edifact/interchange';
import { CHARSET_RULES, declaredCharset } from '../../lib/formats/hl7/charset';
import { readHl7, textAt, writeHl7 } from '../../lib/formats/hl7/message';
import type { SegmentObject } from '../../lib/formats/segments';
import { charsetOf, decodeHl7Message, encodeHl7Text } from '../../lib/mllp/charset';
import { MllpMessageError } from '../../lib/mllp/errors';
import { thrown } from '../harness/failure';

const text = (msh18: string, name: string): string =>
  `MSH|^~\\&|A|B|C|D|2026||ADT^A01|M-1|P|2.4||||||${msh18}\rPID|||||${name}\r`;
const bytes = (msh18: string, name: string, charset: BufferEncoding): Buffer => Buffer.from(text(msh18, name), charset);

describe('the character set of HL7 v2', () => {
  it('is one table for files and MLLP, whatever a sender writes in MSH-18', () => {
    const names: Record<string, string> = {
      'iso-8859-1':
        '8859/1,8859-1,8859_1,ISO 8859/1,ISO-8859-1,iso8859-1,ISO8859/1,ISO_8859-1, 8859/1 ,Latin1,ISO88591,ISO/IEC 8859-1,ISO Latin 1,iso_ir 100',
      'iso-8859-15': '8859/15,8859-15,ISO 8859-15,ISO8859/15',
      'iso-8859-9': '8859/9,8859/09,iso-8859-9',
      'iso-8859-14': '8859/14',
      'windows-1252': 'WINDOWS-1252,windows 1252,Windows1252,CP1252,cp-1252,WIN-1252,ANSI',
      'utf-8':
        'UNICODE UTF-8,UNICODE UTF8,UNICODE_UTF-8,unicode/utf-8,UNICODE,UTF-8,utf8,UTF_8,UNICODE (UTF-8),UNICODE UTF 8,ISO_IR 192',
      ascii: 'ASCII,US-ASCII,ISO IR6,ISO-IR-6,ISO_IR 6',
    };
    for (const [charset, all] of Object.entries(names)) {
      for (const name of all.split(',')) {
        assert.equal(declaredCharset(name), charset, name);
        assert.equal(charsetOf(name, 'utf-8'), charset === 'ascii' ? 'utf-8' : charset, name);
        const message = readHl7(encode(text(name, 'Smith'), 'ascii'));
        assert.equal(message.charset, charset, name);
      }
    }
    for (const name of ['', ' ', '""']) assert.equal(declaredCharset(name), undefined);
    for (const name of [
      '8859/12',
      '8859/0',
      '8859/99',
      '8859',
      '88591x',
      'KLINGON',
      'ISO IR87',
      'UNICODE UTF-16',
      'GB 18030-2000',
    ]) {
      assert.equal(declaredCharset(name), 'unknown', name);
    }
  });

  it('has every byte of every part of ISO 8859, control characters included, and gives it back', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    for (const part of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15]) {
      const charset = `iso-8859-${part}` as const;
      const defined = all.filter((byte) => {
        try {
          return decode(Buffer.of(byte), charset) !== '';
        } catch {
          return false;
        }
      });
      const some = Buffer.from(defined);
      assert.ok(some.length > 190, charset);
      assert.deepEqual(encode(decode(some, charset), charset), some, charset);
      assert.equal(decode(Buffer.of(0x80), charset), '\x80', charset);
    }
    thrown(InvalidMessageError, () => encode('€', 'iso-8859-9'));
    assert.deepEqual(encode('ğ', 'iso-8859-9'), Buffer.of(0xf0));
    thrown(UnreadableError, () => decode(Buffer.of(0xff), 'iso-8859-7'));
  });

  it('is the setting’s when MSH-18 is empty or null, and only then by default', () => {
    for (const msh18 of ['', '""']) {
      const message = readHl7(bytes(msh18, 'Zoë', 'latin1'), { charset: 'iso-8859-1' });
      assert.equal(textAt(message, 'PID', 5), 'Zoë');
      assert.deepEqual(writeHl7(message), bytes(msh18, 'Zoë', 'latin1'));
    }
    thrown(UnreadableError, () => readHl7(bytes('UTF-8', 'Zoë', 'latin1'), { charset: 'iso-8859-1' }));
    thrown(UnreadableError, () => readHl7(bytes('KLINGON', 'Zoe', 'latin1'), { charset: 'iso-8859-1' }));
  });

  it('is the setting’s where the bytes do not fit MSH-18, if that is chosen, and says what was found where', () => {
    const cases: Array<[Buffer, 'windows-1252' | 'utf-8', string, RegExp]> = [
      [
        bytes('UNICODE UTF-8', 'Zoë', 'latin1'),
        'windows-1252',
        'Zoë',
        /MSH-18 says utf-8, and byte \d+ \(segment 2, PID\)/,
      ],
      [
        bytes('8859/1', 'Zoë', 'utf8'),
        'utf-8',
        'Zoë',
        /MSH-18 says iso-8859-1, and the bytes are UTF-8 .*segment 2, PID/,
      ],
      [
        bytes('8859/1', '\x93x\x94', 'latin1'),
        'windows-1252',
        '“x”',
        /byte \d+ \(segment 2, PID\) is a control character/,
      ],
      [
        bytes('ASCII', 'Zoë', 'utf8'),
        'utf-8',
        'Zoë',
        /MSH-18 says ascii, and byte \d+ \(segment 2, PID\) is not in it/,
      ],
      [bytes('KLINGON', 'Zoë', 'utf8'), 'utf-8', 'Zoë', /MSH-18 names a character set that is not known here/],
    ];
    for (const [payload, charset, name, found] of cases) {
      const message = readHl7(payload, { charset, charsetRule: 'misfit' });
      assert.equal(textAt(message, 'PID', 5), name);
      assert.equal(message.tolerated?.[0]?.code, 'hl7-charset-misfit');
      assert.match(message.tolerated[0].message, found);
      assert.doesNotMatch(message.tolerated[0].message, /Zo/);
      assert.deepEqual(writeHl7(message, { charset, charsetRule: 'misfit' }), payload);
      const [pid] = message['PID'] as SegmentObject[];
      assert.ok(pid);
      pid['f6'] = 'Zoë';
      assert.equal((writeHl7(message) as Buffer).length, payload.length + 1 + encode('Zoë', charset).length);
    }
    // What fits stays as MSH-18 says.
    const fitting = readHl7(bytes('8859/1', 'Zoë', 'latin1'), { charset: 'utf-8', charsetRule: 'misfit' });
    assert.deepEqual([fitting.charset, fitting.tolerated], ['iso-8859-1', undefined]);
  });

  it('is always the setting’s, if that is chosen', () => {
    const payload = bytes('8859/1', 'Zoë', 'utf8');
    const message = readHl7(payload, { charset: 'utf-8', charsetRule: 'always' });
    assert.equal(textAt(message, 'PID', 5), 'Zoë');
    assert.deepEqual(writeHl7(message), payload);
    // Also when the flow has changed another field of MSH.
    const [msh] = message.MSH ?? [];
    assert.ok(msh);
    msh['f10'] = 'M-2';
    assert.deepEqual(writeHl7(message), Buffer.from(text('8859/1', 'Zoë').replace('M-1', 'M-2')));
    assert.deepEqual(decodeHl7Message(payload, '8859/1', 'utf-8', 'always').text, text('8859/1', 'Zoë'));
    assert.deepEqual(encodeHl7Text(text('8859/1', 'Zoë'), '8859/1', 'utf-8', 'always'), payload);
  });

  it('is not UTF-16, with or without a byte order mark: HL7 and EDIFACT in it are refused as that', () => {
    for (const payload of [text('', 'Smith'), "UNB+UNOC:3+A+B+260401:1200+7'UNH+1+X'UNT+2+1'UNZ+1+7'"]) {
      const little = Buffer.from(payload, 'utf16le');
      const marked = Buffer.from(`\uFEFF${payload}`, 'utf16le');
      for (const bytes of [little, marked, Buffer.from(little).swap16(), Buffer.from(marked).swap16()]) {
        const { message, advice } = thrown(UnreadableError, () =>
          payload.startsWith('MSH') ? readHl7(bytes, { charset: 'windows-1252' }) : readEdifact(bytes),
        );
        assert.match(message, /is in UTF-16/);
        assert.match(advice ?? '', /UTF-8/);
      }
    }
  });

  it('that MSH-18 names and the bytes do not look like is reported, and read as MSH-18 says', () => {
    const message = readHl7(bytes('8859/1', 'Zoë', 'utf8'));
    assert.equal(textAt(message, 'PID', 5), 'ZoÃ«');
    assert.deepEqual(
      message.tolerated?.map(({ code }) => code),
      ['hl7-charset-doubtful'],
    );
    assert.equal(readHl7(bytes('8859/1', 'Zoë', 'latin1')).tolerated, undefined);
  });

  it('of a refused message is said with the place and with those that fit, without the text', () => {
    const { message, advice = '' } = thrown(UnreadableError, () => readHl7(bytes('UTF-8', 'SMITH É', 'latin1')));
    assert.match(message, /not text in utf-8, the character set of MSH-18: byte \d+ \(segment 2, PID\) is not/);
    assert.match(advice, /The bytes fit iso-8859-1 and windows-1252/);
    const over = thrown(MllpMessageError, () => decodeHl7Message(bytes('', 'SMITH É', 'latin1'), '', 'utf-8'));
    assert.match(over.message, /the character set of the setting: byte \d+ \(segment 2, PID\)/);
    assert.doesNotMatch(message + advice + over.message + (over.advice ?? ''), /SMITH/);
  });

  it('that the flow names in a changed MSH-18 is the one in which the message is written', () => {
    const message = readHl7(bytes('8859/1', 'Zoë', 'latin1'));
    const [msh] = message.MSH ?? [];
    assert.ok(msh);
    msh['f18'] = [{ c1: 'UNICODE UTF-8' }];
    assert.deepEqual(writeHl7(message), bytes('UNICODE UTF-8', 'Zoë', 'utf8'));
    msh['f18'] = [{ c1: 'KLINGON' }];
    thrown(InvalidMessageError, () => writeHl7(message));
  });

  it('whatever it is, by whatever rule: bytes come back, or are refused', () => {
    const names = ['', '""', '8859/1', '8859/7', '8859/15', 'UNICODE UTF-8', 'ASCII', 'WINDOWS-1252'];
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.constantFrom('utf-8' as const, 'windows-1252' as const, 'iso-8859-1' as const),
        fc.constantFrom(...CHARSET_RULES),
        fc.oneof(
          fc.uint8Array({ maxLength: 30 }).map((all) => Buffer.from(all.filter((byte) => byte >= 0x20))),
          fc.string({ unit: 'grapheme' }).map((all) => Buffer.from(all.replaceAll(/\p{Cc}/gu, ''))),
        ),
        (msh18, charset, charsetRule, name) => {
          const payload = Buffer.concat([Buffer.from(text(msh18, '').trimEnd()), name, Buffer.from('\r')]);
          try {
            const message = readHl7(payload, { charset, charsetRule });
            assert.deepEqual(writeHl7(message, { charset, charsetRule }), payload);
          } catch (error) {
            assert.ok(error instanceof UnreadableError, String(error));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
