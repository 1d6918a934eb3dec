import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWorkers } from '../../lib/index';
import {
  closeBuiltInSandbox,
  deploy,
  helper,
  logText,
  Recorder,
  sandboxConfig,
  statusesOf,
  stop,
  takeMissingTexts,
  type Flow,
} from './support';

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

describe('mesh-send that validates', function () {
  this.timeout(60_000);
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(async () => {
    await endWorkers();
    await closeBuiltInSandbox();
  });

  const sending = (settings: object): Flow => [
    sandboxConfig('from', 'X26ABC1'),
    {
      id: 'node',
      type: 'mesh-send',
      mailbox: 'from',
      to: 'X26ABC2',
      toType: 'str',
      workflowId: 'WF',
      workflowIdType: 'str',
      wires: [['yes']],
      ...settings,
    },
    { id: 'yes', type: 'helper' },
    { id: 'catcher', type: 'catch', wires: [['caught']] },
    { id: 'caught', type: 'helper' },
  ];

  it('sends what is valid, and refuses the rest with the first error, what to do, and msg.validation', async () => {
    await deploy(sending({ validate: 'fhir' }));
    const good = await through('<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>', 'yes');
    assert.equal(good.validation.valid, true);
    const { error, validation } = await through({ resourceType: 'Patient', gender: 'mail' }, 'caught');
    assert.equal(error.code, 'MESH_INVALID_MESSAGE');
    assert.match(error.message, /not valid FHIR \(errors: 1\), and was not sent.*Patient\.gender/);
    assert.equal(validation.valid, false);
  });

  it('validates a file as it validates content, and refuses one that is not there or is too large', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mesh-validate-'));
    try {
      const [good, bad, large] = ['good.xml', 'bad.json', 'large.xml'].map((name) => join(folder, name));
      assert.ok(good && bad && large);
      writeFileSync(good, '<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>');
      writeFileSync(bad, '{"resourceType": "Patient", "gender": "mail"}');
      writeFileSync(large, '');
      truncateSync(large, 64 * 1024 * 1024 + 1);
      await deploy(sending({ validate: 'fhir', payloadIs: 'file' }));
      assert.equal((await through(good, 'yes')).validation.valid, true);
      assert.match((await through(bad, 'caught')).error.message, /not valid FHIR.*Patient\.gender/);
      assert.match((await through(large, 'caught')).error.message, /more than 64 MiB/);
      assert.equal((await through(join(folder, 'away.xml'), 'caught')).error.code, 'MESH_PAYLOAD');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('validates nothing unless it is set to', async () => {
    await deploy(sending({}));
    assert.equal((await through({ resourceType: 'Patient', gender: 'mail' }, 'yes')).validation, undefined);
  });
});
