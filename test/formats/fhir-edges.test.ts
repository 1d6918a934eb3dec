import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { UnreadableError } from '../../lib/errors';
import { encode } from '../../lib/formats/charset';
import { R4_PRIMITIVES, R4_TYPES } from '../../lib/formats/fhir/definitions-r4';
import { STU3_PRIMITIVES, STU3_TYPES } from '../../lib/formats/fhir/definitions-stu3';
import { fhirXmlToJson, fhirXmlToObject } from '../../lib/formats/fhir/from-xml';
import { validatePayload } from '../../lib/formats/fhir/profiles/validate-payload';
import { convertByRelease, statedRelease } from '../../lib/formats/fhir/release';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import type { Tolerated } from '../../lib/formats/tolerated';
import { thrown } from '../harness/failure';

const NS = 'xmlns="http://hl7.org/fhir"';
const patient = (content: object): Record<string, unknown> => ({ resourceType: 'Patient', ...content });

/** Converts to XML and back; returns the object and the codes of what was tolerated. */
function roundTrip(resource: Record<string, unknown>): [Record<string, unknown>, string[]] {
  const codes: string[] = [];
  const onTolerated = (found: readonly Tolerated[]): void => void codes.push(...found.map(({ code }) => code));
  const { resourceType: _type, ...rest } = fhirXmlToObject(fhirJsonToXml(resource, { onTolerated }));
  return [rest, codes];
}

describe('a boolean or number of JSON', () => {
  it('is refused where its XML could not be read back, and taken in quotes', () => {
    const bad: Array<[string, unknown]> = [
      ['active', 'yes'],
      ['active', 1],
      ['active', ''],
      ['multipleBirthInteger', 'two'],
      ['multipleBirthInteger', '01'],
      ['multipleBirthInteger', true],
      ['multipleBirthInteger', ''],
    ];
    for (const [name, value] of bad) {
      const { message } = thrown(UnreadableError, () => fhirJsonToXml({ resourceType: 'Patient', [name]: value }));
      assert.match(message, new RegExp(`The FHIR element ${name} does not have the type`));
    }
    const quoted = fhirJsonToXml({ resourceType: 'Patient', active: 'true', multipleBirthInteger: '2' });
    assert.deepEqual(fhirXmlToObject(quoted), { resourceType: 'Patient', active: true, multipleBirthInteger: 2 });
  });
});

describe('the definitions of FHIR', () => {
  /** SHA-256 of what scripts/fhir-definitions.ts has generated from HL7's schemas. */
  const GENERATED = {
    STU3: '4e3f1fb3b44bb96923e0c89b96d2f856fc929d30c3e62fbf95d23abe645ce585',
    R4: 'f1f7c378d097dc2105b50a5db9af26e9b4111287d235c083d3845b185b820118',
  };

  it('are as they were generated: no name in them was ever changed by hand, nor by a tool that renames', () => {
    const digest = (primitives: string, types: readonly string[]): string =>
      createHash('sha256')
        .update([primitives, ...types].join('\n'))
        .digest('hex');
    const found = { STU3: digest(STU3_PRIMITIVES, STU3_TYPES), R4: digest(R4_PRIMITIVES, R4_TYPES) };
    assert.deepEqual(found, GENERATED, 'generate them again: scripts/fhir-definitions.ts');
  });

  it('know every answer of a questionnaire’s condition, in both releases', () => {
    for (const release of ['STU3', 'R4'] as const) {
      const answerReference = { reference: 'Patient/1' };
      const item = [{ linkId: '1', type: 'group', enableWhen: [{ question: '2', answerReference }] }];
      const resource = { resourceType: 'Questionnaire', status: 'active', item };
      assert.deepEqual(fhirXmlToObject(fhirJsonToXml(resource, { release }), { release }), resource);
    }
  });
});

