import { deepEqual, equal, ok } from 'node:assert/strict';
import { constant, dictionary, integer, letrec, oneof, record, sample, string } from 'fast-check';
import { validate } from '../../../lib/formats/fhir/validate/validate';
import { definitions, profile } from './definitions';

const url = 'urn:test:profile';

/** A profile with as many slices as published ones have, by a path that has to be looked up. */
const sliced = profile(url, 'Composition', [
  'Composition.title 1..1 string',
  'Composition.subject 1..1 Reference',
  [
    'Composition.section 0..* BackboneElement',
    { slicing: { discriminators: [{ type: 'value', path: 'code.coding.code' }], rules: 'closed', ordered: true } },
  ],
  ...Array.from({ length: 40 }, (_, index) => index).flatMap((index) => [
    `Composition.section:s${index} 1..1 BackboneElement`,
    `Composition.section:s${index}.code 1..1 CodeableConcept`,
    `Composition.section:s${index}.code.coding 1..1 Coding`,
    [`Composition.section:s${index}.code.coding.code 1..1 code`, { fixed: `c${index}` }] as [string, object],
  ]),
]);
const all = definitions(sliced);

/** Longest that one validation may take, in milliseconds; a loaded CI machine is several times slower than this one. */
const MAX_MS = 20_000;

function check(resource: unknown): void {
  const start = performance.now();
  const { valid, issues } = validate(resource, all, { profiles: [url] });
  ok(performance.now() - start < MAX_MS, 'it took too long');
  ok(issues.length <= 1001, `${issues.length} issues`);
  equal(valid, !issues.some(({ severity }) => severity === 'error'));
  JSON.stringify(issues);
}

const nested = (depth: number, wrap: (inner: object) => object): object => {
  let inner: object = {};
  for (let level = 0; level < depth; level += 1) inner = wrap(inner);
  return inner;
};

const NAMES =
  'resourceType id meta profile text div contained extension url valueString _valueString value entry resource fullUrl ' +
  'type section code coding system title subject reference name given _given identifier contact __proto__ constructor';

/** Values in the shapes of FHIR: known names in any place, with any value. */
const { json } = letrec((tie) => ({
  json: oneof(
    { maxDepth: 7, depthIdentifier: 'json' },
    constant(null),
    integer(),
    constant(true),
    oneof(
      ...['Bundle', 'Composition', 'Patient', 'document', 'message', '#', 'Patient/1', url, 'urn:uuid:x', ''].map(
        (text) => constant(text),
      ),
      string(),
    ),
    tie('list'),
    tie('object'),
    tie('resource'),
  ),
  list: record({ 0: tie('json'), 1: tie('json'), length: integer({ min: 0, max: 2 }) }).map((items) =>
    Array.from(items as ArrayLike<unknown>),
  ),
  object: dictionary(oneof(...NAMES.split(' ').map((name) => constant(name))), tie('json'), { maxKeys: 6 }),
  resource: record({ resourceType: constant('Bundle'), type: constant('document'), entry: tie('list') }),
}));

