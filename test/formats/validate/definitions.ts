/** A small FHIR for tests of the validator: a few types, written by hand in the shape of HL7's, and profiles on them. */
import type {
  Codes,
  CodeSystem,
  Definitions,
  ElementType,
  Profile,
  ProfileElement,
} from '../../../lib/formats/fhir/validate/types';

export const HL7 = 'http://hl7.org/fhir/StructureDefinition/';

type Extra = Partial<Omit<ProfileElement, 'types'>> & { types?: readonly ElementType[] };
/** `id min..max type|type`, and what else the element says. */
export type Line = string | [string, Extra];

function element(line: Line): ProfileElement {
  const [text, extra] = typeof line === 'string' ? [line, {}] : line;
  const [id = '', cardinality = '0..1', types = ''] = text.split(' ');
  const [min, max] = cardinality.split('..');
  const maximum = max === '*' ? Infinity : Number(max);
  return {
    id,
    path: id.replaceAll(/:[^.]+/g, ''),
    ...(id.includes(':') && !id.slice(id.lastIndexOf(':')).includes('.')
      ? { sliceName: id.slice(id.lastIndexOf(':') + 1) }
      : {}),
    min: Number(min),
    max: maximum,
    repeats: maximum > 1,
    types: types === '' ? [] : types.split('|').map((code) => ({ code })),
    constraints: [],
    ...extra,
  };
}

export function profile(url: string, type: string, lines: readonly Line[], extra: Partial<Profile> = {}): Profile {
  return {
    url,
    type,
    kind: /^[a-z]/.test(type) ? 'primitive-type' : RESOURCES.has(type) ? 'resource' : 'complex-type',
    derivation: url.startsWith(HL7) ? 'specialization' : 'constraint',
    abstract: ['Resource', 'DomainResource', 'Element', 'BackboneElement'].includes(type),
    contexts: [],
    elements: [element(`${type} 0..*`), ...lines.map(element)],
    ...extra,
  };
}

const RESOURCES = new Set(
  'Resource DomainResource Bundle Composition MessageHeader Observation Organization Patient'.split(' '),
);

const base = (type: string, parent: string | undefined, lines: readonly Line[]): Profile =>
  profile(HL7 + type, type, lines, parent === undefined ? {} : { base: HL7 + parent });

const elementLines = (type: string): Line[] => [`${type}.id 0..1 string`, `${type}.extension 0..* Extension`];
const backboneLines = (path: string): Line[] => [...elementLines(path), `${path}.modifierExtension 0..* Extension`];
const resourceLines = (type: string): Line[] => [`${type}.id 0..1 id`, `${type}.meta 0..1 Meta`];
const domainLines = (type: string): Line[] => [
  ...resourceLines(type),
  `${type}.text 0..1 Narrative`,
  `${type}.contained 0..* Resource`,
  `${type}.extension 0..* Extension`,
  `${type}.modifierExtension 0..* Extension`,
];

const PRIMITIVES =
  'base64Binary boolean code date dateTime decimal id instant integer oid positiveInt string time unsignedInt uri uuid xhtml';

const of = (...codes: string[]): ElementType => ({
  code: 'Reference',
  targetProfiles: codes.map((code) => (code.includes(':') ? code : HL7 + code)),
});

const rule = (key: string, expression: string): Extra => ({
  constraints: [{ key, severity: 'error', expression, human: `${key} holds.` }],
});

