import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { roundTrips, type RoundTrip, type RoundTripOptions } from '../../lib/formats/round-trip';
import { edifactText, fhirPatient, hl7Text } from '../harness/arbitraries';

const hl7 = (...lines: string[]): string => ['MSH|^~\\&|A|B|C|D|20260401||ORU^R01|M-1|P|2.4', ...lines, ''].join('\r');
const edifact = (...segments: string[]): string =>
  ["UNB+UNOC:3+A+B+260401:1200+1'", "UNH+1+X'", ...segments, "UNT+3+1'", "UNZ+1+1'"].join('');
const patient = (inside: string): string => `<Patient xmlns="http://hl7.org/fhir">${inside}</Patient>`;

const tripsOf = (text: string | Buffer, options: Partial<RoundTripOptions> = {}): RoundTrip[] => [
  ...roundTrips(typeof text === 'string' ? Buffer.from(text) : text, { format: 'hl7', ...options }),
];

/** The outcome of each message, and its reasons with their places. */
const seen = (text: string | Buffer, options: Partial<RoundTripOptions> = {}): string[] =>
  tripsOf(text, options).map(({ outcome, reasons }) =>
    [outcome, ...reasons.map(({ reason, place }) => `${reason} @ ${place}`)].join('; '),
  );

describe('a round trip of HL7 v2', () => {
  it('is equal when the values alone give the same bytes', () =>
    assert.deepEqual(seen(hl7('PID|||1^^^NHS', 'OBX|1|TX|A&B^C~D||x\\F\\y\\.br\\z')), ['equal']));

  it('is canonical in each way that the same values can be written, with its place', () => {
    const cases: Array<[string, string]> = [
      [hl7('PID|||1').replaceAll('\r', '\r\n'), 'line ends, blank lines and padding after segments @ segment 1 (MSH)'],
      [`\uFEFF${hl7('PID|||1')}`, 'white space, padding or a byte order mark before the message @ segment 1 (MSH)'],
      [hl7('PID|||1\r\n'), 'line ends, blank lines and padding after segments @ segment 2 (PID)'],
      [hl7('PID|||1^^^~^|||'), 'empty parts at the end of a field or segment @ segment 2 (PID)'],
      [hl7('PID|||1&^2|'), 'empty parts at the end of a field or segment @ segment 2 (PID)'],
      [hl7('PID|1', 'OBX|1|TX|||a\nb'), 'escape sequences, or line breaks within texts @ segment 3 (OBX)'],
      [hl7('PID|1', 'OBX|1|TX|||a\\b'), 'escape sequences, or line breaks within texts @ segment 3 (OBX)'],
    ];
    for (const [text, expected] of cases) assert.deepEqual(seen(text), [`canonical; ${expected}`], expected);
  });

  it('has several reasons, each once', () =>
    assert.deepEqual(seen(hl7('PID|||', 'NTE|1||a\nb', 'NTE|2||c\nd')), [
      'canonical; empty parts at the end of a field or segment @ segment 2 (PID); ' +
        'escape sequences, or line breaks within texts @ segment 3 (NTE)',
    ]));

  it('is made of each message of a batch, and of what encloses them', () => {
    const file = `BHS|^~\\&|A\r${hl7('PID|1')}${hl7('PID|||')}BTS|2\r`;
    assert.deepEqual(
      tripsOf(file).map(({ outcome }) => outcome),
      ['equal', 'equal', 'canonical'],
    );
  });

  it('is refused with the reader’s reason, as a class and a place', () => {
    assert.deepEqual(seen(hl7('PID|1', 'smith was here')), [
      'refused; segment n of the HL7 message has no segment name. @ segment 3'.replace('segment n', 'Segment n'),
    ]);
    assert.match(seen('SMITH')[0] ?? '', /^refused; The payload is not an HL7 v2 message/);
    const latin = Buffer.from(hl7('PID|||Zoë'), 'latin1');
    assert.match(
      seen(latin)[0] ?? '',
      /^refused; The message is not text in utf-8.*byte n \(segment n, PID\).* @ byte \d+$/,
    );
    assert.deepEqual(seen(latin, { charset: 'iso-8859-1' }), ['equal']);
  });

  it('is equal with thousands of components, and refused with more than a writer would write', () => {
    assert.deepEqual(seen(hl7(`PID|||${'^'.repeat(5000)}a`)), ['equal']);
    assert.deepEqual(seen(hl7(`PID|||${'^'.repeat(100_000)}a`)), [
      'refused; A part of an HL7 field has more than 99999 parts itself. @ ',
    ]);
  });

  it('says what was tolerated', () =>
    assert.deepEqual(
      tripsOf(hl7('PID|1\nOBX|1')).flatMap(({ tolerated }) => tolerated.map(({ code }) => code)),
      ['hl7-mixed-terminators'],
    ));
});

