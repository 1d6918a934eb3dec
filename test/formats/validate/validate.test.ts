import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Profile, ValidationIssue } from '../../../lib/formats/fhir/validate/types';
import { validate } from '../../../lib/formats/fhir/validate/validate';
import { definitions, HL7, type Line, profile } from './definitions';

type Json = Record<string, unknown>;

const issuesOf = (resource: unknown, profiles: readonly Profile[] = [], demanded: string[] = []): ValidationIssue[] =>
  validate(resource, definitions(...profiles), { profiles: demanded }).issues;

/** Errors as `rule path`. */
const errors = (resource: unknown, ...profiles: Profile[]): string[] =>
  issuesOf(
    resource,
    profiles,
    profiles.filter(({ type }) => type === (resource as Json)['resourceType']).map(({ url }) => url),
  )
    .filter(({ severity }) => severity === 'error')
    .map(({ rule, path }) => `${rule} ${path}`);

const warnings = (resource: unknown, ...profiles: Profile[]): string[] =>
  issuesOf(resource, profiles)
    .filter(({ severity }) => severity === 'warning')
    .map(({ rule, path }) => `${rule} ${path}`);

const patient = (extra: Json = {}): Json => ({ resourceType: 'Patient', ...extra });

describe('FHIR validation: structure', () => {
  it('refuses what is no resource', () => {
    for (const value of [undefined, null, 1, 'text', [], {}, { resourceType: 7 }, { resourceType: 'Element' }]) {
      deepEqual(errors(value ?? {}), ['unknown-resource ']);
    }
  });

  it('accepts a resource that its definition allows', () => {
    const resource = patient({
      id: 'p-1',
      active: true,
      name: [{ use: 'official', family: 'Sample', given: ['Ann', null], _given: [null, { id: 'g' }] }],
      birthDate: '1980-02-29',
      deceasedDateTime: '2020-01-01T10:00:00+01:00',
      contact: [{ name: { family: 'Other' } }],
    });
    deepEqual(issuesOf(resource), []);
  });

  const faults: ReadonlyArray<[string, Json, string[]]> = [
    ['an unknown element', { birthdate: '1980' }, ['unknown-element Patient']],
    ['an unknown element within', { name: [{ lastName: 'S' }] }, ['unknown-element Patient.name[0]']],
    ['an unknown choice', { deceasedString: 'x' }, ['unknown-element Patient']],
    ['a single value where a list belongs', { name: { family: 'S' } }, ['form Patient']],
    ['a list where a single value belongs', { birthDate: ['1980'] }, ['form Patient']],
    ['an empty list', { name: [] }, ['form Patient']],
    ['an empty object', { name: [{}] }, ['ele-1 Patient.name[0]']],
    ['null', { birthDate: null }, ['form Patient']],
    ['null in a list', { name: [null] }, ['form Patient']],
    ['a list in a list', { name: [[{ family: 'S' }]] }, ['form Patient']],
    [
      'extensions beside a list that are no list',
      { name: [{ family: 'S', given: ['A'], _given: { id: 'g' } }] },
      ['form Patient.name[0]'],
    ],
    ['what stands beside a value and is no object', { birthDate: '1980', _birthDate: 'x' }, ['form Patient']],
    ['a text where an object belongs', { name: ['Sample'] }, ['type Patient.name[0]']],
    ['an object where a text belongs', { birthDate: { year: 1980 } }, ['value Patient.birthDate']],
    ['a text for a boolean', { active: 'true' }, ['value Patient.active']],
    ['two of a choice', { deceasedBoolean: true, deceasedDateTime: '2020' }, ['cardinality Patient']],
    ['an id that is none', { id: 'a b' }, ['value Patient.id']],
    [
      'a broken invariant',
      { contact: [{ id: 'x', modifierExtension: [] }] },
      ['form Patient.contact[0]', 'pat-1 Patient.contact[0]'],
    ],
  ];
  for (const [what, extra, expected] of faults) {
    it(`finds ${what}`, () => deepEqual(errors(patient(extra)), expected));
  }

  it('counts what must be there', () => {
    deepEqual(errors({ resourceType: 'Observation', status: 'final' }), ['cardinality Observation']);
  });

  it('writes paths as FHIRPath, with the types of choices', () => {
    const value = { value: '7' };
    deepEqual(
      errors({
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        component: [{ code: { text: 'y' }, valueQuantity: value }],
      }),
      ['value Observation.component[0].value.ofType(Quantity).value'],
    );
  });
});

