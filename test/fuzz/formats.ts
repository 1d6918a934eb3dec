/** HL7 v2, EDIFACT and FHIR: what can be read round-trips; what cannot is an UnreadableError. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { InvalidMessageError, UnreadableError } from '../../lib/errors';
import { CHARSETS } from '../../lib/formats/charset';
import { readEdifact, writeEdifact } from '../../lib/formats/edifact/interchange';
import { fhirXmlToJson } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { acknowledgeHl7 } from '../../lib/formats/hl7/acknowledge';
import { readHl7, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import { edifactText, fhirPatient, fhirXmlText, hl7Text, mutated } from '../harness/arbitraries';
import { ADT, BUNDLE, MEDRPT, ORU, PATIENT } from './inputs';
import { target, unless, type Target } from './target';

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

export const FORMATS: Target[] = [
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
