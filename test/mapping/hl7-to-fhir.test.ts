import assert from 'node:assert/strict';
import {
  overlayMap,
  MapCompiler,
  readMapRows,
  shippedMap,
  type CodeTable,
  type WrittenMapRow,
} from '../../lib/mapping';
import { skipFor } from '../harness/skip';
import { hl7, MESSAGES, segment, type MessageName } from './messages';
import { errorsIn, map, resourceOf, resourcesOf, SYSTEMS, UK_CORE, type Json } from './support';

/** What the shipped map leaves of a message; of those that are not listed: nothing. */
const LEFT: Partial<Record<MessageName, readonly string[]>> = {
  'ADT^A28 of an older system': ['Z01-1', 'Z01-6', 'NK1-3=NSP'],
  'ORU^R01': ['OBX-6.unit: no-resource'],
  'ORU^R01 of an older system': ['OBR-2: not-of-its-type'],
  'MDM^T02': ['OBX-3.3'],
};

const FLAGS: CodeTable = {
  name: 'flags',
  version: '3',
  look: (_system, code) =>
    code === 'DNA' ? { system: 'http://snomed.info/sct', code: '1', display: 'Did not attend' } : undefined,
};

const withOwn = (...rows: WrittenMapRow[]): MapCompiler =>
  new MapCompiler(
    overlayMap({ name: 'own', version: '1', rows: readMapRows(rows) }, shippedMap('hl7-to-r4')),
    'R4',
    new Map([['flags', FLAGS]]),
  );

const patientWith = (fields: Record<number, string>): string =>
  hl7('MSH|^~\\&|PAS|RXX01|TIE|RXX02|20260301101500||ADT^A28|1|P|2.4', segment('PID', { 3: '1^^^RXX01', ...fields }));

