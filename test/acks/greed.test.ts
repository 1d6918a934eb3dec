/** Hostile payloads of four times the size take about four times as long to look into, and a bounded time in all. */
import assert from 'node:assert/strict';
import { parseAcknowledgement } from '../../lib/acks/parse-acknowledgement';
import { UnreadableError } from '../../lib/index';
import { parseXml } from '../../lib/formats/xml';
import { countUpTo } from '../../lib/formats/limits';
import { thrown } from '../harness/failure';

const XML = '<Bundle xmlns="http://hl7.org/fhir"><MessageHeader>';
const END = '</MessageHeader></Bundle>';
const HL7 = 'MSH|^~\\&|A|B|||||ACK|1|P|2.4\r';

/** Each repeats its second part; the third ends it. */
const PAYLOADS: Record<string, readonly [string, string, string]> = {
  'brackets in CDATA': [`${XML}<![CDATA[`, ']', `]]>${END}`],
  'brackets and letters in CDATA': [`${XML}<![CDATA[`, ']x', `]]>${END}`],
  'CDATA without an end': [`${XML}<![CDATA[`, ']] ', ''],
  'CDATA sections': [XML, '<![CDATA[]]]>', END],
  'brackets in text': [XML, ']', END],
  'a comment of hyphens': [`${XML}<!--`, '- ', `-->${END}`],
  references: [XML, '&amp;', END],
  'empty elements': [XML, '<a/>', END],
  attributes: [`${XML}<a b="`, '&lt;', `"/>${END}`],
  narratives: [XML, '<div xmlns="http://www.w3.org/1999/xhtml"/>', END],
  'line ends': [XML, '\r\n', END],
  'JSON in brackets': ['{"MessageHeader":', '[', ''],
  'HL7 acknowledgements': [HL7, 'MSA|AA|1\r', ''],
  'HL7 fields': [HL7, '|', ''],
  'HL7 components': [`${HL7}PID|`, '^&~', ''],
  'HL7 escapes': [`${HL7}PID|`, '\\F\\', ''],
  'HL7 batches': ['FHS|^~\\&|A\r', 'BHS|^~\\&|\r', ''],
  'HL7 lines of two characters': [HL7, 'A\n', ''],
  'EDIFACT segments': ["UNB+UNOC:3+A+B+1+2'", "A'", ''],
  'EDIFACT messages': ["UNB+UNOC:3+A+B+1+2'", "UNH+1+NHSACK:0'UNT+2+1'", "UNZ+1+2'"],
  'EDIFACT elements': ["UNB+UNOC:3+A+B+1+2'", '+', ''],
  'EDIFACT release characters': ["UNA:+.? 'UNB+", '?', ''],
  'EDIFACT with its own terminator': ['UNA:+.? ~UNB+UNOC:3+A+B+1+2~', 'A~', ''],
};

/** The CPU time of the fastest of three runs: other processes do not count. */
function millisecondsFor([begin, part, end]: readonly [string, string, string], bytes: number): number {
  const payload = Buffer.from(begin + part.repeat(Math.ceil(bytes / part.length)) + end);
  const times = [1, 2, 3].map(() => {
    const began = process.cpuUsage();
    parseAcknowledgement(payload);
    return process.cpuUsage(began).user / 1000;
  });
  return Math.min(...times);
}

describe('looking into a hostile payload', function () {
  this.timeout(60_000);

  for (const [what, payload] of Object.entries(PAYLOADS)) {
    it(`of ${what} takes time in proportion to its size`, () => {
      const [one, four] = [millisecondsFor(payload, 500_000), millisecondsFor(payload, 2_000_000)];
      // Quadratic work takes 16 times as long; below 400 ms, the compiler and the garbage collector decide.
      assert.ok(four < 400 || four <= one * 10, `${one} ms, then ${four} ms`);
    });
  }

  it('counts no further than it has to', () => {
    assert.equal(countUpTo(']'.repeat(10), ']', 4), 4);
    assert.equal(countUpTo(Buffer.from('a]b]'), ']', 4), 2);
  });

  it('refuses CDATA with more brackets than a real document has, and reads a real one', () => {
    const error = thrown(UnreadableError, () => parseXml(`${XML}<![CDATA[${']'.repeat(100_001)}]]>${END}`));
    assert.match(error.message, /CDATA/);
    assert.equal(parseXml(`${XML}<![CDATA[{"a":[[1]]}]]>${END}`).children[0]?.hasText, true);
    assert.equal(parseXml(`${XML}${']'.repeat(200_000)}${END}`).children[0]?.hasText, true);
  });

  it('does not parse more segments than an interchange of many reports has', () => {
    const message = (segments: number): string => `${HL7}MSA|AA|1\r${'NTE\r'.repeat(segments)}`;
    assert.ok(parseAcknowledgement(message(20_000)).acknowledgement);
    assert.deepEqual(parseAcknowledgement(message(200_100)), {});
  });
});
