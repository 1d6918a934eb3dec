import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { MeshError } from '../../lib/errors';
import { fhirXmlToObject } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { readHl7, writeHl7, type Hl7Message } from '../../lib/formats/hl7/message';
import { buildLetter } from '../../lib/letters/build-letter';
import { documentId } from '../../lib/letters/document';
import { letterFromHl7 } from '../../lib/letters/from-hl7';
import { TRANSFERS_OF_CARE, type TransferOfCareKind } from '../../lib/letters/headings';
import { narrativeText } from '../../lib/letters/narrative-text';
import { readLetter, type ReceivedLetter } from '../../lib/letters/read-letter';
import { letterToMdm } from '../../lib/letters/to-hl7';
import { dischargeLetter, forKind, mdm, NOW, PDF, SECTIONS, SENDER, sendDocumentLetter } from './letters';
import { updateRecord } from './update-record';

const OPTIONS = {
  controlId: 'CONTROL2',
  from: { application: 'MESH', facility: 'X26' },
  to: { application: 'EPR', facility: 'X99999' },
  now: NOW,
};

/** Sends a message as XML, and reads it as a receiver does. */
const received = (message: Record<string, unknown>): ReceivedLetter =>
  readLetter(fhirXmlToObject(fhirJsonToXml(message)));
/** Writes a letter for an EPR, and reads what the EPR gets. */
const atTheEpr = (letter: ReceivedLetter): Hl7Message => readHl7(writeHl7(letterToMdm(letter, OPTIONS)));