describe('a map from HL7 v2 to FHIR', function () {
  this.timeout(60_000);

  for (const [name, message] of Object.entries(MESSAGES) as Array<[MessageName, string]>) {
    it(`makes valid FHIR R4 of ${name}, as a message, a transaction and a collection`, async () => {
      for (const output of ['message', 'transaction', 'collection'] as const) {
        assert.deepEqual(await errorsIn(map(message, { output }).payload), [], output);
      }
    });

    it(`makes UK Core of ${name}`, async function () {
      if (UK_CORE === undefined) return skipUnlessReferenced(this);
      assert.deepEqual(await errorsIn(map(message, { ukCore: true }).payload, [UK_CORE]), []);
      return undefined;
    });

    it(`lists what it left of ${name}`, () => {
      const { mapping } = map(message);
      const left = [
        ...mapping.unmapped.map(({ path }) => path),
        ...mapping.withoutCode.map(({ path, code }) => `${path}=${code}`),
        ...mapping.conditions.map(({ row }) => row),
        ...mapping.notWritten.map(({ row, reason }) => `${row}: ${reason}`),
      ];
      assert.deepEqual(left, LEFT[name] ?? []);
      assert.equal(mapping.complete, left.length === 0);
    });
  }

  it('makes a Patient with British identity of PID, PD1 and the settings', () => {
    const { payload } = map(MESSAGES['ADT^A01']);
    const patient = resourceOf(payload, 'Patient');
    const [nhs, local] = patient['identifier'] as Json[];
    assert.deepEqual(nhs, {
      system: 'https://fhir.nhs.uk/Id/nhs-number',
      value: '9449305552',
      extension: [
        {
          url: 'https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus',
          valueCodeableConcept: {
            coding: [
              {
                system: 'https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland',
                code: '01',
                display: 'Number present and verified',
              },
            ],
          },
        },
      ],
    });
    assert.equal(local?.['system'], SYSTEMS.RXX01);
    assert.deepEqual(
      [patient['gender'], patient['birthDate'], patient['deceasedBoolean'], patient['multipleBirthBoolean']],
      ['female', '1980-02-28', false, false],
    );
    assert.deepEqual(patient['_birthDate'], {
      extension: [
        {
          url: 'http://hl7.org/fhir/StructureDefinition/patient-birthTime',
          valueDateTime: '1980-02-28T08:30:00+00:00',
        },
      ],
    });
    assert.deepEqual(patient['name'], [
      { use: 'official', family: 'TESTER', given: ['Amy', 'Jane'], prefix: ['MRS'] },
      { use: 'maiden', family: 'OLDNAME', given: ['Amy'] },
    ]);
    assert.deepEqual(patient['telecom'], [
      { system: 'phone', value: '0113 4960000', use: 'home' },
      { system: 'email', value: 'amy@example.org' },
      { system: 'phone', value: '0113 4960001', use: 'work' },
    ]);
    const practice = resourcesOf(payload, 'Organization').find(({ name }) => name === 'THE SURGERY');
    assert.deepEqual(practice?.['identifier'], [
      { system: 'https://fhir.nhs.uk/Id/ods-organization-code', value: 'B86001' },
    ]);
  });

  it('takes a status from the event, and finished from the time of discharge', () => {
    const statuses = (['ADT^A01', 'ADT^A03', 'ADT^A05', 'ADT^A11', 'ADT^A13'] as const).map(
      (name) => resourceOf(map(MESSAGES[name]).payload, 'Encounter')['status'],
    );
    assert.deepEqual(statuses, ['in-progress', 'finished', 'planned', 'cancelled', 'in-progress']);
  });

  it('writes each repeat with its own role, and one resource for values that are the same', () => {
    const { payload } = map(MESSAGES['ADT^A01']);
    const participants = resourceOf(payload, 'Encounter')['participant'] as Array<{ individual: Json; type: Json[] }>;
    const roles = participants.map(({ type }) => (type[0] as { coding: Json[] }).coding[0]?.['code']);
    assert.deepEqual(roles, ['ATND', 'REF', 'CON', 'ADM', 'REF']);
    assert.deepEqual(participants[0]?.individual, participants[3]?.individual);
    assert.equal(resourcesOf(payload, 'Practitioner').length, 4);
  });

  it('makes a Location for each level of PL, each part of the one above', () => {
    const { payload } = map(MESSAGES['ADT^A01']);
    const levels = resourcesOf(payload, 'Location').map(({ name }) => name);
    assert.deepEqual(levels, ['B1', '2', 'WARD1', 'BAY2', 'BED3', 'WARD0', 'WARD9']);
  });

  it('makes a report, its results with values of their kinds, and the request of ORU', () => {
    const { payload } = map(MESSAGES['ORU^R01']);
    const results = resourcesOf(payload, 'Observation');
    const valueOf = (result: Json): unknown =>
      result['valueQuantity'] ??
      result['valueString'] ??
      (result['valueCodeableConcept'] as Json | undefined)?.['text'];
    assert.deepEqual(results.map(valueOf), [
      { value: 118, code: 'g/L', system: 'http://unitsofmeasure.org', unit: 'g/L' },
      { value: 5, comparator: '<', unit: 'mg/L' },
      'First line\nSecond line',
      'Group A',
      'clumped',
      undefined,
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['final', 'final', 'final', 'corrected', 'preliminary', 'final'],
    );
    assert.deepEqual(results[0]?.['note'], [{ text: 'Repeat in a month' }, { text: 'and with ferritin' }]);
    const report = resourceOf(payload, 'DiagnosticReport');
    assert.equal((report['result'] as unknown[]).length, 6);
    assert.deepEqual(report['presentedForm'], [{ contentType: 'application/pdf', data: 'JVBERi0xLjQK' }]);
    assert.equal(resourcesOf(payload, 'ServiceRequest').length, 1);
  });

  it('keeps the parts of a document, its status and what it goes with', () => {
    const document = resourceOf(map(MESSAGES['MDM^T02']).payload, 'DocumentReference');
    assert.deepEqual(document['content'], [
      { attachment: { title: 'Letter', data: 'JVBERi0xLjQK', contentType: 'application/pdf' } },
      {
        attachment: {
          title: 'Summary',
          data: Buffer.from('She went home.').toString('base64'),
          contentType: 'text/plain; charset=utf-8',
        },
      },
    ]);
    assert.deepEqual([document['docStatus'], document['status']], ['final', 'current']);
  });

  it('makes an appointment with its patient, staff and places, cancelled by S15', () => {
    const booked = resourceOf(map(MESSAGES['SIU^S12']).payload, 'Appointment');
    assert.deepEqual(
      [booked['status'], booked['start'], booked['end'], booked['minutesDuration'], booked['comment']],
      ['booked', '2026-04-01T10:00:00+01:00', '2026-04-01T10:30:00+01:00', 30, 'Bring your medicines\nand your letter'],
    );
    assert.equal((booked['participant'] as unknown[]).length, 6);
    assert.equal(resourceOf(map(MESSAGES['SIU^S15']).payload, 'Appointment')['status'], 'cancelled');
  });

  it('maps a report of 20,000 results and hostile segments in bounded time, and lists each path once', function () {
    this.timeout(120_000);
    const [head = '', ...rest] = MESSAGES['ORU^R01'].split(/(?=OBX\|1)/);
    assert.equal(rest.length, 1);
    const result = (index: number): string =>
      `OBX|${index}|NM|C${index}^A result with a long name, as laboratories have them, of number ${index}^LOCAL|a|${index}|mmol/L|0 - 5|N|||F|||20260301120000||BB1^Bench^Bea`;
    const huge = `${head}${Array.from({ length: 20_000 }, (_, index) => result(index + 1)).join('\r')}\r`;
    const start = performance.now();
    const { payload, mapping } = map(huge);
    const seconds = (performance.now() - start) / 1000;
    assert.equal(resourcesOf(payload, 'Observation').length, 20_000);
    assert.deepEqual(mapping.unmapped, [{ path: 'OBX-4', count: 20_000 }]);
    assert.ok(seconds < 60, `${seconds} s`);
    const names = Array.from(
      { length: 5000 },
      (_, index) => `Z${index.toString(36).toUpperCase().padStart(2, '0').slice(-2)}|x`,
    );
    const hostile = map(hl7('MSH|^~\\&|||||||ADT^__proto__|1', 'PID|||__proto__^^^constructor', ...names)).mapping;
    assert.ok(hostile.unmapped.length <= 1000);
  });

  it('links the patients of a merge', () => {
    const [kept, merged] = resourcesOf(map(MESSAGES['ADT^A40']).payload, 'Patient') as [Json, Json];
    const types = [kept, merged].map((patient) => (patient['link'] as Json[])[0]?.['type']);
    assert.deepEqual([types, merged['active']], [['replaces', 'replaced-by'], false]);
  });

  it('has the same ids for the same message', () =>
    assert.deepEqual(map(MESSAGES['ADT^A01']).payload, map(MESSAGES['ADT^A01']).payload));

  it('keeps precision and zone of times, and takes those without a zone for British', () => {
    const died = (time: string): unknown =>
      resourceOf(map(patientWith({ 29: time })).payload, 'Patient')['deceasedDateTime'];
    assert.deepEqual(
      ['2026', '202607', '20260701', '202607011015', '20260701101530.25-0500', '20260101101530'].map(died),
      [
        '2026',
        '2026-07',
        '2026-07-01',
        '2026-07-01T10:15:00+01:00',
        '2026-07-01T10:15:30.25-05:00',
        '2026-01-01T10:15:30+00:00',
      ],
    );
  });

  it('reports a value that is not what its type says, one that is deleted, and one whose element was written', () => {
    const { mapping } = map(patientWith({ 7: '20260230', 8: '""', 29: '20260101', 30: 'Y' }));
    assert.deepEqual(
      mapping.notWritten.map(({ path, reason }) => `${path}: ${reason}`),
      ['PID-7: not-of-its-type', 'PID-8: deleted'],
    );
    const twice = map(patientWith({ 8: 'F~M' })).mapping.notWritten;
    assert.deepEqual(twice, [{ row: 'PID-8', path: 'PID-8', reason: 'written-before', count: 1 }]);
  });

  it('reports a code for which the table has none, and a number that is no NHS number keeps its value only', () => {
    const { payload, mapping } = map(patientWith({ 3: '9449305553^^^NHS', 8: 'Q', 16: 'X^Unclear' }));
    assert.deepEqual(
      mapping.withoutCode.map(({ row, table, code }) => [row, table, code]),
      [
        ['PID-8', 'HL70001', 'Q'],
        ['PID-16', 'HL70002', 'X'],
      ],
    );
    const patient = resourceOf(payload, 'Patient');
    assert.deepEqual(patient['identifier'], [{ value: '9449305553', assigner: { display: 'NHS' } }]);
    assert.deepEqual(patient['maritalStatus'], { coding: [{ code: 'X', display: 'Unclear' }], text: 'Unclear' });
  });

  it('reports conditions of which none held, fields without a row and components that its data type leaves', () => {
    const compiler = withOwn({
      id: 'own',
      source: 'PID-27',
      condition: "PID-8 = 'M'",
      target: 'Patient.gender',
      type: 'ST',
    });
    const { mapping } = map(
      patientWith({ 8: 'F', 27: 'veteran', 31: 'Y', 33: '2026', 11: '1 The Street^^^^^^^^^E01' }),
      {},
      compiler,
    );
    assert.deepEqual(mapping.conditions, [{ row: 'own', path: 'PID-27', condition: "PID-8 = 'M'", count: 1 }]);
    assert.deepEqual(mapping.unmapped, [
      { path: 'PID-11.10', count: 1 },
      { path: 'PID-31', count: 1 },
      { path: 'PID-33', count: 1 },
    ]);
  });

  it('lets the user’s rows come before its own: by id, by source and target, and as the first that writes', () => {
    const message = patientWith({ 8: 'M', 31: 'Y', 16: 'M' });
    const byId = map(message, {}, withOwn({ id: 'PID-8', source: 'PID-8', target: 'Patient.gender', value: 'other' }));
    assert.equal(resourceOf(byId.payload, 'Patient')['gender'], 'other');
    const byPlace = map(
      message,
      {},
      withOwn({ id: 'mine', source: 'PID-8', target: 'Patient.gender', value: 'unknown' }),
    );
    assert.equal(resourceOf(byPlace.payload, 'Patient')['gender'], 'unknown');
    const first = map(message, {}, withOwn({ id: 'mine', source: 'PID-31', target: 'Patient.gender', value: 'other' }));
    assert.equal(resourceOf(first.payload, 'Patient')['gender'], 'other');
    assert.deepEqual(first.mapping.notWritten, [{ row: 'PID-8', path: 'PID-8', reason: 'written-before', count: 1 }]);
  });

  it('takes rows for segments of one’s own, and for resources that it opens', async () => {
    const compiler = withOwn(
      { id: 'z', source: 'ZPI', target: 'Flag' },
      { id: 'z.status', source: 'ZPI', target: 'Flag.status', value: 'active' },
      { id: 'z.subject', source: 'ZPI', target: 'Flag.subject', type: 'Reference', value: 'Patient' },
      { id: 'z-1', source: 'ZPI-1', target: 'Flag.code', type: 'CWE', table: 'flags' },
    );
    const message = patientWith({ 8: 'M' }).replace(/$/, 'ZPI|DNA\r');
    const { payload, mapping } = map(message, {}, compiler);
    assert.equal(mapping.complete, true);
    assert.deepEqual((resourceOf(payload, 'Flag')['code'] as Json)['coding'], [
      { system: 'http://snomed.info/sct', code: '1', display: 'Did not attend' },
    ]);
    assert.deepEqual(await errorsIn(payload), []);
  });

  it('marks each value with its row where it is asked to', () => {
    const { mapping } = map(MESSAGES['ADT^A01'], { trace: true });
    const row = mapping.rows?.find(({ target }) => target === 'Patient.gender');
    assert.deepEqual([row?.row, row?.path, row?.resource.startsWith('urn:uuid:')], ['PID-8', 'PID-8', true]);
    assert.equal(map(MESSAGES['ADT^A01']).mapping.rows, undefined);
  });

  it('refuses rows that it cannot use when it is made, and names them', () => {
    for (const [row, text] of [
      [{ source: 'PID-8', target: 'Patient.sex', type: 'ST' }, /Row r of the map cannot be used.*no element sex/],
      [{ source: 'PID8', target: 'Patient.gender', type: 'ST' }, /no path into an HL7 v2 message/],
      [{ source: 'PID-8', target: 'Patient.gender', type: 'QQ' }, /no data type map from QQ to code/],
      [{ source: 'PID-8', target: 'Patient.gender', type: 'ST', condition: 'PID-8 = ' }, /condition .* cannot be used/],
      [{ source: 'PID-8', target: 'Patient.gender', type: 'ST', table: 'none' }, /no table “none”/],
      [{ source: 'PID-8', target: 'Patients.gender', type: 'ST' }, /Patients is no resource/],
      [{ source: 'PID-8', target: 'Patient.__proto__.x', type: 'ST' }, /no element __proto__/],
    ] as const) {
      assert.throws(() => withOwn({ id: 'r', ...row }), text);
    }
  });
});

function skipUnlessReferenced(test: Mocha.Context): void {
  if (process.env['MESH_REFERENCE'] !== undefined) skipFor(test, 'the definitions of UK Core in MESH_REFERENCE');
  test.skip();
}
