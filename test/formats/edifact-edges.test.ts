import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { buildNhsAck, readNhsAck } from '../../lib/acks/nhsack/nhsack';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { componentAt, readEdifact, writeEdifact, type Interchange } from '../../lib/formats/edifact/interchange';
import { splitEdifact } from '../../lib/formats/edifact/split';
import type { SegmentObject } from '../../lib/formats/segments';
import { thrown } from '../harness/failure';

const UNA = "UNA:+.? '";
const interchange = (reference: string, text = 'X'): string =>
  `UNB+UNOC:3+LAB+GP+260401:1200+${reference}++MEDRPT++1'UNH+1+MEDRPT:0:1:RT:NHS003'FTX+A+++${text}'UNT+3+1'UNZ+1+${reference}'`;
const codesOf = (read: Interchange): string[] => (read.tolerated ?? []).map(({ code }) => code);
const ftxOf = (read: Interchange): string =>
  componentAt((read.messages?.[0]?.['FTX'] as SegmentObject[] | undefined)?.[0], 4);

/** Reads a payload as text and as bytes, and sees that it is written as it was. */
function readBoth(text: string, charset: BufferEncoding = 'latin1'): Interchange[] {
  return [text, Buffer.from(text, charset)].map((payload) => {
    const read = readEdifact(payload);
    assert.deepEqual(writeEdifact(JSON.parse(JSON.stringify(read)) as Interchange), payload);
    return read;
  });
}