describe('a received letter', () => {
  it('of GP Connect says who, what and by whom, and brings its PDF byte for byte into the MDM', () => {
    const letter = received(buildLetter('send-document', sendDocumentLetter(), SENDER).message);
    assert.equal(letter.event?.code, 'ITK007C');
    assert.equal(letter.title, 'Clinic letter');
    assert.equal(letter.written, '2026-07-16T11:00:00+01:00');
    assert.deepEqual(letter.sender, { odsCode: 'X26', name: 'Example Hospital', phone: '01632960000' });
    const { nhsNumber, numberStatus, family, given, prefix, birthDate, gender } = letter.patient;
    assert.deepEqual(
      [nhsNumber, numberStatus, family, given, prefix, birthDate, gender],
      ['9997877896', '01', 'O’SAMPLE', ['TESTA', 'ANNE'], 'MRS', '1980-02-29', 'female'],
    );
    const message = atTheEpr(letter);
    const again = letterFromHl7(message);
    assert.deepEqual(Buffer.from(again.documents?.[0]?.content ?? '', 'base64'), PDF);
    assert.equal(again.documents?.[0]?.contentType, 'application/pdf');
    assert.equal(again.patient?.nhsNumber, '9997877896');
    assert.equal(again.patient?.family, 'O’SAMPLE');
    assert.equal(again.documentNumber, documentId('X26', 'DOC2'));
    assert.equal(again.author?.family, 'CONSULTANT');
    assert.deepEqual(letter.otherResources, {});
  });

  it('that replaces another becomes a T10 with both document numbers', () => {
    const letter = received(
      buildLetter('send-document', sendDocumentLetter(mdm({ replaces: 'DOC1' })), SENDER).message,
    );
    const again = letterFromHl7(atTheEpr(letter));
    assert.deepEqual([again.documentNumber, again.replaces], [documentId('X26', 'DOC2'), documentId('X26', 'DOC1')]);
  });

  it('of Transfer of Care has each section under its heading, at the EPR too', () => {
    for (const kind of Object.keys(TRANSFERS_OF_CARE) as TransferOfCareKind[]) {
      const letter = received(buildLetter(kind, dischargeLetter(forKind(kind)), SENDER).message);
      const again = letterFromHl7(atTheEpr(letter)).sections ?? {};
      assert.equal(again['Allergies and adverse reactions'], SECTIONS['Allergies and adverse reactions']);
      assert.match(again['Patient demographics'] ?? '', /NHS number: 999 787 7896/);
      if (kind === 'emergency-care') continue;
      assert.equal(again['Clinical summary'], SECTIONS['Clinical summary']);
      assert.equal(letter.otherResources['Encounter'], 1);
    }
  });

  it('for NHS Notify brings its PDF and its NHS number', () => {
    const letter = readLetter(buildLetter('notify', sendDocumentLetter(), SENDER).message);
    assert.deepEqual(Buffer.from(letter.documents[0]?.content ?? '', 'base64'), PDF);
    assert.equal(letter.patient.nhsNumber, '9997877896');
  });

  it('of Update Record has what it says in codes as text, and its pharmacist', () => {
    const letter = received(updateRecord());
    assert.deepEqual(
      letter.sections.map(({ text }) => text.split('\n')),
      [
        [
          'observation',
          'status: final',
          'code: Blood pressure (75367002)',
          'effective: 2026-07-16T10:30:00+01:00',
          'component code: Systolic blood pressure (271649006)',
          'component value: 142 mmHg',
          'component code: Diastolic blood pressure (271650006)',
          'component value: 91 mmHg',
          'observation',
          'status: final',
          'code: Advice given',
          'value: To see the practice nurse within 7 days',
        ],
      ],
    );
    assert.equal(letter.author.family, 'PHARMACIST');
    assert.deepEqual(letter.otherResources, {});
    const [obx] = atTheEpr(letter)['OBX'] as Array<{ f3: Array<{ c1: string }> }>;
    assert.equal(obx?.f3[0]?.c1, '1659111000000107');
  });

  it('with neither text nor a file is refused: an EPR would file an empty letter', () => {
    const empty = { resourceType: 'Bundle', entry: [{ resource: { resourceType: 'Composition', title: 'T' } }] };
    assert.throws(() => letterToMdm(readLetter(empty), OPTIONS), /neither text nor a file/);
  });

  it('counts the resources that are in none of its fields', () => {
    const { message } = buildLetter('send-document', sendDocumentLetter(), SENDER);
    const inner = (message['entry'] as Array<{ resource: { entry: object[] } }>)[2]?.resource;
    const observation = { resourceType: 'Observation', status: 'final', code: { text: 'Pulse' } };
    inner?.entry.push(
      { fullUrl: 'urn:uuid:1', resource: observation },
      { fullUrl: 'urn:uuid:2', resource: observation },
    );
    assert.deepEqual(readLetter(message).otherResources, { Observation: 2 });
  });

  it('has a line for each paragraph and table row of a narrative, and says where an image was', () => {
    const div =
      '<div xmlns="http://www.w3.org/1999/xhtml"><p>One &amp; &#x32;</p><table><tr><th>Drug</th><th>Dose</th></tr>' +
      '<tr><td>A &lt; B</td><td>5 mg</td></tr></table><ul><li>First</li><li>Second<br/>line</li></ul><p><img src="#a" alt="x"/></p></div>';
    assert.equal(
      narrativeText(div),
      ['One & 2', 'Drug | Dose', 'A < B | 5 mg', 'First', 'Second', 'line', '[image]'].join('\n'),
    );
  });

  it('is read or refused, whatever a bundle has in it', () => {
    const bundle = fc.record({
      resourceType: fc.constant('Bundle'),
      entry: fc.array(fc.record({ fullUrl: fc.anything(), resource: fc.anything() })),
    });
    const composition = fc.record({
      resourceType: fc.constant('Composition'),
      section: fc.anything(),
      author: fc.anything(),
      subject: fc.anything(),
      type: fc.anything(),
      relatesTo: fc.anything(),
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          bundle,
          composition.map((resource) => ({ resourceType: 'Bundle', entry: [{ resource }] })),
        ),
        (value) => {
          try {
            letterToMdm(readLetter(value), OPTIONS);
          } catch (error) {
            assert.ok(error instanceof MeshError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
    let deep: object = { resourceType: 'Composition' };
    for (let level = 0; level < 5000; level += 1) deep = { resourceType: 'Bundle', entry: [{ resource: deep }] };
    assert.throws(() => readLetter(deep), /nested too deep/);
  });
});