describe('FHIR at the edge', () => {
  it('leaves empty elements out, whatever they are, and reports it', () => {
    const cases: Array<[object, object]> = [
      [{ maritalStatus: {} }, {}],
      [{ maritalStatus: null, active: null }, {}],
      [{ name: [{}, { family: 'A' }] }, { name: [{ family: 'A' }] }],
      [{ name: [null, { family: 'A' }, { period: {} }] }, { name: [{ family: 'A' }] }],
      [{ name: [{ given: [null, 'B'] }] }, { name: [{ given: ['B'] }] }],
      [{ _active: {} }, {}],
      [{ contact: [{ name: { period: { _start: {} } } }] }, {}],
    ];
    for (const [content, expected] of cases) {
      const [read, codes] = roundTrip(patient(content));
      assert.deepEqual(read, expected, JSON.stringify(content));
      assert.deepEqual(codes, ['fhir-empty'], JSON.stringify(content));
    }
    assert.deepEqual(roundTrip(patient({ name: [], active: true })), [{ active: true }, []]);
  });

  it('keeps values and extensions of an array in their places when it leaves an empty one out of both', () => {
    const extension = (valueCode: string) => ({ extension: [{ url: 'http://example.org/e', valueCode }] });
    const [read, codes] = roundTrip(
      patient({ name: [{ given: ['A', null, null, 'D'], _given: [null, extension('b'), {}, extension('d')] }] }),
    );
    assert.deepEqual(read['name'], [{ given: ['A', null, 'D'], _given: [null, extension('b'), extension('d')] }]);
    assert.deepEqual(codes, ['fhir-empty']);
  });

  it('leaves empty elements of XML out, too, and reports it', () => {
    const tolerated: Tolerated[] = [];
    const xml = `<Patient ${NS}><active/><name/><name><given/><given value="B"/></name></Patient>`;
    const read = fhirXmlToObject(xml, { onTolerated: (found) => void tolerated.push(...found) });
    assert.deepEqual(read, patient({ name: [{ given: ['B'] }] }));
    assert.deepEqual(tolerated, [
      { code: 'fhir-empty', message: 'An element is empty, which FHIR does not allow. It was left out.', count: 3 },
    ]);
  });

  it('reports null where there should be an array, and extensions of nothing', () => {
    const cases: Array<[object, object]> = [
      [{ name: null }, {}],
      [{ name: [{ given: null, family: 'A' }] }, { name: [{ family: 'A' }] }],
      [{ name: [{ given: ['A'], _given: null }] }, { name: [{ given: ['A'] }] }],
      [{ active: true, _active: {} }, { active: true }],
      [{ name: [{ given: ['A'], _given: [{}] }] }, { name: [{ given: ['A'] }] }],
    ];
    for (const [content, expected] of cases) {
      assert.deepEqual(roundTrip(patient(content)), [expected, ['fhir-empty']], JSON.stringify(content));
    }
    assert.deepEqual(roundTrip(patient({ name: [{ given: ['A', 'B'], _given: [null, { id: 'b' }] }] }))[1], []);
  });

  it('of XML is read in the character set that it has: UTF-16 with a mark or without, ISO 8859, UTF-8 that says UTF-16', () => {
    const xml = (encoding: string, name = 'Zoë Žižek €'): string =>
      `<?xml version="1.0" encoding="${encoding}"?><Patient ${NS}><name><family value="${name}"/></name></Patient>`;
    const read = (payload: Buffer): [unknown, string[]] => {
      const codes: string[] = [];
      const onTolerated = (found: readonly Tolerated[]): void => void codes.push(...found.map(({ code }) => code));
      return [(fhirXmlToObject(payload, { onTolerated })['name'] as Array<{ family: string }>)[0]?.family, codes];
    };
    const utf16 = Buffer.from(xml('UTF-16'), 'utf16le');
    const marked = Buffer.from(`\uFEFF${xml('utf-16')}`, 'utf16le');
    for (const payload of [utf16, marked, Buffer.from(utf16).swap16(), Buffer.from(marked).swap16()]) {
      assert.deepEqual(read(payload), ['Zoë Žižek €', []]);
    }
    assert.deepEqual(read(encode(xml('ISO-8859-15', 'Zoë Žižek €'), 'iso-8859-15')), ['Zoë Žižek €', []]);
    assert.deepEqual(read(encode(xml('windows-1252'), 'windows-1252')), ['Zoë Žižek €', []]);
    for (const encoding of ['utf-16', 'UTF-16LE']) {
      assert.deepEqual(read(Buffer.from(xml(encoding))), ['Zoë Žižek €', ['xml-charset']]);
    }
    thrown(UnreadableError, () => read(encode(xml('utf-16', 'Zoë'), 'iso-8859-1')));
    thrown(UnreadableError, () => read(Buffer.from(xml('EBCDIC-CP-US'))));
  });

  it('of JSON that is not UTF-8 is refused: its letters would be lost', () => {
    const json = JSON.stringify(patient({ name: [{ family: 'Grüße' }] }));
    assert.match(fhirJsonToXml(Buffer.from(json)), /Grüße/);
    for (const bytes of [Buffer.from(json, 'latin1'), Buffer.from(`\uFEFF${json}`, 'utf16le')]) {
      const { message, advice } = thrown(UnreadableError, () => fhirJsonToXml(bytes));
      assert.match(message, /bytes that are not UTF-8/);
      assert.match(advice ?? '', /write UTF-8/);
    }
  });

  it('of JSON with a key twice in one object is refused: all but the last value would be lost', () => {
    for (const json of [
      '{"resourceType":"Patient","active":true,"active":false}',
      '{"resourceType":"Patient","name":[{"family":"A"}],"gender":"male","name":[{"family":"B"}]}',
      '{"resourceType":"Patient","name":[{"family":"A","family":"A"}]}',
      '{"resourceType":"Patient","contained":[{"resourceType":"Patient","\\u0069d":"1","id":"2"}]}',
    ]) {
      assert.match(thrown(UnreadableError, () => fhirJsonToXml(json)).message, /a key twice in one object/, json);
    }
    const colons = patient({ name: [{ family: 'a:b', given: [':', '"::"'] }, {}], _active: { id: '{"a":1}' } });
    assert.match(fhirJsonToXml(JSON.stringify(colons)), /value="a:b"/);
  });

  it('names unknown keys, and quotes no others', () => {
    const error = thrown(UnreadableError, () =>
      fhirJsonToXml(patient({ name: [{ given_name: 'A', family2: 'B', 'Mr X': 1 }] })),
    );
    assert.match(error.message, /no given_name, family2, element in HumanName/);
    thrown(UnreadableError, () => fhirJsonToXml(patient({ comments: 'x' })));
  });

  it('ignores fhir_comments, wherever they stand, and reports it', () => {
    const comments = { fhir_comments: ['SMITH'] };
    const [read, codes] = roundTrip(
      patient({ ...comments, active: true, _active: comments, name: [{ ...comments, family: 'A' }] }),
    );
    assert.deepEqual(read, { active: true, name: [{ family: 'A' }] });
    assert.deepEqual(codes, ['fhir-comments']);
  });

  it('has the release that fhirVersion, its profiles or its elements say', () => {
    const profile = (url: string): object => patient({ meta: { profile: [url] } });
    const cases: Array<[object | string, string | undefined]> = [
      [profile('https://fhir.nhs.uk/STU3/StructureDefinition/CareConnect-Patient-1'), 'STU3'],
      [profile('https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect-Patient-1'), 'STU3'],
      [profile('https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient'), 'R4'],
      [profile('https://fhir.nhs.uk/England/StructureDefinition/England-Patient'), 'R4'],
      [
        `<Patient ${NS}><meta><profile value=" https://fhir.nhs.uk/STU3/StructureDefinition/X"/></meta></Patient>`,
        'STU3',
      ],
      [{ resourceType: 'CapabilityStatement', fhirVersion: '3.0.2' }, 'STU3'],
      [{ resourceType: 'CapabilityStatement', fhirVersion: '4.0.1' }, 'R4'],
      [{ resourceType: 'ImplementationGuide', fhirVersion: ['4.3.0'] }, 'R4B'],
      [`<CapabilityStatement ${NS}><fhirVersion value="5.0.0"/></CapabilityStatement>`, 'R5'],
      [{ resourceType: 'SubscriptionTopic' }, 'R4B'],
      [{ resourceType: 'ImagingSelection' }, 'R5'],
      [patient({}), undefined],
      [patient({ extension: [{ url: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Patient.x' }] }), undefined],
    ];
    for (const [payload, release] of cases) {
      const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
      assert.equal(statedRelease(text), release, text);
    }
  });

  it('does not have the release of a page that its narrative links to, or of a code system', () => {
    const xhtml = 'xmlns="http://www.w3.org/1999/xhtml"';
    for (const link of [
      '<a href="http://hl7.org/fhir/R5/patient.html">x</a>',
      "<a href='http://hl7.org/fhir/STU3/patient.html'>x</a>",
      '<img src = "http://hl7.org/fhir/R4B/x.png"/>',
      '<a href="https://fhir.nhs.uk/STU3/StructureDefinition/X">x</a>',
    ]) {
      const div = `<div ${xhtml}>${link}</div>`;
      for (const text of [JSON.stringify(patient({ text: { div } })), `<Patient ${NS}><text>${div}</text></Patient>`]) {
        assert.equal(statedRelease(text), undefined, text);
      }
    }
    const coding = { system: 'https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2', code: 'x' };
    assert.equal(statedRelease(JSON.stringify({ resourceType: 'MessageHeader', eventCoding: coding })), undefined);
    const r4 = `<MessageHeader ${NS}><eventCoding><system value="${coding.system}"/></eventCoding></MessageHeader>`;
    assert.equal(convertByRelease(r4, (release) => fhirXmlToObject(r4, { release })).release, 'R4');
  });

  it('is converted by that release, refused if that is R4B or R5, and doubted where both fit and differ', () => {
    const detect = (xml: string) => convertByRelease(xml, (release) => fhirXmlToObject(xml, { release }));
    const r4 = `<MessageHeader ${NS}><eventCoding><code value="x"/></eventCoding><source><endpoint value="y"/></source></MessageHeader>`;
    assert.deepEqual([detect(r4).release, detect(r4).isDoubtful], ['R4', false]);
    const stu3 = `<MessageHeader ${NS}><event><code value="x"/></event></MessageHeader>`;
    assert.deepEqual([detect(stu3).release, detect(stu3).isDoubtful], ['STU3', false]);
    const same = `<Patient ${NS}><active value="true"/></Patient>`;
    assert.deepEqual([detect(same).release, detect(same).isDoubtful], ['STU3', false]);
    // A code of an encounter's reason: one in STU3's referral, several in R4's. Both read it.
    const both = `<DocumentReference ${NS}><status value="current"/><category><text value="x"/></category></DocumentReference>`;
    const stu3Class = `<DocumentReference ${NS}><status value="current"/><class><text value="x"/></class></DocumentReference>`;
    assert.equal(detect(both).release, 'R4');
    assert.equal(detect(stu3Class).release, 'STU3');
    for (const newer of ['SubscriptionTopic', 'ImagingSelection']) {
      const { message } = thrown(UnreadableError, () => detect(`<${newer} ${NS}/>`));
      assert.match(message, /is FHIR R(?:4B|5), which is not supported here: STU3 and R4 are/);
    }
  });

  it('gives a narrative that inherits prefixes as JSON that is read back', () => {
    const xhtml = 'http://www.w3.org/1999/xhtml';
    for (const div of [
      `<div xmlns="${xhtml}"><h:p>a</h:p></div>`,
      `<div xmlns="${xhtml}"><p x:role="r" xml:lang="en">a</p></div>`,
      '<h:div><h:p x:role="r">a</h:p></h:div>',
      `<div xmlns="${xhtml}" xmlns:x="urn:own"><p x:role="r">a</p></div>`,
    ]) {
      const xml = `<Basic ${NS} xmlns:h="${xhtml}" xmlns:x="urn:x"><text><status value="empty"/>${div}</text><code><text value="x"/></code></Basic>`;
      const json = fhirXmlToJson(xml);
      assert.equal(fhirXmlToJson(fhirJsonToXml(json)), json, div);
    }
  });

  it('converts anything with empties to XML that comes back without them', () => {
    const given = fc.array(fc.constantFrom(null, 'A', 'B'), { maxLength: 4 });
    const extras = fc.array(fc.constantFrom(null, {}, { id: 'g' }), { maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(null), fc.record({ given, _given: extras })), { maxLength: 3 }),
        (name) => {
          const xml = fhirJsonToXml(patient({ name }));
          const once = fhirXmlToJson(xml);
          assert.equal(fhirXmlToJson(fhirJsonToXml(once)), once);
          assert.doesNotMatch(once, /\{\}|\[\]/);
          const values = name.flatMap((each) => each?.given ?? []).filter((each) => each !== null);
          assert.equal([...once.matchAll(/"[AB]"/g)].length, values.length);
        },
      ),
    );
  });
});

describe('a narrative', () => {
  const withDiv = (div: string): string => `<Patient ${NS}><text><status value="generated"/>${div}</text></Patient>`;

  it('that is not in the XHTML namespace is refused, since its text would be lost', () => {
    for (const div of ['<div>hello</div>', '<div xmlns="http://www.w3.org/1999/xhtm">hello</div>', '<div xmlns=""/>']) {
      const { message, advice } = thrown(UnreadableError, () => fhirXmlToJson(withDiv(div)));
      assert.match(message, /not in the XHTML namespace/);
      assert.match(advice ?? '', /xmlns=/);
    }
  });

  it('keeps its text where a prefix has the XHTML namespace', () => {
    const xml = withDiv('<x:div xmlns:x="http://www.w3.org/1999/xhtml">hello <x:b>you</x:b></x:div>');
    assert.match(fhirXmlToJson(xml), /hello <b>you<\/b>/);
  });
});

describe('half of a character', () => {
  it('at the end of XML, or anywhere in it, is refused, and in a narrative is a fault of it', async () => {
    const whole = `<Patient ${NS}><id value="p1"/></Patient>`;
    for (let at = 0; at <= whole.length; at += 1) {
      for (const half of ['\ud800', '\udc00']) {
        thrown(UnreadableError, () => fhirXmlToJson(whole.slice(0, at) + half));
        thrown(UnreadableError, () => fhirXmlToJson(whole.slice(0, at) + half + whole.slice(at)));
      }
    }
    const text = { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">a<!\ud800` };
    const payload = patient({ text });
    const { valid } = await validatePayload({ payload, release: 'R4', sources: [], profiles: [] });
    assert.equal(valid, false);
  });
});