describe('EDIFACT at the edge', () => {
  it('without its last terminator is read and reported; any other end is refused', () => {
    for (const tail of ['', '\n', '\r\n']) {
      for (const read of readBoth(interchange('7').slice(0, -1) + tail)) {
        assert.deepEqual(codesOf(read), ['edifact-unterminated']);
        assert.equal(componentAt(read.UNZ?.[0], 2), '7');
      }
    }
    thrown(UnreadableError, () => readEdifact("UNB+UNOC:3+A+B'UNH+1+X'FTX+A+++cut of"));
  });

  it('with line breaks within segments keeps them in texts, and reads tags across them', () => {
    const wrapped = interchange('7', 'no\r\nlesion').replace('UNT+', 'U\r\nNT+');
    for (const read of readBoth(wrapped)) {
      assert.equal(ftxOf(read), 'no\r\nlesion');
      assert.equal(componentAt(read.messages?.[0]?.UNT?.[0], 1), '3');
      assert.deepEqual(codesOf(read), ['edifact-line-breaks']);
      assert.equal(read.tolerated?.[0]?.count, 2);
    }
  });

  it('with a UNA of five characters is read by them', () => {
    for (const una of ["UNA:+.?'", "UNA:+.?'\r\n", 'UNA|*.!~']) {
      const text = una.includes('~')
        ? interchange('7').replaceAll(/[:+']/g, (char) => ({ ':': '|', '+': '*', "'": '~' })[char] ?? '')
        : interchange('7');
      for (const read of readBoth(una + text)) {
        assert.deepEqual(codesOf(read), ['edifact-una']);
        assert.equal(componentAt(read.UNB?.[0], 5), '7');
      }
    }
    for (const read of readBoth(UNA + interchange('7'))) assert.equal(read.tolerated, undefined);
  });

  it('with padding behind its UNA is written again byte for byte', () => {
    for (const padding of ['\0', '\r\n\0\0\n', '\x1a']) {
      const text = `${UNA}${padding}${interchange('7')}`;
      // readBoth compares.
      for (const read of readBoth(text)) assert.deepEqual(codesOf(read), []);
    }
  });

  it('with a byte order mark is read and reported, as text and as bytes', () => {
    for (const una of ['', UNA]) {
      for (const read of readBoth(`\uFEFF${una}${interchange('7')}`, 'utf8')) {
        assert.deepEqual(codesOf(read), ['edifact-bom']);
        assert.equal(componentAt(read.UNB?.[0], 5), '7');
      }
    }
  });

  it('that says UNOC and has characters of Windows or UTF-8 is read as that, and reported', () => {
    const windows = readEdifact(Buffer.from(interchange('7', '\x93x\x94'), 'latin1'));
    assert.deepEqual([ftxOf(windows), windows.charset, codesOf(windows)], ['“x”', 'windows-1252', ['edifact-charset']]);
    assert.deepEqual(writeEdifact(windows), Buffer.from(interchange('7', '\x93x\x94'), 'latin1'));
    const utf8 = readEdifact(Buffer.from(interchange('7', 'Zoë')));
    assert.deepEqual([ftxOf(utf8), utf8.charset, codesOf(utf8)], ['Zoë', 'utf-8', ['edifact-charset']]);
    const latin = readEdifact(Buffer.from(interchange('7', 'Zoë'), 'latin1'));
    assert.deepEqual([ftxOf(latin), latin.tolerated], ['Zoë', undefined]);
  });

  it('is read and written in every character set that UNB can name, and ASCII whatever it names', () => {
    const sets: Record<string, [text: string, byte: number]> = {
      UNOC: ['é', 0xe9],
      UNOD: ['ł', 0xb3],
      UNOE: ['Ж', 0xb6],
      UNOF: ['λ', 0xeb],
      UNOG: ['ħ', 0xb1],
      UNOH: ['ģ', 0xbb],
      UNOI: ['ب', 0xc8],
      UNOJ: ['ש', 0xf9],
      UNOK: ['ğ', 0xf0],
      UNOL: ['€', 0xa4],
    };
    const named = (identifier: string, text: string): Buffer =>
      Buffer.from(interchange('7', text).replace('UNOC', identifier), 'latin1');
    for (const [identifier, [text, byte]] of Object.entries(sets)) {
      const payload = named(identifier, String.fromCharCode(byte));
      const read = readEdifact(payload);
      assert.deepEqual([ftxOf(read), read.tolerated], [text, undefined], identifier);
      assert.deepEqual(writeEdifact(read), payload);
      // Without the texts of its segments it is encoded anew.
      for (const message of read.messages ?? [])
        for (const segment of Object.values(message).flat() as SegmentObject[]) delete segment.raw;
      assert.deepEqual(writeEdifact(read), payload, identifier);
    }
    const utf8 = readEdifact(Buffer.from(interchange('7', 'Łódź').replace('UNOC', 'UNOD')));
    assert.deepEqual([ftxOf(utf8), codesOf(utf8)], ['Łódź', ['edifact-charset']]);
    for (const identifier of ['UNOX', 'UNOZ', 'KECA']) {
      assert.equal(ftxOf(readEdifact(named(identifier, 'plain'))), 'plain');
      assert.deepEqual(writeEdifact(readEdifact(named(identifier, 'plain'))), named(identifier, 'plain'));
    }
    thrown(UnreadableError, () => readEdifact(named('UNOX', '\xe9')));
  });

  it('has repeats in syntax version 4 only: before, the fifth character of UNA is a character of texts', () => {
    for (const [version, text] of [
      ['3', '2*3'],
      ['2', '2*3'],
      ['4', '2'],
    ]) {
      const payload = `UNA:+.?*'${interchange('7', '2*3').replace('UNOC:3', `UNOC:${version}`)}`;
      for (const read of readBoth(payload)) {
        assert.equal(ftxOf(read), text, version);
        for (const message of read.messages ?? [])
          for (const segment of Object.values(message).flat() as SegmentObject[]) delete segment.raw;
        assert.equal(String(writeEdifact(read)), payload);
      }
    }
    assert.equal(ftxOf(readEdifact(interchange('7', '2*3').replace('UNOC:3', 'UNOC:4'))), '2');
  });

  it('with NUL or Ctrl-Z around it is read and reported, also between interchanges', () => {
    const [one, two] = [interchange('7'), interchange('8')];
    for (const padded of [
      `${one}\0\0\0`,
      `${one}\r\n\x1a`,
      `\0${one}`,
      one.replace("'UNH", "'\0\0\0UNH"),
      `${one.slice(0, -1)}\x1a`,
    ]) {
      for (const read of readBoth(padded)) {
        assert.ok(codesOf(read).includes('edifact-padding'), JSON.stringify(padded));
        assert.equal(componentAt(read.UNZ?.[0], 2), '7');
      }
    }
    for (const joined of [`${one}\x1a${two}\x1a`, `${one}\0\0\r\n${UNA}${two}`]) {
      const parts = splitEdifact(joined);
      assert.equal(parts.join(''), joined);
      assert.deepEqual(
        parts.map((each) => componentAt(readEdifact(each).UNZ?.[0], 2)),
        ['7', '8'],
      );
    }
  });

  it('without an interchange is read, if each message is whole', () => {
    const bare = "UNH+1+MEDRPT:0:1:RT:NHS003'FTX+A+++X'UNT+3+1'\r\nUNH+2+MEDRPT'UNT+2+2'\r\n";
    for (const read of readBoth(bare)) {
      assert.equal(read.messages?.length, 2);
      assert.equal(read.UNB, undefined);
      assert.deepEqual(codesOf(read), ['edifact-no-interchange']);
    }
    thrown(UnreadableError, () => readEdifact("UNH+1+X'FTX+A'"));
    thrown(InvalidMessageError, () => writeEdifact({ messages: [{ UNH: [{ e1: '1' }] }] }));
  });

  it('of several interchanges is split into them, each with its own UNA', () => {
    const other =
      'UNA|*.! ~' + interchange('8').replaceAll(/[:+']/g, (char) => ({ ':': '|', '+': '*', "'": '~' })[char] ?? '');
    const parts = [`${UNA}\r\n${interchange('7', "it?'s UNB+X")}\r\n`, `${other}\n`, interchange('9')];
    for (const form of [parts.join(''), Buffer.from(`\uFEFF${parts.join('')}`)]) {
      const split = splitEdifact<string | Buffer>(form);
      assert.deepEqual(
        split.map((each) => componentAt(readEdifact(each).UNB?.[0], 5)),
        ['7', '8', '9'],
      );
    }
    assert.deepEqual(splitEdifact(interchange('7')), [interchange('7')]);
  });

  it('of any several interchanges loses nothing when it is split', () => {
    const text = fc.stringMatching(/^[ A-Za-z0-9.,UNB]{0,8}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), text), { minLength: 1, maxLength: 5 }), (made) => {
        const parts = made.map(([withUna, said], index) => (withUna ? UNA : '') + interchange(String(index), said));
        assert.deepEqual(splitEdifact(parts.join('')), parts);
      }),
    );
  });

  it('of several NHSACKs settles the worst, and keeps the others', () => {
    const nhsAck = (reference: string, rejected: Record<string, string>): string =>
      buildNhsAck(readEdifact(interchange(reference)), { controlReference: '1', rejected, now: new Date(0) });
    const { acknowledgement, furtherAcknowledgements } = parseAcknowledgement(
      nhsAck('7', {}) + nhsAck('8', { 1: 'no' }),
    );
    assert.deepEqual([acknowledgement?.acknowledges, acknowledgement?.code], ['8', 'IRA']);
    assert.deepEqual(
      furtherAcknowledgements?.map(({ acknowledges, code }) => [acknowledges, code]),
      [['7', 'IAF']],
    );
    const { request } = parseAcknowledgement(interchange('7') + interchange('8'));
    assert.deepEqual([request?.reference, request?.further?.[0]?.reference], ['7', '8']);
  });
});

