import assert from 'node:assert/strict';
import { buildHl7Ack } from '../../lib/formats/hl7/acknowledge';
import { readHl7Header, readMsa, type Hl7Header } from '../../lib/formats/hl7/header';
import { charsetOf, decodeHl7Text, encodeHl7Text } from '../../lib/mllp/charset';
import { MllpMessageError } from '../../lib/mllp/errors';
import { thrown } from '../harness/failure';

const TIME = new Date('2026-01-15T09:30:00Z');
const MESSAGE = Buffer.from(
  'MSH|^~\\&|PAS|X26|EPR|X27|20260115093000||ADT^A01^ADT_A01|EX00001|P|2.4|||AL|NE|GBR|8859/1\rPID|1\r',
);

const header = (text: string): Hl7Header | undefined => readHl7Header(Buffer.from(text, 'latin1'));

describe('the MSH of a message', () => {
  it('is read by its own separators', () => {
    assert.deepEqual(readHl7Header(MESSAGE), {
      separator: '|',
      encoding: '^~\\&',
      sendingApplication: 'PAS',
      sendingFacility: 'X26',
      receivingApplication: 'EPR',
      receivingFacility: 'X27',
      messageTime: '20260115093000',
      messageType: 'ADT^A01^ADT_A01',
      controlId: 'EX00001',
      processingId: 'P',
      version: '2.4',
      charset: '8859/1',
    });
    assert.equal(header('MSH#*~\\&#A#B#C#D#1##ADT*A01#77#P#2.3')?.controlId, '77');
  });

  it('may have line breaks before it, end with LF, or be cut short', () => {
    assert.equal(header('\r\nMSH|^~\\&|A|B|C|D|1||ADT|9|P|2.4\nPID|1')?.controlId, '9');
    assert.equal(header('MSH|^~\\&|A')?.controlId, '');
  });

  it('is missing from anything else', () => {
    for (const text of ['', 'MSH', 'FHS|^~\\&|', 'hello', '{"MSH":1}']) assert.equal(header(text), undefined, text);
  });
});

describe('an acknowledgement', () => {
  const built = (
    code: 'AA' | 'AE',
    text?: string,
    request: Hl7Header | null | undefined = readHl7Header(MESSAGE),
  ): string =>
    buildHl7Ack(request ?? undefined, {
      code,
      ...(text !== undefined && { text }),
      controlId: 'ID',
      now: TIME,
    }).toString('latin1');

  it('exchanges sender and receiver, and refers to MSH-10', () =>
    assert.equal(
      built('AA'),
      'MSH|^~\\&|EPR|X27|PAS|X26|20260115093000+0000||ACK^A01|ID|P|2.4||||||8859/1\rMSA|AA|EX00001\r',
    ));

  it('has its text on one line, escaped, in the character set of the message', () => {
    assert.match(
      built('AE', 'a|b^c~d\\e&f\r\nMSA|AA|X'),
      /\rMSA\|AE\|EX00001\|a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f MSA\\F\\AA\\F\\X\r$/,
    );
    assert.match(built('AE', 'zurück 李'), /zurück \?\r$/);
  });

  it('has the message’s own separators, and keeps the bytes of its names', () => {
    const request = header('MSH#*~\\&#S\u00fc#B#C#D#1##ADT*A01#77#T#2.3');
    assert.equal(
      built('AA', undefined, request),
      'MSH#*~\\&#C#D#S\u00fc#B#20260115093000+0000##ACK*A01#ID#T#2.3\rMSA#AA#77\r',
    );
  });

  it('can be built for something that has no MSH', () =>
    assert.match(built('AE', 'no', null), /^MSH\|\^~\\&\|\|\|\|\|.*\|\|ACK\|ID\|P\|2\.4\rMSA\|AE\|\|no\r$/));

  it('is read back', () =>
    assert.deepEqual(readMsa(buildHl7Ack(readHl7Header(MESSAGE), { code: 'AR', text: 'no' })), {
      code: 'AR',
      controlId: 'EX00001',
      text: 'no',
    }));

  it('has a new control id each time', () => {
    const id = (): string | undefined => readHl7Header(buildHl7Ack(undefined, { code: 'AA' }))?.controlId;
    assert.match(id() ?? '', /^[0-9A-F]{20}$/);
    assert.notEqual(id(), id());
  });

  it('is not found in a message without MSA', () => assert.equal(readMsa(MESSAGE), undefined));
});

describe('the character set', () => {
  it('is the one in MSH-18, else the default', () => {
    assert.equal(charsetOf('UNICODE UTF-8', 'iso-8859-1'), 'utf-8');
    assert.equal(charsetOf('8859/1', 'utf-8'), 'iso-8859-1');
    assert.equal(charsetOf('8859/15~ISO IR87', 'utf-8'), 'iso-8859-15');
    for (const name of ['', 'ASCII', 'ISO IR87', '8859/12', 'KLINGON'])
      assert.equal(charsetOf(name, 'utf-8'), 'utf-8', name);
  });

  it('8859/1 is the real one: every byte comes back', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    assert.deepEqual(encodeHl7Text(decodeHl7Text(bytes, '8859/1', 'utf-8'), '8859/1', 'utf-8'), bytes);
  });

  it('decodes and encodes text the same way', () => {
    for (const charset of ['UNICODE UTF-8', '8859/15', 'WINDOWS-1252']) {
      assert.equal(decodeHl7Text(encodeHl7Text('Zoë €', charset, 'utf-8'), charset, 'utf-8'), 'Zoë €', charset);
    }
  });

  it('is not guessed: bytes and characters that it does not have are errors', () => {
    const wrong = thrown(MllpMessageError, () =>
      decodeHl7Text(Buffer.from('Zo\u00eb', 'latin1'), 'UNICODE UTF-8', 'utf-8'),
    );
    assert.doesNotMatch(wrong.message + wrong.advice, /Zo/);
    const missing = thrown(MllpMessageError, () => encodeHl7Text('李', '8859/1', 'utf-8'));
    assert.doesNotMatch(missing.message + missing.advice, /李/);
  });
});
