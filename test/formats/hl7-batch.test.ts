import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { readableEnvelope, splitHl7 } from '../../lib/formats/hl7/batch';
import { readHl7, textAt } from '../../lib/formats/hl7/message';

const adt = (id: string, end = '\r', msh18 = '', name = 'X'): string =>
  [`MSH|^~\\&|A|B|C|D|2026||ADT^A01|${id}|P|2.4||||||${msh18}`, `PID|||||${name}`, ''].join(end);
const ack = (code: string, id: string): string => `MSH|^~\\&|C|D|A|B|2026||ACK|A${id}|P|2.4\rMSA|${code}|${id}\r`;
const idsOf = (messages: ReadonlyArray<string | Buffer>): string[] =>
  messages.map((message) => textAt(readHl7(message), 'MSH', 10));

describe('a batch of HL7 v2', () => {
  it('is split into its messages, with or without FHS and BHS, whatever ends the segments', () => {
    for (const end of ['\r', '\n', '\r\n']) {
      const messages = [adt('1', end), adt('2', end), adt('3', end)].join('');
      const enclosed = ['FHS|^~\\&|A', 'BHS|^~\\&|A', `${messages}BTS|3`, 'FTS|1', ''].join(end);
      for (const payload of [messages, enclosed]) {
        for (const form of [payload, Buffer.from(payload), `\uFEFF${payload}`, Buffer.from(`\uFEFF${payload}`)]) {
          const split = splitHl7<string | Buffer>(form);
          assert.deepEqual(idsOf(split.messages), ['1', '2', '3']);
          assert.deepEqual(split.tolerated, []);
        }
      }
      const { envelope } = splitHl7(enclosed);
      assert.equal(envelope, ['FHS|^~\\&|A', 'BHS|^~\\&|A', 'BTS|3', 'FTS|1', ''].join(end));
    }
  });

  it('of one message without an envelope is that message, untouched', () => {
    for (const payload of [adt('1'), `\v${adt('1')}\x1c\r`, 'no HL7', '']) {
      assert.deepEqual(splitHl7(payload), { messages: [payload], envelope: '', tolerated: [] });
    }
  });

  it('of several MLLP blocks has no block characters in its messages', () => {
    const { messages } = splitHl7(`\v${adt('1')}\x1c\r\v${adt('2')}\x1c\r`);
    assert.deepEqual(messages, [adt('1'), adt('2')]);
  });

  it('may have another character set and terminator in each message', () => {
    const payload = Buffer.concat([
      Buffer.from(adt('1', '\r', '8859/1', 'Zoë'), 'latin1'),
      Buffer.from(adt('2', '\n', 'UNICODE UTF-8', 'Ünïcödé'), 'utf8'),
      Buffer.from(adt('3', '\r\n', '8859/15', 'à la\ncarte'), 'latin1'),
    ]);
    const read = splitHl7(payload).messages.map((message) => textAt(readHl7(message), 'PID', 5));
    assert.deepEqual(read, ['Zoë', 'Ünïcödé', 'à la\ncarte']);
  });

  it('that says another count is reported', () => {
    const { tolerated } = splitHl7(`BHS|^~\\&|A\r${adt('1')}${adt('2')}BTS|3\rBHS|^~\\&|A\r${adt('3')}BTS|1\r`);
    assert.deepEqual(tolerated, [
      { code: 'hl7-batch-count', message: 'A batch has 1 messages fewer than its BTS says.', count: 1 },
    ]);
  });

  it('takes time in proportion to its size, whatever white space it has', () => {
    const began = process.cpuUsage();
    for (const space of ['\n', ' ', '\r ', '\x1c']) splitHl7(`${adt('1')}NTE|1||${space.repeat(200_000)}a\r`);
    const { user } = process.cpuUsage(began);
    assert.ok(user < 3_000_000, `${user} µs`);
  });

  it('that has only an end has its messages read, and is reported', () => {
    for (const end of ['BTS|2\r', 'FTS|1\r', 'BTS|2\rFTS|1\r']) {
      for (const payload of [adt('1') + adt('2') + end, Buffer.from(`\uFEFF${adt('1')}${adt('2')}${end}`)]) {
        const split = splitHl7<string | Buffer>(payload);
        assert.deepEqual(idsOf(split.messages), ['1', '2']);
        assert.deepEqual(
          split.tolerated.map(({ code }) => code),
          ['hl7-batch-header'],
        );
        assert.equal(readableEnvelope(split), undefined);
      }
    }
    assert.equal(readableEnvelope(splitHl7(`BHS|^~\\&|A\r${adt('1')}`)), 'BHS|^~\\&|A\r');
  });

  it('keeps every byte: its messages and its envelope are the payload', () => {
    const piece = fc.constantFrom(
      adt('1'),
      adt('2', '\n'),
      adt('3', '\r\n'),
      'BHS|^~\\&|A\r',
      'BTS|1\r',
      'FHS|^~\\&|A\r',
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const { messages, envelope } = splitHl7(pieces.join(''));
        const isMessage = (each: string): boolean => each.startsWith('MSH');
        if (!pieces.some(isMessage)) return;
        assert.deepEqual(messages, pieces.filter(isMessage));
        assert.equal(envelope, pieces.filter((each) => !isMessage(each)).join(''));
      }),
    );
  });

  it('with segments outside its messages keeps them with what encloses these, and reports it', () => {
    for (const payload of [
      `FHS|^~\\&|C\r${adt('M-1')}FTS|1\rOBX|1|TX|A||late\r`,
      `BHS|^~\\&|C\rNTE|1||first\r${adt('M-1')}BTS|1\r`,
    ]) {
      const { messages, envelope, tolerated } = splitHl7(payload);
      assert.deepEqual(messages, [adt('M-1')]);
      assert.match(envelope, /OBX\|1\|TX\|A\|\|late|NTE\|1\|\|first/);
      assert.deepEqual(
        tolerated.map(({ code }) => code),
        ['hl7-batch-outside'],
      );
    }
  });

  it('of acknowledgements is read whole: the worst counts, and the others are kept', () => {
    for (const enclosed of [false, true]) {
      const acks = ack('AA', 'M-1') + ack('AE', 'M-2') + ack('AA', 'M-3');
      const payload = enclosed ? `FHS|^~\\&|C\rBHS|^~\\&|C\r${acks}BTS|3\rFTS|1\r` : acks;
      const { acknowledgement, furtherAcknowledgements = [] } = parseAcknowledgement(Buffer.from(payload));
      assert.deepEqual([acknowledgement?.acknowledges, acknowledgement?.result], ['M-2', 'negative']);
      assert.deepEqual(
        furtherAcknowledgements.map(({ acknowledges, result }) => `${acknowledges} ${result}`),
        ['M-1 positive', 'M-3 positive'],
      );
    }
  });

  it('of acknowledgements of which some cannot be read, or of too many, says how many', () => {
    const some = ack('AA', 'M-1') + ack('XX', 'M-2') + ack('AA', 'M-3');
    assert.equal(parseAcknowledgement(some).unreadableCount, 1);
    const many = Array.from({ length: 2003 }, (_, index) => ack('AA', `M-${index}`)).join('');
    const { furtherAcknowledgements, unreadableCount } = parseAcknowledgement(many);
    assert.deepEqual([furtherAcknowledgements?.length, unreadableCount], [1999, 3]);
    assert.equal(parseAcknowledgement(ack('AA', 'M-1') + ack('AA', 'M-2')).unreadableCount, undefined);
  });

  it('of requests is kept whole, to be acknowledged together', () => {
    const { request } = parseAcknowledgement(`BHS|^~\\&|A\r${adt('M-1')}${adt('M-2')}BTS|2\r`);
    assert.deepEqual([request?.reference, request?.further?.[0]?.reference], ['M-1', 'M-2']);
  });
});
