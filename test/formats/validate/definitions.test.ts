import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { CORRECTIONS } from '../../../lib/formats/fhir/profiles/corrections';
import { loadDefinitions } from '../../../lib/formats/fhir/profiles/load';
import type { Profile, ProfileElement } from '../../../lib/formats/fhir/validate/types';
import { ROOT } from '../../harness/node-red';
import { tgz } from '../../harness/tar';

const HL7 = 'http://hl7.org/fhir/StructureDefinition';
const OURS = 'https://example.org/fhir/StructureDefinition';
const REFERENCE = join(process.env['MESH_REFERENCE'] ?? join(ROOT, '..', 'shared', 'reference'), 'fhir-profiles');

/** A profile with a differential, as publishers write it. */
const profile = (name: string, type: string, element: object[], more: object = {}): Record<string, unknown> => ({
  resourceType: 'StructureDefinition',
  url: `${OURS}/${name}`,
  version: '1.0.0',
  fhirVersion: '4.0.1',
  kind: 'resource',
  abstract: false,
  type,
  baseDefinition: `${HL7}/${type}`,
  derivation: 'constraint',
  differential: { element },
  ...more,
});

function elementOf(of: Profile | undefined, id: string): ProfileElement {
  const found = of?.elements.find((element) => element.id === id);
  assert.ok(found, `${of?.url ?? 'no profile'} has no ${id}`);
  return found;
}