describe('FHIR validation: forms of primitives', () => {
  const extension = (of: Json): Json => patient({ extension: [{ url: 'urn:x:y', ...of }] });
  const forms: ReadonlyArray<[string, unknown, boolean]> = [
    ['birthDate', '1980', true],
    ['birthDate', '1980-02', true],
    ['birthDate', '2000-02-29', true],
    ['birthDate', '1900-02-29', false],
    ['birthDate', '1980-04-31', false],
    ['birthDate', '19800201', false],
    ['birthDate', '01/02/1980', false],
    ['birthDate', '1980-02-01T10:00:00Z', false],
    ['birthDate', '', false],
    ['deceasedDateTime', '2018-07-10T10:00:00+01:00', true],
    ['deceasedDateTime', '2018-07-10T10:00:00.123Z', true],
    ['deceasedDateTime', '2018-07-10T25:00:00Z', false],
    ['deceasedDateTime', '2018-07-10T10:00:00', false],
    ['deceasedDateTime', '2018-07-10 10:00:00Z', false],
    ['id', 'a'.repeat(64), true],
    ['id', 'a'.repeat(65), false],
    ['id', 'a_b', false],
  ];
  for (const [name, value, isValid] of forms) {
    it(`${isValid ? 'takes' : 'refuses'} ${name} ${JSON.stringify(value)}`, () =>
      equal(errors(patient({ [name]: value })).length === 0, isValid));
  }

  it('refuses a UUID in upper case and white space in an address', () => {
    const urls = ['urn:uuid:3DA13692-50DA-4709-B95C-87DF0D64B7AE', 'https://example.org/a b', 'urn:oid:1.02'];
    for (const url of urls) {
      deepEqual(errors(patient({ extension: [{ url, valueBoolean: true }] })), ['value Patient.extension[0].url']);
    }
    deepEqual(errors(extension({ valueString: ' ' })), []);
  });

  it('allows in a narrative what FHIR allows of XHTML, and no more', () => {
    const narrative = (div: string): string[] => errors(patient({ text: { status: 'generated', div } }));
    const inside = (content: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${content}</div>`;
    deepEqual(narrative(inside('<p style="x" class="y">Text &nbsp; <b>more</b></p>')), []);
    deepEqual(narrative(inside('<img src="#a" alt="A"/>')), []);
    deepEqual(narrative(inside(' ')), ['txt-2 Patient.text.div']);
    deepEqual(narrative(inside('<script>x</script>')), ['txt-1 Patient.text.div']);
    deepEqual(narrative(inside('<p onclick="x">y</p>')), ['txt-1 Patient.text.div']);
    deepEqual(narrative(inside('<p>y')), ['xhtml Patient.text.div']);
    deepEqual(narrative('<div>y</div>'), ['xhtml Patient.text.div']);
    deepEqual(narrative('<!DOCTYPE div><div xmlns="http://www.w3.org/1999/xhtml">y</div>'), ['xhtml Patient.text.div']);
  });
});

describe('FHIR validation: identifiers', () => {
  it('are of the form that their system stands for', () => {
    const identified = (system: string, value: string): string[] =>
      errors(patient({ identifier: [{ system, value }] }));
    const uuid = '65fa69b8-7276-461e-a67e-04e2e29cd407';
    deepEqual(identified('https://tools.ietf.org/html/rfc4122', uuid), []);
    deepEqual(identified('https://tools.ietf.org/html/rfc4122', `${uuid} `), [
      'identifier-value Patient.identifier[0]',
    ]);
    deepEqual(identified('urn:ietf:rfc:3986', `urn:uuid:${uuid}`), []);
    deepEqual(identified('urn:ietf:rfc:3986', uuid), ['identifier-value Patient.identifier[0]']);
    deepEqual(identified('HTTPS://example.org/id', '1'), ['system Patient.identifier[0]']);
  });
});

describe('FHIR validation: codes', () => {
  it('asks for a code of a required value set', () => {
    deepEqual(errors(patient({ name: [{ use: 'best', family: 'S' }] })), ['binding Patient.name[0].use']);
    const _use = { extension: [{ url: 'https://example.org/why', valueString: 'unknown' }] };
    deepEqual(errors(patient({ name: [{ _use, family: 'S' }] })), ['binding Patient.name[0].use']);
  });

  it('knows the codes and displays of a complete code system', () => {
    const code = (coding: Json): Json => ({ resourceType: 'Observation', status: 'final', code: { coding: [coding] } });
    deepEqual(errors(code({ system: 'urn:test:sections', code: 'unheard' })), ['unknown-code Observation.code']);
    deepEqual(warnings(code({ system: 'urn:test:sections', code: 'summary', display: 'Other' })), [
      'display Observation.code.coding[0]',
    ]);
    deepEqual(errors(code({ system: 'urn:elsewhere', code: 'unheard' })), []);
    deepEqual(errors(code({ system: 'sections', code: 'x' })), ['system Observation.code.coding[0]']);
  });

  it('warns of a code outside an extensible value set', () => {
    const sections = profile('urn:test:profile', 'Observation', [
      [
        'Observation.code 1..1 CodeableConcept',
        { binding: { strength: 'extensible', valueSet: 'urn:test:section-codes' } },
      ],
    ]);
    const resource = {
      resourceType: 'Observation',
      meta: { profile: ['urn:test:profile'] },
      status: 'final',
      code: { coding: [{ system: 'urn:test:sections', code: 'summary' }] },
    };
    deepEqual(warnings(resource, sections), ['binding Observation.code']);
  });

  it('warns of an NHS number whose check digit is wrong, without printing it', () => {
    const found = issuesOf(
      patient({ identifier: [{ system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9999999469' }] }),
    );
    deepEqual(
      found.map(({ severity, rule, path }) => [severity, rule, path]),
      [['warning', 'nhs-number', 'Patient.identifier[0]']],
    );
    ok(!JSON.stringify(found).includes('9999999469'));
  });
});

describe('FHIR validation: profiles', () => {
  const url = 'urn:test:profile';

  it('checks what a resource claims and what is demanded of it', () => {
    const named = profile(url, 'Patient', ['Patient.name 1..* HumanName']);
    deepEqual(errors(patient(), named), ['cardinality Patient']);
    deepEqual(
      issuesOf(patient({ meta: { profile: [url] } }), [named]).map(({ rule }) => rule),
      ['not-allowed', 'cardinality'],
    );
  });

  it('warns of a claimed profile that is not loaded, and refuses a demanded one', () => {
    const claim = issuesOf(patient({ meta: { profile: ['urn:test:unheard'] } }));
    const demand = issuesOf(patient(), [], ['urn:test:unheard']);
    deepEqual(
      [...claim, ...demand].map(({ severity, rule }) => `${severity} ${rule}`),
      ['warning unknown-profile', 'error unknown-profile'],
    );
  });

  it('refuses a profile of another type, and says what the resource has and lacks by it', () => {
    const other = profile(url, 'Organization', ['Organization.name 1..1 string', 'Organization.meta 0..1 Meta']);
    deepEqual(errors(patient({ active: true, meta: { profile: [url] } }), other), [
      'profile-type Patient.meta.profile[0]',
      'not-allowed Patient',
      'cardinality Patient',
    ]);
  });

  it('compares fixed values wholly and patterns in part', () => {
    const concept = { coding: [{ system: 'urn:s', code: 'c' }] };
    const observation = (code: Json): Json => ({ resourceType: 'Observation', status: 'final', code });
    const by = (extra: Json): Profile =>
      profile(url, 'Observation', ['Observation.status 1..1 code', ['Observation.code 1..1 CodeableConcept', extra]]);
    const more = { ...concept, text: 'more' };
    deepEqual(errors(observation(concept), by({ fixed: concept })), []);
    deepEqual(errors(observation(more), by({ fixed: concept })), ['fixed Observation.code']);
    deepEqual(errors(observation(more), by({ pattern: concept })), []);
    deepEqual(errors(observation({ text: 'x' }), by({ pattern: concept })), ['pattern Observation.code']);
  });

  it('restricts a choice to a type, also where the snapshot names it so', () => {
    const by = profile(url, 'Observation', [
      'Observation.status 1..1 code',
      'Observation.code 1..1 CodeableConcept',
      'Observation.valueQuantity:valueQuantity 1..1 Quantity',
    ]);
    const observation = (value: Json): Json => ({
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      ...value,
    });
    deepEqual(errors(observation({ valueQuantity: { value: 1 } }), by), []);
    deepEqual(errors(observation({ valueString: 'x' }), by), [
      'type Observation.value.ofType(string)',
      'cardinality Observation',
    ]);
  });

  it('evaluates the invariants of a profile', () => {
    const by = profile(url, 'Patient', []);
    const [root] = by.elements;
    ok(root);
    const ruled = {
      ...by,
      elements: [
        {
          ...root,
          constraints: [{ key: 'x-1', severity: 'error' as const, expression: 'name.exists()', human: 'A name.' }],
        },
      ],
    };
    deepEqual(errors(patient(), ruled), ['x-1 Patient']);
    deepEqual(errors(patient({ name: [{ family: 'S' }] }), ruled), []);
  });
});

describe('FHIR validation: slices', () => {
  const url = 'urn:test:profile';
  const identified = (slicing: Json, slices: readonly Line[]): Profile =>
    profile(url, 'Patient', [
      [
        'Patient.identifier 0..* Identifier',
        { slicing: { discriminators: [{ type: 'value', path: 'system' }], rules: 'open', ordered: false, ...slicing } },
      ],
      ...slices,
    ]);
  const slice = (name: string, cardinality: string, fixed: string): Line[] => [
    `Patient.identifier:${name} ${cardinality} Identifier`,
    [`Patient.identifier:${name}.system 1..1 uri`, { fixed }],
    `Patient.identifier:${name}.value 1..1 string`,
  ];
  const two = [...slice('nhs', '1..1', 'urn:nhs'), ...slice('local', '0..1', 'urn:local')];
  const of = (...systems: string[]): Json => patient({ identifier: systems.map((system) => ({ system, value: '1' })) });

  it('finds each by its value, and counts it', () => {
    deepEqual(errors(of('urn:nhs', 'urn:local', 'urn:other'), identified({}, two)), []);
    deepEqual(errors(of('urn:local'), identified({}, two)), ['cardinality Patient']);
    deepEqual(errors(of('urn:nhs', 'urn:nhs'), identified({}, two)), ['cardinality Patient']);
    deepEqual(errors(patient(), identified({}, two)), ['cardinality Patient']);
  });

  it('warns of others before them where they belong at the end', () => {
    const by = identified({ rules: 'openAtEnd' }, two);
    const claimed = { ...of('urn:other', 'urn:nhs'), meta: { profile: [url] } };
    deepEqual(warnings(claimed, by), ['slice-order Patient.identifier[1]']);
  });

  it('checks each by its slice', () => {
    deepEqual(errors(patient({ identifier: [{ system: 'urn:nhs' }] }), identified({}, two)), [
      'cardinality Patient.identifier[0]',
    ]);
  });

  it('refuses what fits none where slicing is closed', () => {
    deepEqual(errors(of('urn:nhs', 'urn:other'), identified({ rules: 'closed' }, two)), [
      'slice Patient.identifier[1]',
    ]);
  });

  it('asks for their order where slicing is ordered', () => {
    deepEqual(errors(of('urn:local', 'urn:nhs'), identified({ ordered: true }, two)), [
      'slice-order Patient.identifier[1]',
    ]);
  });

  it('finds them by pattern, existence, type, and what a reference leads to', () => {
    const by = (type: string, path: string, slices: Line[]): Profile =>
      profile(url, 'Composition', [
        'Composition.title 1..1 string',
        'Composition.subject 1..1 Reference',
        [
          'Composition.section 0..* BackboneElement',
          { slicing: { discriminators: [{ type: type as 'value', path }], rules: 'closed', ordered: false } },
        ],
        ...slices,
      ]);
    const composition = (...section: Json[]): Json => ({
      resourceType: 'Composition',
      title: 'T',
      subject: { display: 'S' },
      section,
      contained: [
        { resourceType: 'Patient', id: 'p', name: [{ family: 'S' }] },
        { resourceType: 'Organization', id: 'o', name: 'O' },
      ],
    });
    const a = 'Composition.section:a';
    const children = [`${a}.title 0..1 string`, `${a}.entry 0..* Reference`, `${a}.section 0..* BackboneElement`];
    const coded: Line[] = [
      `${a} 1..1 BackboneElement`,
      ...children,
      [`${a}.code 1..1 CodeableConcept`, { pattern: { coding: [{ code: 'c' }] } }],
    ];
    const withCode = { title: 'x', code: { coding: [{ code: 'c', display: 'C' }] } };
    deepEqual(
      errors(composition(withCode), by('pattern', 'code', coded)).filter((text) => !text.includes('not-allowed')),
      [],
    );
    deepEqual(
      errors(composition({ title: 'x' }), by('pattern', 'code', coded)).filter((text) => !text.includes('not-allowed')),
      ['slice Composition.section[0]', 'cardinality Composition'],
    );
    const existing: Line[] = [`${a} 1..1 BackboneElement`, `${a}.title 1..1 string`, `${a}.code 1..1 CodeableConcept`];
    const none = (text: string): boolean => !text.includes('not-allowed');
    deepEqual(errors(composition(withCode), by('exists', 'code', existing)).filter(none), []);
    deepEqual(errors(composition({ title: 'x' }), by('exists', 'code', existing)).filter(none), [
      'slice Composition.section[0]',
      'cardinality Composition',
    ]);
    const led: Line[] = [
      `${a} 1..1 BackboneElement`,
      `${a}.title 0..1 string`,
      [`${a}.entry 1..1`, { types: [{ code: 'Reference', targetProfiles: [`${HL7}Patient`] }] }],
    ];
    const entry = (reference: string): Json => ({ title: 'x', entry: [{ reference }] });
    for (const type of ['type', 'profile']) {
      deepEqual(errors(composition(entry('#p')), by(type, 'entry.resolve()', led)).filter(none), [], type);
    }
    deepEqual(errors(composition(entry('#o')), by('type', 'entry.resolve()', led)).filter(none), [
      'slice Composition.section[0]',
      'cardinality Composition',
    ]);
  });

  it('slices a slice again', () => {
    const by = identified({}, [
      [
        'Patient.identifier:nhs 1..* Identifier',
        { slicing: { discriminators: [{ type: 'value', path: 'value' }], rules: 'closed', ordered: false } },
      ],
      ['Patient.identifier:nhs.system 1..1 uri', { fixed: 'urn:nhs' }],
      'Patient.identifier:nhs.value 1..1 string',
      ['Patient.identifier:nhs/first 1..1 Identifier', { sliceName: 'nhs/first' }],
      ['Patient.identifier:nhs/first.system 1..1 uri', { fixed: 'urn:nhs' }],
      ['Patient.identifier:nhs/first.value 1..1 string', { fixed: '1' }],
    ]);
    deepEqual(errors(of('urn:nhs'), by), []);
    deepEqual(errors(patient({ identifier: [{ system: 'urn:nhs', value: '2' }] }), by), [
      'slice Patient.identifier[0]',
      'cardinality Patient',
    ]);
  });
});

describe('FHIR validation: extensions', () => {
  const url = 'https://example.org/Extension-A';
  const known = profile(
    url,
    'Extension',
    [
      [
        'Extension.extension 0..* Extension',
        { slicing: { discriminators: [{ type: 'value', path: 'url' }], rules: 'open', ordered: false } },
      ],
      'Extension.extension:part 1..1 Extension',
      ['Extension.extension:part.url 1..1 uri', { fixed: 'part' }],
      'Extension.extension:part.value[x] 1..1 boolean',
      ['Extension.url 1..1 uri', { fixed: url }],
      'Extension.value[x] 0..0 boolean|string',
    ],
    { contexts: [{ type: 'element', expression: 'Patient.contact' }] },
  );
  const at = (extension: Json[], where: 'contact' | 'root' = 'contact'): Json =>
    where === 'root' ? patient({ extension }) : patient({ contact: [{ name: { family: 'S' }, extension }] });
  const part = { url: 'part', valueBoolean: true };
  const by = (resource: Json): string[] =>
    issuesOf(resource, [known])
      .filter(({ severity }) => severity !== 'information')
      .map(({ severity, rule, path }) => `${severity} ${rule} ${path}`);

  it('are checked by their definition', () => {
    deepEqual(by(at([{ url, extension: [part] }])), []);
    deepEqual(by(at([{ url, extension: [{ url: 'part', valueString: 'x' }] }])), [
      'error type Patient.contact[0].extension[0].extension[0].value.ofType(string)',
      'error cardinality Patient.contact[0].extension[0].extension[0]',
    ]);
    deepEqual(by(at([{ url, extension: [part, { url: 'other', valueBoolean: true }] }])), [
      'error extension-part Patient.contact[0].extension[0].extension[1]',
    ]);
  });

  it('are refused where their definition does not allow them', () => {
    deepEqual(by(at([{ url, extension: [part] }], 'root')), ['error extension-context Patient']);
  });

  it('have a value or extensions, and an absolute address', () => {
    deepEqual(by(at([{ url: 'part', valueBoolean: true }])), ['error extension-url Patient.contact[0].extension[0]']);
  });

  it('are warned of when they are not known', () => {
    deepEqual(by(at([{ url: 'https://example.org/unheard', valueBoolean: true }])), [
      'warning unknown-extension Patient.contact[0].extension[0]',
    ]);
    deepEqual(by(patient({ modifierExtension: [{ url: 'https://example.org/unheard', valueBoolean: true }] })), [
      'warning unknown-modifier Patient.modifierExtension[0]',
    ]);
  });
});

describe('FHIR validation: references and bundles', () => {
  const uuid = (digit: number): string => `urn:uuid:00000000-0000-4000-8000-00000000000${digit}`;
  const id = (digit: number): string => uuid(digit).slice('urn:uuid:'.length);
  const entry = (digit: number, resource: Json): Json => ({
    fullUrl: uuid(digit),
    resource: { ...resource, id: id(digit) },
  });
  const composition = (extra: Json = {}): Json => ({
    resourceType: 'Composition',
    title: 'T',
    subject: { reference: uuid(2) },
    ...extra,
  });
  const document = (...entries: Json[]): Json => ({
    resourceType: 'Bundle',
    meta: { lastUpdated: '2026-01-01T00:00:00Z' },
    type: 'document',
    entry: entries,
  });
  const header = { resourceType: 'MessageHeader', event: { code: 'x' }, sender: { reference: uuid(2) } };
  const organisation = { resourceType: 'Organization', name: 'O' };

  it('accepts a document whose references are in it', () => {
    deepEqual(issuesOf(document(entry(1, composition()), entry(2, patient()))), []);
  });

  it('refuses a document whose references are not in it', () => {
    const missing = composition({ section: [{ title: 'x', section: [{ entry: [{ reference: uuid(9) }] }] }] });
    deepEqual(errors(document(entry(1, missing), entry(2, patient()))), [
      'not-in-bundle Bundle.entry[0].resource.section[0].section[0].entry[0]',
    ]);
  });

  it('refuses a document without a date, without a Composition, and what nothing refers to', () => {
    const { meta: _meta, ...undated } = document(entry(1, composition()), entry(2, patient()));
    deepEqual(errors(undated), ['document-date Bundle']);
    deepEqual(errors(document(entry(2, patient()))), ['bundle Bundle.entry[0].resource']);
    deepEqual(errors(document()), ['form Bundle', 'bundle Bundle']);
    deepEqual(errors(document(entry(1, composition()), entry(2, patient()), entry(3, organisation))), [
      'not-linked Bundle.entry[2]',
    ]);
  });

  it('warns of entries of a document that refer to it and are not referred to', () => {
    const observation = {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: uuid(2) },
    };
    deepEqual(warnings(document(entry(1, composition()), entry(2, patient()), entry(3, observation))), [
      'linked-backwards Bundle.entry[2]',
    ]);
  });

  it('asks of a message for a MessageHeader first, and for what it is about', () => {
    const message = (...entries: Json[]): Json => ({ resourceType: 'Bundle', type: 'message', entry: entries });
    deepEqual(issuesOf(message(entry(1, header), entry(2, organisation))), []);
    deepEqual(errors(message(entry(2, organisation), entry(1, header))), ['bundle Bundle.entry[0].resource']);
    deepEqual(errors(message(entry(1, { ...header, focus: [{ reference: uuid(9) }] }), entry(2, organisation))), [
      'not-in-bundle Bundle.entry[0].resource.focus[0]',
    ]);
    deepEqual(warnings(message(entry(1, { ...header, sender: { reference: uuid(9) } }))), [
      'reference Bundle.entry[0].resource.sender',
    ]);
  });

  it('resolves in the bundle around a resource first, then in those around that', () => {
    const inner = document(entry(3, composition()), entry(2, organisation));
    const outer = {
      resourceType: 'Bundle',
      type: 'message',
      entry: [entry(1, { ...header, focus: [{ reference: uuid(4) }] }), entry(2, organisation), entry(4, inner)],
    };
    deepEqual(errors(outer), ['reference-type Bundle.entry[2].resource.entry[0].resource.subject']);
  });

  it('refuses a reference to what is there twice', () => {
    const twice = document(entry(1, composition()), entry(2, patient()), entry(2, patient()));
    ok(errors(twice).includes('ambiguous-reference Bundle.entry[0].resource.subject'), String(errors(twice)));
  });

  it('resolves relative references by the address of their entry', () => {
    const relative = document(
      {
        fullUrl: 'https://example.org/fhir/Composition/1',
        resource: composition({ id: '1', subject: { reference: 'Patient/2' } }),
      },
      { fullUrl: 'https://example.org/fhir/Patient/2', resource: patient({ id: '2' }) },
    );
    deepEqual(issuesOf(relative), []);
    deepEqual(
      errors(document(entry(1, composition({ subject: { reference: `Patient/${id(2)}` } })), entry(2, patient()))),
      [],
    );
  });

  it('checks the type of what is referred to, also by its address alone', () => {
    const of = (reference: string, contained: Json[] = []): Json =>
      patient({ managingOrganization: { reference }, ...(contained.length > 0 ? { contained } : {}) });
    deepEqual(errors(of('#p', [patient({ id: 'p' })])), ['reference-type Patient.managingOrganization']);
    deepEqual(errors(of('Patient/1')), ['reference-type Patient.managingOrganization']);
    deepEqual(errors(of('Organization/1')), []);
    // Alone, a resource may stand in a context that gives such a reference a meaning.
    deepEqual(warnings(of('something')), ['reference Patient.managingOrganization']);
  });

  it('checks what is referred to by the profile that it must have', () => {
    const target = profile('urn:test:organisation', 'Organization', ['Organization.name 1..1 string']);
    const by = profile('urn:test:profile', 'Patient', [
      'Patient.contained 0..* Resource',
      ['Patient.managingOrganization 1..1', { types: [{ code: 'Reference', targetProfiles: [target.url] }] }],
    ]);
    const of = (organization: Json): Json =>
      patient({
        contained: [{ resourceType: 'Organization', id: 'o', ...organization }],
        managingOrganization: { reference: '#o' },
      });
    deepEqual(errors(of({ name: 'O' }), by, target), []);
    deepEqual(errors(of({ identifier: [{ value: '1' }] }), by, target), [
      'reference-profile Patient.managingOrganization',
    ]);
  });

  it('ends where resources must conform to profiles in a circle', () => {
    const circle = profile('urn:test:profile', 'Patient', [
      ['Patient.managingOrganization 1..1', { types: [{ code: 'Reference', targetProfiles: ['urn:test:profile'] }] }],
    ]);
    const one = patient({ managingOrganization: { reference: uuid(2) } });
    const two = patient({ managingOrganization: { reference: uuid(1) } });
    const found = issuesOf(
      {
        resourceType: 'Bundle',
        type: 'collection',
        entry: [entry(1, { ...one, meta: { profile: [circle.url] } }), entry(2, two)],
      },
      [circle],
    );
    ok(found.length < 10);
    // What is under way counts as conforming: of two that refer to each other, the fault of one is not the other's too.
    const strict = profile('urn:test:profile', 'Patient', [
      ['Patient.managingOrganization 1..1', { types: [{ code: 'Reference', targetProfiles: ['urn:test:profile'] }] }],
      'Patient.active 1..1 boolean',
    ]);
    const [faulty, good] = [entry(1, { ...one, meta: { profile: [strict.url] } }), entry(2, { ...two, active: true })];
    const issues = issuesOf({ resourceType: 'Bundle', type: 'collection', entry: [faulty, good] }, [strict]);
    deepEqual(
      issues.filter(({ rule }) => rule === 'reference-profile' || rule === 'cardinality').map(({ rule }) => rule),
      ['cardinality'],
    );
  });

  it('asks for absolute and complete addresses of entries', () => {
    const collection = (of: Json): Json => ({ resourceType: 'Bundle', type: 'collection', entry: [of] });
    deepEqual(errors(collection({ resource: patient() })), ['full-url Bundle.entry[0]']);
    deepEqual(errors(collection({ fullUrl: 'abc', resource: patient() })), ['full-url Bundle.entry[0]']);
    deepEqual(warnings(collection({ fullUrl: uuid(1), resource: patient({ id: 'other' }) })), [
      'id-unlike-full-url Bundle.entry[0]',
    ]);
  });
});
