import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWorkers } from '../../lib/index';
import { deploy, helper, logText, Recorder, statusesOf, stop, takeMissingTexts, type Flow } from './support';

const OURS = 'https://example.org/fhir/StructureDefinition/named';
const flow = (settings: object, sources: string): Flow => [
  { id: 'node', type: 'mesh-fhir-validate', definitions: 'profiles', wires: [['yes'], ['no']], ...settings },
  { id: 'profiles', type: 'mesh-fhir-profiles', sources },
  { id: 'yes', type: 'helper' },
  { id: 'no', type: 'helper' },
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
];

interface Validated {
  payload: unknown;
  validation: { valid: boolean; release?: string; issues: Array<{ severity: string; path: string; rule: string }> };
  error: { code: string; message: string };
}

async function through(payload: unknown, to: 'yes' | 'no' | 'caught'): Promise<Validated> {
  const out = new Recorder(to);
  helper.getNode('node').receive({ payload });
  return (await out.get(1, 30_000)) as unknown as Validated;
}

describe('mesh-fhir-validate', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mesh-validate-'));
    const profile = {
      resourceType: 'StructureDefinition',
      url: OURS,
      fhirVersion: '4.0.1',
      kind: 'resource',
      abstract: false,
      type: 'Patient',
      baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
      derivation: 'constraint',
      differential: { element: [{ id: 'Patient.name', path: 'Patient.name', min: 1 }] },
    };
    writeFileSync(join(folder, 'named.json'), JSON.stringify(profile));
  });
  afterEach(async () => {
    await stop();
    rmSync(folder, { recursive: true });
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(endWorkers);

  it('sends what is valid to its first output and the rest to its second, as it came, with what is wrong', async () => {
    await deploy(flow({ release: 'auto' }, folder));
    const statuses = statusesOf('node');
    const xml = Buffer.from('<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>');
    const good = await through(xml, 'yes');
    assert.deepEqual([good.validation.valid, good.payload], [true, xml]);
    for (const [payload, path] of [
      ['<Patient xmlns="http://hl7.org/fhir"><gender value="mail"/></Patient>', 'Patient.gender'],
      ['{"resourceType":"Patient","gender":"mail"}', 'Patient.gender'],
      [{ resourceType: 'Patient', gender: 'mail' }, 'Patient.gender'],
      ['SMITH', ''],
    ] as const) {
      const bad = await through(payload, 'no');
      assert.equal(bad.validation.valid, false);
      assert.equal(bad.validation.issues.find(({ severity }) => severity === 'error')?.path, path);
      assert.deepEqual(bad.payload, payload);
      assert.doesNotMatch(JSON.stringify(bad.validation), /SMITH/);
    }
    assert.equal(statuses[0]?.text, 'valid');
    assert.equal(statuses.at(-1)?.text, '1 error');
  });

  it('validates by profiles that are claimed and profiles that are demanded', async () => {
    await deploy(flow({ release: 'R4' }, folder));
    const claimed = { resourceType: 'Patient', meta: { profile: [OURS] }, gender: 'male' };
    const { issues } = (await through(claimed, 'no')).validation;
    assert.ok(issues.some(({ severity, rule }) => severity === 'error' && rule === 'cardinality'));
    await stop();
    await deploy(flow({ release: 'R4', profiles: OURS }, folder));
    await through({ resourceType: 'Patient', gender: 'male' }, 'no');
    await through({ resourceType: 'Patient', name: [{ family: 'A' }] }, 'yes');
  });

  it('raises an error that names the path where definitions cannot be read', async () => {
    await deploy(flow({}, join(folder, 'away')));
    const { error } = await through({ resourceType: 'Patient' }, 'caught');
    assert.equal(error.code, 'MESH_CONFIGURATION');
    assert.match(error.message, /away cannot be read \(ENOENT\)/);
  });

  it('warns once of a definition that cannot be used, with its file', async () => {
    writeFileSync(join(folder, 'odd.json'), JSON.stringify({ resourceType: 'ValueSet' }));
    await deploy(flow({ release: 'R4' }, folder));
    for (let count = 0; count < 2; count += 1) await through({ resourceType: 'Patient', gender: 'male' }, 'yes');
    assert.equal(logText().match(/odd\.json: It has no url/g)?.length, 1);
  });

  it('takes a warning for not valid where that is set', async () => {
    await deploy(flow({ release: 'R4', level: 'warning' }, folder));
    const claimed = { resourceType: 'Patient', meta: { profile: ['https://example.org/unheard-of'] }, gender: 'male' };
    await through(claimed, 'no');
  });

  it('refuses a message without something to validate', async () => {
    await deploy(flow({}, folder));
    const { error } = await through(5, 'caught');
    assert.equal(error.code, 'MESH_INVALID_MESSAGE');
  });
});