describe('definitions', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'mesh-definitions-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Writes a package with these resources, and returns its path. */
  function packageWith(resources: object[], manifest: object = { fhirVersions: ['4.0.1'] }, name = 'a.tgz'): string {
    const files = [{ name: 'package/package.json', content: JSON.stringify({ name: 'a', ...manifest }) }];
    resources.forEach((resource, index) =>
      files.push({ name: `package/${index}.json`, content: JSON.stringify(resource) }),
    );
    writeFileSync(join(folder, name), tgz(files));
    return join(folder, name);
  }

  for (const release of ['STU3', 'R4'] as const) {
    it(`of ${release} are built in: types, extensions, value sets and code systems`, async () => {
      const definitions = await loadDefinitions(release);
      assert.equal(elementOf(definitions.type('Patient'), 'Patient.contact').repeats, true);
      assert.deepEqual(
        elementOf(definitions.type('Patient'), 'Patient.name').types.map(({ code }) => code),
        ['HumanName'],
      );
      assert.equal(elementOf(definitions.type('Bundle'), 'Bundle.entry.link').contentReference, 'Bundle.link');
      assert.ok(
        elementOf(definitions.type('Bundle'), 'Bundle').constraints.some(
          ({ key, expression }) => key === 'bdl-1' && expression,
        ),
      );
      assert.equal(elementOf(definitions.type('Patient'), 'Patient.id').types[0]?.code.includes('/'), false);
      assert.equal(definitions.baseOf('Patient'), 'DomainResource');
      assert.equal(definitions.baseOf('Age'), 'Quantity');
      assert.equal(
        definitions.profile(`${HL7}/${release === 'R4' ? 'patient-birthPlace' : 'birthPlace'}`)?.type,
        'Extension',
      );
      const gender = elementOf(definitions.type('Patient'), 'Patient.gender').binding;
      assert.equal(gender?.strength, 'required');
      const codes = definitions.valueSet(gender.valueSet ?? '');
      assert.equal(codes?.has('male', undefined), true);
      assert.equal(codes.has('man', undefined), false);
      assert.equal(codes.has('male', 'http://snomed.info/sct'), false);
      assert.equal(definitions.codeSystem('http://hl7.org/fhir/administrative-gender')?.complete, true);
      assert.deepEqual(definitions.problems, []);
    });
  }

  it('take membership in a value set with a filter from the hierarchy of its code system', async () => {
    const classes = (await loadDefinitions('R4')).valueSet('http://terminology.hl7.org/ValueSet/v3-ActEncounterCode');
    assert.equal(classes?.has('IMP', 'http://terminology.hl7.org/CodeSystem/v3-ActCode'), true);
    assert.equal(classes.has('ACCM', 'http://terminology.hl7.org/CodeSystem/v3-ActCode'), false);
  });

  it('do not decide membership by a terminology that is not here', async () => {
    const system = 'http://snomed.info/sct';
    const is = (concept: string): object => ({ system, filter: [{ property: 'concept', op: 'is-a', value: concept }] });
    const include = [is('1'), { system: 'https://example.org/unheard-of' }];
    const valueSet = { resourceType: 'ValueSet', url: 'https://example.org/v', compose: { include } };
    const codes = (await loadDefinitions('R4', [packageWith([valueSet])])).valueSet('https://example.org/v');
    assert.ok(codes);
    assert.equal(codes.has('123', system), undefined);
    assert.equal(codes.has('123', 'https://example.org/unheard-of'), undefined);
    assert.equal(codes.has('123', 'http://loinc.org'), false);
    assert.equal(codes.hasSystem(system), true);
  });

  it('of a package expand a differential with slices, choices, extensions and types that it walks into', async () => {
    const packaged = packageWith([
      profile('patient', 'Patient', [
        {
          id: 'Patient.identifier',
          path: 'Patient.identifier',
          slicing: { discriminator: [{ type: 'value', path: 'system' }], rules: 'open' },
          min: 1,
        },
        { id: 'Patient.identifier:nhs', path: 'Patient.identifier', sliceName: 'nhs', max: '1' },
        {
          id: 'Patient.identifier:nhs.system',
          path: 'Patient.identifier.system',
          min: 1,
          fixedUri: 'https://fhir.nhs.uk/Id/nhs-number',
        },
        {
          id: 'Patient.extension:birth',
          path: 'Patient.extension',
          sliceName: 'birth',
          type: [{ code: 'Extension', profile: [`${HL7}/patient-birthPlace`] }],
        },
        { id: 'Patient.deceasedBoolean', path: 'Patient.deceasedBoolean', min: 1 },
        { id: 'Patient.contact.name.family', path: 'Patient.contact.name.family', min: 1 },
      ]),
      profile(
        'child',
        'Patient',
        [{ id: 'Patient.identifier:nhs', path: 'Patient.identifier', sliceName: 'nhs', min: 1 }],
        {
          baseDefinition: `${OURS}/patient`,
        },
      ),
    ]);
    const definitions = await loadDefinitions('R4', [packaged]);
    const patient = definitions.profile(`${OURS}/patient|1.0.0`);
    assert.equal(elementOf(patient, 'Patient.identifier').min, 1);
    const slice = elementOf(patient, 'Patient.identifier:nhs');
    assert.deepEqual([slice.sliceName, slice.min, slice.max, slice.repeats], ['nhs', 0, 1, true]);
    assert.equal(elementOf(patient, 'Patient.identifier:nhs.system').fixed, 'https://fhir.nhs.uk/Id/nhs-number');
    assert.equal(elementOf(patient, 'Patient.identifier:nhs.value').types[0]?.code, 'string');
    assert.deepEqual(elementOf(patient, 'Patient.extension').slicing?.discriminators, [{ type: 'value', path: 'url' }]);
    assert.deepEqual(elementOf(patient, 'Patient.extension:birth').types[0]?.profiles, [`${HL7}/patient-birthPlace`]);
    const choice = elementOf(patient, 'Patient.deceased[x]:deceasedBoolean');
    assert.deepEqual([choice.min, choice.types.map(({ code }) => code)], [1, ['boolean']]);
    assert.equal(elementOf(patient, 'Patient.contact.name.family').min, 1);
    const ids = patient?.elements.map(({ id }) => id) ?? [];
    assert.equal(new Set(ids).size, ids.length);
    assert.equal(elementOf(definitions.profile(`${OURS}/child`), 'Patient.identifier:nhs').min, 1);
    assert.deepEqual(definitions.problems, []);
  });

  it('come from folders at any depth, XML or JSON, compressed or not', async () => {
    mkdirSync(join(folder, 'deep', 'er'), { recursive: true });
    const element = [{ id: 'Patient.name', path: 'Patient.name', min: 1 }];
    writeFileSync(join(folder, 'deep', 'a.json'), JSON.stringify(profile('a', 'Patient', element)));
    const xml = `<StructureDefinition xmlns="http://hl7.org/fhir"><url value="${OURS}/b"/><version value="2"/><name value="b"/><status value="active"/><fhirVersion value="4.0.1"/><kind value="resource"/><abstract value="false"/><type value="Patient"/><baseDefinition value="${HL7}/Patient"/><derivation value="constraint"/><differential><element id="Patient.name"><path value="Patient.name"/><short value="a name"/><min value="1"/></element></differential></StructureDefinition>`;
    writeFileSync(join(folder, 'deep', 'er', 'b.xml.gz'), gzipSync(`\uFEFF${xml}`));
    writeFileSync(join(folder, 'deep', 'index.json'), '[]');
    const definitions = await loadDefinitions('R4', [folder]);
    assert.equal(definitions.count, 2);
    for (const name of ['a', 'b'])
      assert.equal(elementOf(definitions.profile(`${OURS}/${name}`), 'Patient.name').min, 1);
    assert.deepEqual(definitions.problems, []);
  });

  it('of another release are left out, by their version and by that of their package', async () => {
    const stu3 = profile('old', 'Patient', [{ path: 'Patient.name', min: 1 }], { fhirVersion: '3.0.1' });
    const path = packageWith([stu3, profile('new', 'Patient', [{ path: 'Patient.name', min: 1 }])], {});
    const definitions = await loadDefinitions('STU3', [path]);
    assert.equal(definitions.profile(`${OURS}/new`), undefined);
    assert.equal(elementOf(definitions.profile(`${OURS}/old`), 'Patient.name').min, 1);
    const packaged = packageWith(
      [{ resourceType: 'ValueSet', url: 'https://example.org/v' }],
      { fhirVersions: ['4.0.1'] },
      'b.tgz',
    );
    assert.equal((await loadDefinitions('STU3', [packaged])).count, 0);
  });

  it('that cannot be used are named with their file and the cause, and the others are used', async () => {
    writeFileSync(join(folder, 'broken.json'), '{"resourceType": "StructureDefinition"');
    writeFileSync(join(folder, 'nothing.json'), JSON.stringify({ resourceType: 'ValueSet' }));
    writeFileSync(
      join(folder, 'good.json'),
      JSON.stringify(profile('good', 'Patient', [{ path: 'Patient.name', min: 1 }])),
    );
    writeFileSync(
      join(folder, 'lost.json'),
      JSON.stringify(
        profile('lost', 'Patient', [{ path: 'Patient.name', min: 1 }], { baseDefinition: `${OURS}/away` }),
      ),
    );
    const definitions = await loadDefinitions('R4', [folder]);
    assert.ok(definitions.profile(`${OURS}/good`));
    assert.equal(definitions.profile(`${OURS}/lost`), undefined);
    assert.deepEqual(
      definitions.problems
        .map(({ file, text }) => [file.split('/').at(-1), text])
        .map(([file, text]) => `${file}: ${text}`)
        .map((text) => text.replace(/(JSON).*/, '$1')),
      [
        "broken.json: Expected ',' or '}' after property value in JSON",
        'nothing.json: It has no url.',
        `lost: Its base ${OURS}/away is not loaded.`,
      ],
    );
    await assert.rejects(loadDefinitions('R4', [join(folder, 'away')]), /away cannot be read \(ENOENT\)/);
    mkdirSync(join(folder, 'empty'));
    await assert.rejects(loadDefinitions('R4', [join(folder, 'empty')]), /empty has no FHIR definitions/);
  });

  it('that are based on themselves, or include themselves, end as a problem', async () => {
    const path = packageWith([
      profile('a', 'Patient', [{ path: 'Patient.name', min: 1 }], { baseDefinition: `${OURS}/b` }),
      profile('b', 'Patient', [{ path: 'Patient.name', min: 1 }], { baseDefinition: `${OURS}/a` }),
      {
        resourceType: 'ValueSet',
        url: 'https://example.org/v',
        compose: { include: [{ valueSet: ['https://example.org/v'] }] },
      },
    ]);
    const definitions = await loadDefinitions('R4', [path]);
    assert.equal(definitions.profile(`${OURS}/a`), undefined);
    assert.match(definitions.problems[0]?.text ?? '', /based on itself/);
    assert.equal(definitions.valueSet('https://example.org/v')?.has('x', undefined), undefined);
  });

  it('of an archive beyond a limit, or with names that lead out of it, are refused', async () => {
    const path = join(folder, 'bad.tgz');
    for (const [files, cause] of [
      [[{ name: '../../etc/x.json', content: '{}' }], /leads elsewhere/],
      [[{ name: '/etc/x.json', content: '{}' }], /leads elsewhere/],
      [[{ name: 'package/a.json', content: Buffer.alloc(64 * 1024 * 1024) }], /more than 200 times/],
      [Array.from({ length: 20_001 }, (_, at) => ({ name: `${at}`, content: '' })), /more than 20000 files/],
    ] as const) {
      writeFileSync(path, tgz(files));
      await assert.rejects(
        loadDefinitions('R4', [path]),
        ({ message }: Error) => /bad\.tgz cannot be used/.test(message) && cause.test(message),
      );
    }
  });

  it('of an archive that is damaged, cut off or no archive are refused', async () => {
    const path = join(folder, 'bad.tgz');
    const whole = tgz([{ name: 'package/a.json', content: JSON.stringify(profile('a', 'Patient', [])) }]);
    const tar = gunzipSync(whole);
    tar.write('x');
    const renamed = gzipSync(tar);
    for (const bytes of [
      whole.subarray(0, whole.length - 40),
      Buffer.from('hello'),
      gzipSync(Buffer.alloc(600, 7)),
      renamed,
    ]) {
      writeFileSync(path, bytes);
      await assert.rejects(loadDefinitions('R4', [path]), /bad\.tgz cannot be used: .*(damaged or cut|no plain file)/);
    }
  });

  it('ignore links and folders in an archive', async () => {
    const content = JSON.stringify(profile('a', 'Patient', [{ path: 'Patient.name', min: 1 }]));
    const files = [
      { name: 'package', content: '', type: '5' },
      { name: 'package/link.json', content: '', type: '2' },
      { name: 'package/a.json', content },
    ];
    writeFileSync(join(folder, 'a.tgz'), tgz(files));
    const { count, problems } = await loadDefinitions('R4', [join(folder, 'a.tgz')]);
    assert.deepEqual([count, problems], [1, []]);
  });

  it('have their known faults listed in docs/validation.md', () => {
    const listed = readFileSync(join(ROOT, 'docs', 'validation.md'), 'utf8');
    for (const { url, version, digest } of CORRECTIONS) {
      for (const text of [url, version, digest.slice(0, 12)]) assert.ok(listed.includes(text), text);
    }
  });

  it('as published for ITK3 lose their known faults when they are loaded', async function () {
    if (!existsSync(REFERENCE)) this.skip();
    const definitions = await loadDefinitions('STU3', [join(REFERENCE, 'stu3', 'StructureDefinition')]);
    for (const { url, isKept } of CORRECTIONS) {
      const elements = definitions.profile(url)?.elements ?? [];
      assert.ok(elements.length > 0, url);
      assert.deepEqual(
        elements.filter((element) => !isKept(element)).map(({ id }) => id),
        [],
      );
    }
    assert.deepEqual(definitions.problems, []);
  });

  it('of UK Core are expanded without a problem', async function () {
    this.timeout(20_000);
    if (!existsSync(REFERENCE)) this.skip();
    const definitions = await loadDefinitions('R4', [join(REFERENCE, 'ukcore-r4')]);
    const index = JSON.parse(readFileSync(join(REFERENCE, 'ukcore-r4', 'index.json'), 'utf8')) as Array<{
      kind: string;
      url: string;
    }>;
    for (const { kind, url } of index) {
      if (kind === 'StructureDefinition') assert.ok(definitions.profile(url), url);
    }
    assert.deepEqual(definitions.problems, []);
  });
});
