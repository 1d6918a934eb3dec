/**
 * Inputs for property tests and for `npm run test:fuzz`: fragments of the formats in any order, and damaged real
 * inputs.
 */
import * as fc from 'fast-check';

const joined = (pieces: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
  fc.array(pieces, { maxLength }).map((found) => found.join(''));

const HL7_PIECES = '|,^,~,\\,&,\r,\n,\r\n,\x1c,MSH|^~\\&|,PID|,OBX|1|,\\F\\,\\X0D\\'.split(',');
/** An HL7 v2 message made of fragments. */
export const hl7Text = joined(fc.oneof(fc.constantFrom(...HL7_PIECES), fc.string({ maxLength: 5 })), 40).map(
  (text) => `MSH|^~\\&|${text}`,
);

const EDIFACT_PIECES = ["UNH+1+X'", 'NAD+', "UNT+2+1'", "UNZ+1+1'", "UNG+1'", '+', ':', '?', "'", "?'", '\n', '*'];
/** An EDIFACT interchange made of fragments. */
export const edifactText = fc
  .tuple(
    fc.constantFrom('', "UNA:+.? '", 'UNA|*.! ~'),
    fc.constantFrom("UNB+UNOC:3+A'", "UNB+UNOW:4+A'"),
    joined(fc.oneof(fc.constantFrom(...EDIFACT_PIECES), fc.string({ maxLength: 5 })), 30),
  )
  .map((parts) => parts.join(''));

const XML_PIECES = [
  '<Patient xmlns="http://hl7.org/fhir">',
  '</Patient>',
  '<name>',
  '</name>',
  '<text>',
  '<div xmlns="http://www.w3.org/1999/xhtml">',
  '</div>',
  ' value="',
  '"',
  '<',
  '/>',
  '&amp;',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '<?',
  '?>',
  '<id value="1"/>',
];
/** FHIR XML made of fragments. */
export const fhirXmlText = joined(fc.oneof(fc.constantFrom(...XML_PIECES), fc.string({ maxLength: 4 })), 20);

const text = fc.string({ minLength: 1, unit: 'grapheme' });
const extension = fc.record({ url: text, valueString: text });
/** A Patient as JSON, with texts of any characters. */
export const fhirPatient = fc.record(
  {
    resourceType: fc.constant('Patient'),
    id: text,
    active: fc.boolean(),
    _active: fc.record({ extension: fc.array(extension, { minLength: 1, maxLength: 2 }) }),
    multipleBirthInteger: fc.integer(),
    name: fc.array(fc.record({ family: text, given: fc.array(text, { minLength: 1, maxLength: 3 }) }), {
      minLength: 1,
      maxLength: 2,
    }),
    extension: fc.array(fc.record({ url: text, valueDecimal: fc.double({ noNaN: true, noDefaultInfinity: true }) }), {
      minLength: 1,
      maxLength: 2,
    }),
  },
  { requiredKeys: ['resourceType'] },
);

/** Texts that have broken programs before. */
export const POISON: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  '\u0000',
  '\uFEFF',
  '\uD800',
  '\u202E',
  '\r\n',
  '../../etc/passwd',
  'CON',
  'NUL.txt',
  'COM1.',
  '<script>alert(1)</script>',
  '%00',
  '-1',
  '1e309',
  '9007199254740993',
  'x'.repeat(300),
  ' '.repeat(300),
];

/**
 * Real inputs with up to five faults: a part removed, replaced or repeated (up to 100,000 more characters), or a text
 * inserted.
 */
export function mutated(...seeds: string[]): fc.Arbitrary<string> {
  const put = fc.oneof(
    fc.constantFrom(...POISON),
    fc.string({ maxLength: 5 }),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );
  const fault = fc.record({
    at: fc.nat(2000),
    cut: fc.oneof({ weight: 3, arbitrary: fc.nat(20) }, fc.nat(2000)),
    put: fc.oneof({ weight: 3, arbitrary: put }, fc.constant('')),
    times: fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, fc.nat(50), fc.nat(50_000)),
  });
  const apply = (
    input: string,
    { at, cut, put, times }: { at: number; cut: number; put: string; times: number },
  ): string => {
    const start = at % (input.length + 1);
    const part = input.slice(start, start + cut);
    const again = part.repeat(Math.min(times, Math.floor(100_000 / (part.length + 1))));
    return (input.slice(0, start) + put + again + input.slice(times > 0 ? start : start + cut)).slice(0, 200_000);
  };
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(fault, { maxLength: 5 }))
    .map(([seed, faults]) => faults.reduce(apply, seed));
}