const BASE: readonly Profile[] = [
  ...PRIMITIVES.split(' ').map((type) => base(type, 'Element', [...elementLines(type), `${type}.value 0..1 ${type}`])),
  base('Element', undefined, elementLines('Element')),
  base('BackboneElement', 'Element', backboneLines('BackboneElement')),
  base('Extension', 'Element', [
    ...elementLines('Extension'),
    'Extension.url 1..1 uri',
    'Extension.value[x] 0..1 boolean|string|code|dateTime|Coding|CodeableConcept|Reference|Quantity',
  ]),
  base('Meta', 'Element', [
    ...elementLines('Meta'),
    'Meta.lastUpdated 0..1 instant',
    'Meta.profile 0..* uri',
    'Meta.security 0..* Coding',
  ]),
  base('Narrative', 'Element', [
    ...elementLines('Narrative'),
    'Narrative.status 1..1 code',
    'Narrative.div 1..1 xhtml',
  ]),
  base('Coding', 'Element', [
    ...elementLines('Coding'),
    'Coding.system 0..1 uri',
    'Coding.code 0..1 code',
    'Coding.display 0..1 string',
  ]),
  base('CodeableConcept', 'Element', [
    ...elementLines('CodeableConcept'),
    'CodeableConcept.coding 0..* Coding',
    'CodeableConcept.text 0..1 string',
  ]),
  base('Identifier', 'Element', [
    ...elementLines('Identifier'),
    'Identifier.system 0..1 uri',
    'Identifier.value 0..1 string',
  ]),
  base('HumanName', 'Element', [
    ...elementLines('HumanName'),
    ['HumanName.use 0..1 code', { binding: { strength: 'required', valueSet: 'urn:test:name-use' } }],
    'HumanName.family 0..1 string',
    'HumanName.given 0..* string',
  ]),
  base('Period', 'Element', [...elementLines('Period'), 'Period.start 0..1 dateTime', 'Period.end 0..1 dateTime']),
  base('Quantity', 'Element', [
    ...elementLines('Quantity'),
    'Quantity.value 0..1 decimal',
    'Quantity.unit 0..1 string',
  ]),
  base('Reference', 'Element', [
    ...elementLines('Reference'),
    'Reference.reference 0..1 string',
    'Reference.display 0..1 string',
  ]),
  base('Resource', undefined, resourceLines('Resource')),
  base('DomainResource', 'Resource', domainLines('DomainResource')),
  base('Bundle', 'Resource', [
    ...resourceLines('Bundle'),
    'Bundle.identifier 0..1 Identifier',
    ['Bundle.type 1..1 code', { binding: { strength: 'required', valueSet: 'urn:test:bundle-type' } }],
    ['Bundle.entry 0..* BackboneElement', rule('bdl-5', 'resource.exists() or link.exists()')],
    ...backboneLines('Bundle.entry'),
    'Bundle.entry.fullUrl 0..1 uri',
    'Bundle.entry.resource 0..1 Resource',
  ]),
  base('Patient', 'DomainResource', [
    ...domainLines('Patient'),
    'Patient.identifier 0..* Identifier',
    'Patient.active 0..1 boolean',
    'Patient.name 0..* HumanName',
    'Patient.birthDate 0..1 date',
    'Patient.deceased[x] 0..1 boolean|dateTime',
    ['Patient.contact 0..* BackboneElement', rule('pat-1', 'name.exists() or period.exists()')],
    ...backboneLines('Patient.contact'),
    'Patient.contact.name 0..1 HumanName',
    'Patient.contact.period 0..1 Period',
    ['Patient.managingOrganization 0..1', { types: [of('Organization')] }],
  ]),
  base('Organization', 'DomainResource', [
    ...domainLines('Organization'),
    'Organization.identifier 0..* Identifier',
    'Organization.name 0..1 string',
  ]),
  base('Observation', 'DomainResource', [
    ...domainLines('Observation'),
    'Observation.status 1..1 code',
    'Observation.code 1..1 CodeableConcept',
    ['Observation.subject 0..1', { types: [of('Patient')] }],
    'Observation.value[x] 0..1 Quantity|string|CodeableConcept',
    'Observation.component 0..* BackboneElement',
    ...backboneLines('Observation.component'),
    'Observation.component.code 1..1 CodeableConcept',
    'Observation.component.value[x] 0..1 Quantity|string|CodeableConcept',
  ]),
  base('Composition', 'DomainResource', [
    ...domainLines('Composition'),
    'Composition.title 1..1 string',
    ['Composition.subject 1..1', { types: [of('Patient')] }],
    'Composition.section 0..* BackboneElement',
    ...backboneLines('Composition.section'),
    'Composition.section.title 0..1 string',
    'Composition.section.code 0..1 CodeableConcept',
    ['Composition.section.entry 0..*', { types: [of('Resource')] }],
    ['Composition.section.section 0..*', { contentReference: 'Composition.section' }],
  ]),
  base('MessageHeader', 'DomainResource', [
    ...domainLines('MessageHeader'),
    'MessageHeader.event 1..1 Coding',
    ['MessageHeader.sender 0..1', { types: [of('Organization')] }],
    ['MessageHeader.focus 0..*', { types: [of('Resource')] }],
  ]),
];

const VALUE_SETS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'urn:test:name-use': { 'urn:test:name-use-codes': ['official', 'usual', 'old'] },
  'urn:test:bundle-type': { 'urn:test:bundle-types': ['document', 'message', 'collection'] },
  'urn:test:section-codes': { 'urn:test:sections': ['allergies', 'demographics'] },
};

function valueSet(url: string): Codes | undefined {
  const systems = VALUE_SETS[url];
  if (!systems) return undefined;
  return {
    has: (code, system) => Object.entries(systems).some(([of, codes]) => (system ?? of) === of && codes.includes(code)),
    hasSystem: (system) => Object.hasOwn(systems, system),
  };
}

function codeSystem(url: string): CodeSystem | undefined {
  const codes = url === 'urn:test:sections' ? ['allergies', 'demographics', 'summary'] : undefined;
  if (!codes) return undefined;
  return {
    url,
    complete: true,
    caseSensitive: true,
    displaysOf: (code) => (codes.includes(code) ? [code.toUpperCase()] : undefined),
  };
}

/** Returns definitions of the small FHIR and of the profiles. */
export function definitions(...profiles: Profile[]): Definitions {
  const byUrl = new Map([...BASE, ...profiles].map((each) => [each.url, each]));
  const find = (url: string): Profile | undefined => byUrl.get(url.split('|')[0] ?? '');
  return {
    release: 'STU3',
    profile: find,
    type: (name) => find(HL7 + name),
    baseOf: (type) => find(HL7 + type)?.base?.slice(HL7.length),
    valueSet,
    codeSystem,
  };
}