describe('a round trip of EDIFACT', () => {
  const options = { format: 'edifact' } as const;

  it('is equal, canonical or refused, for each interchange of a payload', () => {
    assert.deepEqual(seen(edifact("FTX+A+++it?'s'"), options), ['equal']);
    const cases: Array<[string, string]> = [
      [edifact("FTX+A'\r\n"), 'line ends, blank lines and padding after segments @ segment 3 (FTX)'],
      [edifact("FTX+A::+'"), 'empty parts at the end of a field or segment @ segment 3 (FTX)'],
      [edifact("F\nTX+A'"), 'escape sequences, or line breaks within texts @ segment 3 (FTX)'],
    ];
    for (const [text, expected] of cases) {
      assert.deepEqual(seen(edifact("BGM+1'") + text, options), ['equal', `canonical; ${expected}`], expected);
    }
    assert.match(
      seen(edifact("FTX+A'").replace(/'UNT.*$/, ''), options)[0] ?? '',
      /^refused; Segment n .* @ segment 3$/,
    );
  });

  it('needs no envelope, nor counts in the trailers', () => {
    assert.deepEqual(seen("UNH+1+X'FTX+A'UNT+3+1'", options), ['equal']);
    assert.deepEqual(seen("UNB+UNOC:3+A+B+1'UNH+1+X'UNT+'", options), ['equal']);
  });
});

describe('a round trip of FHIR', () => {
  const options = { format: 'fhir', release: 'R4' } as const;

  it('is equal for what we wrote, and canonical for other forms of it', () => {
    const mine = `<?xml version="1.0" encoding="UTF-8"?>${patient('<id value="1"/><active value="true"/>')}`;
    assert.deepEqual(seen(mine, options), ['equal']);
    assert.deepEqual(seen('{"resourceType":"Patient","id":"1"}', options), ['equal']);
    const xml = ['white space, comments, prefixes or order'];
    for (const [text, reason] of [
      [patient('\n <id value="1"/><!-- c -->'), xml[0]],
      [`<f:Patient xmlns:f="http://hl7.org/fhir"><f:id value='1'></f:id></f:Patient>`, xml[0]],
      [patient('<active value="true"/><id value="1"/>'), xml[0]],
      [patient('<birthDate value="2001-02-03"/><gender value="male"/><language value="en"/>'), xml[0]],
      ['{"id":"1", "resourceType":"Patient"}', 'white space, or the order of keys'],
      ['{"resourceType":"Patient","active":"true"}', 'white space, or the order of keys'],
      [
        '{"resourceType":"Patient","name":[{"given":["A","B"],"_given":[{"id":"x"}]}]}',
        'white space, or the order of keys',
      ],
    ] as const) {
      assert.deepEqual(seen(text, options), [`canonical; ${reason} @ `], text);
    }
  });

  it('leaves out what is empty, and says so', () => {
    const [trip] = tripsOf('{"resourceType":"Patient","name":[{},{"family":"A"}],"fhir_comments":["c"]}', options);
    assert.equal(trip?.outcome, 'canonical');
    assert.deepEqual(trip.tolerated.map(({ code }) => code).toSorted(), ['fhir-comments', 'fhir-empty']);
  });

  it('is refused with names of elements, and the line of XML that cannot be read', () => {
    assert.deepEqual(seen(patient('<nonsense value="SMITH"/>'), options), [
      'refused; FHIR R4 has no nonsense in Patient. @ ',
    ]);
    assert.deepEqual(seen('<Patient>\n<id>\n</Patient>', options), [
      'refused; The payload is not well-formed XML (line n). @ line 3',
    ]);
  });

  it('finds the release unless it is given', () => {
    const r4 =
      '{"resourceType":"Patient","meta":{"profile":["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"]}}';
    assert.deepEqual(seen(r4, { format: 'fhir' }), ['equal']);
  });
});

describe('a round trip of anything', () => {
  it('throws nothing, changes no value, and quotes nothing of it', () => {
    const made = (...pieces: string[]): fc.Arbitrary<string> =>
      fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((found) => found.join(''));
    const texts = made(
      '\\F\\',
      '\\S\\',
      '\\T\\',
      '\\R\\',
      '\\E\\',
      '\\X0D\\',
      '\\.br\\',
      '\\',
      'E',
      '&',
      '^',
      '~',
      '\n',
      'a',
      ' ',
    );
    const elements = made("?'", '?+', '?:', '??', '+', ':', '\n', 'a', ' ');
    const cases = fc.oneof(
      fc.tuple(
        fc.constant('hl7' as const),
        texts.map((text) => hl7(`OBX|1|TX|||${text}|`)),
      ),
      fc.tuple(
        fc.constant('edifact' as const),
        elements.map((text) => edifact(`FTX+${text}'`)),
      ),
      fc.tuple(fc.constant('hl7' as const), hl7Text),
      fc.tuple(fc.constant('edifact' as const), edifactText),
      fc.tuple(
        fc.constant('fhir' as const),
        fhirPatient.map((made) => JSON.stringify(made)),
      ),
    );
    fc.assert(
      fc.property(cases, ([format, text]) => {
        for (const { outcome, reasons } of tripsOf(text, { format })) {
          assert.notEqual(outcome, 'changed', JSON.stringify(reasons));
        }
      }),
      { numRuns: 500 },
    );
  });
});
