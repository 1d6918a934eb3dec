/** HL7 v2, EDIFACT and FHIR: what can be read round-trips; what cannot is an UnreadableError. */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { CHARSETS } from '../../lib/formats/charset';
import { splitEdifact } from '../../lib/formats/edifact/split';
import { readEdifact, writeEdifact } from '../../lib/formats/edifact/interchange';
import { fhirXmlToJson } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { splitHl7 } from '../../lib/formats/hl7/batch';
import { CHARSET_RULES } from '../../lib/formats/hl7/charset';
import { unwrapItk2 } from '../../lib/formats/itk2/envelope';
import { roundTrips } from '../../lib/formats/round-trip';
import { parseXml } from '../../lib/formats/xml';
import { acknowledgeHl7 } from '../../lib/formats/hl7/acknowledge';
import { readHl7, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import { edifactText, fhirPatient, fhirXmlText, hl7Text, mutated } from '../harness/arbitraries';
import { ADT, BUNDLE, MEDRPT, ORU, PATIENT } from './inputs';
import { MARK, target, unless, type Target } from './target';

const object = fc.object({
  key: fc.constantFrom(
    'MSH',
    'PID',
    'f1',
    'f2',
    'f3',
    'c1',
    's1',
    'raw',
    'UNB',
    'messages',
    'e1',
    'charset',
    '__proto__',
  ),
});
const release = fc.constantFrom('STU3' as const, 'R4' as const);

/** Texts, each to be used as it is or as bytes of a character set. */
const asText = <Input>(texts: fc.Arbitrary<Input>): fc.Arbitrary<[Input, 'text' | 'utf8' | 'latin1' | 'utf16le']> =>
  fc.tuple(texts, fc.constantFrom('text', 'text', 'utf8', 'latin1', 'utf16le'));

/** Payloads of several messages or interchanges, bare messages, and other ways of writing UNA. */
const hl7File = fc
  .array(
    fc.oneof(
      fc.constantFrom('BHS|^~\\&|A\r', 'FHS|^~\\&|A\n', 'BTS|2\r', 'FTS|1', '\v', '\x1c\r', ADT, ORU),
      mutated(ADT),
    ),
    {
      maxLength: 8,
    },
  )
  .map((parts) => parts.join(''));
const edifactFile = fc
  .array(
    fc.oneof(
      fc.constantFrom(MEDRPT, '\r\n', '\uFEFF', "UNA:+.?'", 'UNA|*.! ~', "UNH+1+X'UNT+2+1'"),
      edifactText,
      mutated(MEDRPT),
    ),
    {
      maxLength: 5,
    },
  )
  .map((parts) => parts.join(''));

const ENVELOPE =
  '<i:DistributionEnvelope xmlns:i="urn:nhs-itk:ns:201005" xmlns:h="urn:hl7-org:v3"><i:header service="s" trackingid="t">' +
  '<i:manifest><i:manifestitem id="a" mimetype="text/xml"/><i:manifestitem id="b" mimetype="text/xml" base64="true" compressed="true"/>' +
  `</i:manifest></i:header><i:payloads><i:payload id="a"><h:ClinicalDocument><h:title>${MARK}</h:title></h:ClinicalDocument></i:payload>` +
  `<i:payload id="b">${gzipSync(PATIENT).toString('base64')}</i:payload></i:payloads></i:DistributionEnvelope>`;

/** Character sets as senders name them, and as no one does. */
const msh18 = fc.constantFrom(
  '',
  '""',
  '8859/1',
  '8859-15',
  'ISO 8859/9',
  'UNICODE UTF-8',
  'windows-1252',
  'ASCII',
  '8859/99',
  'x',
);

export const FORMATS: Target[] = [
  target(
    'formats: HL7 v2 in any declared character set, setting and rule round-trips byte for byte',
    fc.tuple(msh18, fc.constantFrom(...CHARSETS), fc.constantFrom(...CHARSET_RULES), fc.uint8Array({ maxLength: 60 })),
    [UnreadableError],
    ([declared, charset, charsetRule, bytes]) => {
      const head = Buffer.from(`MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.4||||||${declared}\rPID|||`);
      const payload = Buffer.concat([head, Buffer.from(bytes)]);
      const options = { charset, charsetRule };
      assert.deepEqual(writeHl7(readHl7(payload, options), options), payload);
    },
  ),
  target(
    'formats: an HL7 v2 file is split into its messages, and nothing is left out',
    asText(hl7File),
    [UnreadableError],
    ([text, as]) => {
      const payload = as === 'text' ? text : Buffer.from(text, as);
      const { messages, envelope } = splitHl7<string | Buffer>(payload);
      const bare = (parts: ReadonlyArray<string | Buffer>): string[] =>
        parts
          .map((part) => part.toString('latin1'))
          .join('')
          // What may be left out is white space and the blocks of MLLP.
          .replaceAll(/[\s\v\x1c]/g, '') // oxlint-disable-line no-control-regex -- MLLP's VT and FS
          .split('')
          .toSorted();
      assert.deepEqual(bare([...messages, envelope]), bare([payload]));
    },
  ),
  target(
    'formats: EDIFACT of several interchanges is split without loss',
    asText(edifactFile),
    [UnreadableError],
    ([text, as]) => {
      const payload = as === 'text' ? text : Buffer.from(text, as);
      const parts = splitEdifact<string | Buffer>(payload);
      assert.deepEqual(typeof payload === 'string' ? parts.join('') : Buffer.concat(parts as Buffer[]), payload);
      for (const part of parts)
        assert.deepEqual(unless(UnreadableError, () => writeEdifact(readEdifact(part))) ?? part, part);
    },
  ),
  target('formats: ITK2 envelopes', asText(mutated(ENVELOPE)), [UnreadableError], ([text, as]) => {
    for (const { content, isEncrypted } of unwrapItk2(as === 'text' ? text : Buffer.from(text, as)).payloads) {
      if (typeof content === 'string' && content.startsWith('<') && !isEncrypted) parseXml(content);
    }
  }),
  target(
    'formats: what nhs-mesh corpus tries throws nothing, changes nothing, and no reason quotes it',
    fc.oneof(
      fc.tuple(fc.constant('hl7' as const), fc.oneof(hl7File, hl7Text)),
      fc.tuple(fc.constant('edifact' as const), fc.oneof(edifactFile, edifactText)),
      fc.tuple(fc.constant('fhir' as const), fc.oneof(mutated(PATIENT, fhirXmlToJson(PATIENT)), fhirXmlText)),
    ),
    [],
    ([format, text]) => {
      for (const { outcome, reasons } of roundTrips(Buffer.from(text), { format })) {
        assert.notEqual(outcome, 'changed', JSON.stringify(reasons));
        assert.ok(!JSON.stringify(reasons).includes(MARK), 'a reason quotes the mark');
      }
    },
  ),
  target(
    'formats: HL7 v2 round-trips byte for byte',
    fc.tuple(asText(fc.oneof(hl7Text, mutated(ADT, ORU), fc.string({ unit: 'binary' }))), fc.constantFrom(...CHARSETS)),
    [UnreadableError],
    ([[text, as], charset]) => {
      const payload = as === 'text' ? text : Buffer.from(text, as);
      const message = readHl7(payload, { charset });
      assert.deepEqual(writeHl7(message), payload);
      const ack = unless(InvalidMessageError, () =>
        writeHl7(acknowledgeHl7(message, { code: 'AE', text: 'no', now: new Date(0) })),
      );
      if (ack !== undefined) assert.notEqual(readHl7(ack)['MSA'], undefined);
    },
  ),
  target('formats: HL7 v2 from any object', object, [InvalidMessageError], (made) => writeHl7(made as Hl7Message)),
  target(
    'formats: EDIFACT round-trips byte for byte',
    asText(fc.oneof(edifactText, mutated(MEDRPT), fc.string({ unit: 'binary' }))),
    [UnreadableError],
    ([text, as]) => {
      const payload = as === 'text' ? text : Buffer.from(text, as);
      assert.deepEqual(writeEdifact(readEdifact(payload)), payload);
    },
  ),
  target('formats: EDIFACT from any object', object, [InvalidMessageError], (made) => writeEdifact(made)),
  target(
    'formats: FHIR XML to JSON, back, and the same again',
    fc.tuple(asText(fc.oneof(mutated(PATIENT, BUNDLE), fhirXmlText, fc.string({ unit: 'binary' }))), release),
    [UnreadableError],
    ([[text, as], release]) => {
      const json = fhirXmlToJson(as === 'text' ? text : Buffer.from(text, as), { release });
      assert.equal(fhirXmlToJson(fhirJsonToXml(json, { release }), { release }), json);
    },
  ),
  target(
    'formats: FHIR JSON to XML, back, and the same again',
    fc.tuple(
      fc.oneof(
        fhirPatient.map((patient) => JSON.stringify(patient)),
        mutated(fhirXmlToJson(PATIENT), fhirXmlToJson(BUNDLE)),
        fc.json(),
      ),
      release,
    ),
    [UnreadableError],
    ([text, release]) => {
      const xml = fhirJsonToXml(text, { release });
      assert.equal(fhirJsonToXml(fhirXmlToJson(xml, { release }), { release }), xml);
    },
  ),
  target('formats: FHIR from any object', fc.object(), [UnreadableError], (made) => fhirJsonToXml(made)),
];