describe('FHIR validation has an end', () => {
  it('for resources of any shape', () => {
    for (const value of sample(json, { numRuns: 3000, seed: 20261130 })) {
      check(value);
      check({ resourceType: 'Composition', ...(value as object) });
      check({ resourceType: 'Bundle', type: 'document', entry: [{ resource: value }, value] });
    }
  });

  it('for nesting of any depth', () => {
    for (const depth of [90, 110, 50_000]) {
      check({ resourceType: 'Composition', section: [nested(depth, (inner) => ({ section: [inner] }))] });
      check({ resourceType: 'Patient', extension: [nested(depth, (inner) => ({ url: 'urn:x', extension: [inner] }))] });
      check(nested(depth, (inner) => ({ resourceType: 'Bundle', type: 'document', entry: [{ resource: inner }] })));
      check(nested(depth, (inner) => ({ resourceType: 'Patient', contained: [inner] })));
    }
    const { issues } = validate(
      { resourceType: 'Patient', extension: [nested(200, (inner) => ({ url: 'urn:x', extension: [inner] }))] },
      all,
    );
    deepEqual(issues.filter(({ rule }) => rule === 'depth').length, 1);
  });

  it('for bytes in any place', () => {
    const bytes = Buffer.alloc(5_000_000);
    const { issues } = validate({ resourceType: 'Patient', id: bytes, name: [bytes], contained: [bytes] }, all);
    deepEqual(issues.map(({ rule }) => rule).toSorted(), ['form', 'type', 'value']);
  });

  it('for objects that contain themselves', () => {
    const patient: Record<string, unknown> = { resourceType: 'Patient' };
    patient['contained'] = [patient, patient, patient];
    check(patient);
    const bundle: Record<string, unknown> = { resourceType: 'Bundle', type: 'document' };
    bundle['entry'] = [{ resource: bundle }, { resource: bundle }];
    check(bundle);
    const value: Record<string, unknown> = {};
    Object.assign(value, { extension: [value, value], coding: [value, value] });
    check({ resourceType: 'Patient', extension: [{ url: 'urn:x', valueCodeableConcept: value }] });
  });

  it('for many elements and many slices', () => {
    const section = Array.from({ length: 200_000 }, () => ({ code: { coding: [{ code: 'none' }, { code: 'c39' }] } }));
    check({ resourceType: 'Composition', title: 'T', subject: { display: 'S' }, section });
  });

  it('for many resources that refer to each other', () => {
    const id = (index: number): string => `urn:uuid:00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
    const entry = Array.from({ length: 20_000 }, (_, index) => ({
      fullUrl: id(index),
      resource: {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: id(index + 2) },
      },
    }));
    check({ resourceType: 'Bundle', type: 'document', entry: entry.toReversed() });
  });

  it('for a chain of resources that must conform to profiles', () => {
    const part = profile('urn:test:part', 'Observation', [
      'Observation.status 1..1 code',
      'Observation.code 1..1 CodeableConcept',
      ['Observation.subject 1..1', { types: [{ code: 'Reference', targetProfiles: ['urn:test:part'] }] }],
    ]);
    const count = 5000;
    const entry = Array.from({ length: count }, (_, index) => ({
      fullUrl: `https://example.org/fhir/Observation/${index}`,
      resource: {
        resourceType: 'Observation',
        id: String(index),
        meta: { profile: Array.from({ length: 20 }, () => part.url) },
        status: 'final',
        code: { text: 'x' },
        subject: { reference: `Observation/${index + 1}` },
      },
    }));
    const { issues } = validate({ resourceType: 'Bundle', type: 'collection', entry }, definitions(part));
    ok(issues.length > 0);
  });

  it('for an issue in every element', () => {
    const { issues, valid } = validate(
      { resourceType: 'Patient', name: Array.from({ length: 5000 }, () => ({ unheard: 1 })) },
      all,
      { maxIssues: 50 },
    );
    deepEqual([issues.length, issues.at(-1)?.rule, valid], [51, 'limit', false]);
  });

  it('with texts that name no value of the payload', () => {
    const secret = 'Zq7-secret';
    const object = {
      resourceType: 'Patient',
      id: secret,
      [secret]: secret,
      active: secret,
      birthDate: secret,
      name: [{ use: secret, family: ` ${secret} `, [secret]: 1 }],
      identifier: [{ system: secret, value: secret }],
      contained: [{ resourceType: secret }],
      managingOrganization: { reference: secret },
      extension: [{ url: `${secret} x`, valueString: secret }, { url: secret }],
      text: { status: secret, div: `<div xmlns="http://www.w3.org/1999/xhtml"><zq7>${secret}</zq7></div>` },
      meta: { profile: [`${secret} y`], security: [{ system: 'urn:test:sections', code: secret, display: secret }] },
    };
    const { issues } = validate(object, all, { profiles: [] });
    ok(issues.length >= 12, String(issues.length));
    ok(
      !JSON.stringify(issues).includes(secret),
      JSON.stringify(issues.find((issue) => JSON.stringify(issue).includes(secret))),
    );
  });
});