describe('EDIFACT receipts', () => {
  const recep = (lines: string): string =>
    `UNB+UNOA:2+HA01+GP01+260401:1200+00000064++RECEP'UNH+00000064+RECEP:0:2:FH'BGM++600+243:202604011200:306+64'NHS+HA01:819:201+GP01:814:202'DTM+815:202604011200:306'${lines}UNT+9+00000064'UNZ+1+00000064'`;
  const contrl = (uci: string, more = ''): string =>
    `UNB+UNOA:3+HA01+GP01+260401:1200+65'UNH+1+CONTRL:D:3:UN'UCI+${uci}'${more}UNT+3+1'UNZ+1+65'`;

  it('are acknowledgements with their result, never requests', () => {
    const cases: Array<[string, string, string]> = [
      [recep("RFF+MIS:00000007 CP'RFF+RIS:00000007 OK:4'"), 'positive', '00000007 GP01'],
      [recep("RFF+MIS:00000007 CP'RFF+MIS:00000008 CA'RFF+RIS:00000007 OK:4'"), 'partial', '00000007 GP01'],
      [recep("RFF+MIS:00000007 CI'RFF+RIS:00000007 OK:4'"), 'negative', '00000007 GP01'],
      [recep("RFF+RIS:00000007 ER:4'"), 'negative', '00000007 GP01'],
      [recep("RFF+RIS:00000007 NA:0'"), 'negative', '00000007 GP01'],
      [contrl('77+GP01+HA01+8'), 'positive', '77 GP01'],
      [contrl('77+GP01+HA01+7', "UCM+1+X+4'"), 'partial', '77 GP01'],
      [contrl('77+GP01+HA01+4'), 'negative', '77 GP01'],
      [contrl('77+GP01+HA01+7', "UCF+5+GP01+HA01+4'"), 'partial', '77 GP01'],
      [contrl('77+GP01+HA01+7', "UCF+5+GP01+HA01+7'UCM+1+X+7'"), 'positive', '77 GP01'],
    ];
    for (const [payload, result, names] of cases) {
      const { acknowledgement, request } = parseAcknowledgement(payload);
      assert.equal(request, undefined);
      assert.deepEqual(
        [acknowledgement?.result, `${acknowledgement?.acknowledges} ${acknowledgement?.sender}`],
        [result, names],
      );
    }
    for (const payload of [recep("RFF+RIS:7 XX:4'"), recep(''), contrl('77+GP01+HA01+99')]) {
      assert.ok(parseAcknowledgement(payload).unreadableAcknowledgement);
    }
  });

  it('are a RECEP also where the message has the type of those that it acknowledges', () => {
    const ofType = (unb: string, lines: string): string =>
      recep(lines).replace('RECEP:0:2:FH', 'FHSREG:0:1:FH').replace("++RECEP'", unb);
    const lines = "RFF+MIS:00000007 CA'RFF+RIS:00000003 OK:4'";
    for (const unb of ["++RECEP+++EDIFACT TRANSFER'", "++RECEP'", "'"]) {
      const { acknowledgement, request } = parseAcknowledgement(ofType(unb, lines));
      assert.deepEqual(
        [acknowledgement?.acknowledges, acknowledgement?.result, request],
        ['00000003', 'negative', undefined],
        unb,
      );
    }
    assert.ok(parseAcknowledgement(ofType("++RECEP'", "RFF+MIS:00000007 CP'")).unreadableAcknowledgement);
    // A registration has references of its own.
    assert.ok(parseAcknowledgement(ofType("'", "RFF+950:F1'RFF+TN:101'")).request);
  });

  it('of one interchange are read whole: the worst counts, and what cannot be read is counted', () => {
    const message = (reference: string, code: string): string =>
      `UNH+${reference}+CONTRL:D:3:UN'UCI+${reference}+GP01+HA01+${code}'UNT+3+${reference}'`;
    const payload = `UNB+UNOA:3+HA01+GP01+260401:1200+65'${message('1', '8')}${message('2', '4')}${message('3', '99')}UNZ+3+65'`;
    const { acknowledgement, furtherAcknowledgements, unreadableCount } = parseAcknowledgement(payload);
    assert.deepEqual([acknowledgement?.acknowledges, acknowledgement?.result], ['2', 'negative']);
    assert.deepEqual(
      furtherAcknowledgements?.map(({ acknowledges, result }) => `${acknowledges} ${result}`),
      ['1 positive'],
    );
    assert.equal(unreadableCount, 1);
    // Two such interchanges in one payload.
    assert.equal(parseAcknowledgement(payload + payload).furtherAcknowledgements?.length, 3);
    assert.equal(parseAcknowledgement(payload + payload).unreadableCount, 2);
  });

  it('get no NHSACK', () => {
    for (const payload of [recep("RFF+RIS:00000007 OK:4'"), contrl('77+GP01+HA01+8')]) {
      thrown(InvalidMessageError, () => buildNhsAck(readEdifact(payload), { controlReference: '1', now: new Date() }));
      thrown(UnreadableError, () => readNhsAck(payload));
    }
  });
});
