// cspell:ignore titel QUJD
import assert from 'node:assert/strict';
import { InvalidMessageError } from '../../lib/errors';
import { fhirXmlToObject } from '../../lib/formats/fhir/from-xml';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import { buildLetter } from '../../lib/letters/build-letter';
import { documentId } from '../../lib/letters/document';
import {
  HEADING_NAMES,
  headingCode,
  LETTER_KINDS,
  TRANSFERS_OF_CARE,
  type TransferOfCareKind,
} from '../../lib/letters/headings';
import { readLetterFields, type Letter } from '../../lib/letters/letter';
import { adt, dischargeLetter, forKind, mdm, OWN, PDF, SENDER, sendDocumentLetter } from './letters';

type Json = Record<string, unknown>;
interface Bundle extends Json {
  entry: Array<{ fullUrl: string; resource: Json & { resourceType: string; id: string; meta: { profile: string[] } } }>;
}

/** Returns the resources of the document in a message by type: the first of each. */
function document(message: Json): Record<string, Json> {
  const inner = (message as Bundle).entry.find(({ resource }) => resource.resourceType === 'Bundle')
    ?.resource as unknown as Bundle;
  return Object.fromEntries([
    ['Bundle', inner],
    ...inner.entry.map(({ resource }) => [resource.resourceType, resource] as const).toReversed(),
  ]);
}

/** Returns the Composition of the document in a message. */
const compositionOf = (message: Json): Json => document(message)['Composition'] ?? {};

const refusal = (build: () => unknown): InvalidMessageError => {
  try {
    build();
  } catch (error) {
    assert.ok(error instanceof InvalidMessageError, String(error));
    assert.doesNotMatch(`${error.message} ${error.advice}`, /9997877896|O’SAMPLE|TESTA|1980|EXAMPLE ST/i);
    return error;
  }
  assert.fail('it was built');
};

describe('a letter', () => {
  it('of GP Connect has its PDF byte for byte behind the XML, and what the subject and the address are made of', () => {
    const built = buildLetter('send-document', sendDocumentLetter(), SENDER);
    const sent = fhirXmlToObject(fhirJsonToXml(built.message)) as unknown as Json;
    const { Binary: binary, Composition: composition, Practitioner: author } = document(sent);
    assert.deepEqual(Buffer.from(String(binary?.['content']), 'base64'), PDF);
    assert.equal(composition?.['title'], 'Clinic letter');
    // A consultant's code is no SDS user id.
    assert.equal(author?.['identifier'], undefined);
    assert.deepEqual(built.gpConnect, {
      title: 'Clinic letter',
      patientName: 'MRS TESTA ANNE O’SAMPLE',
      nhsNumber: '9997877896',
      practiceName: 'Example Hospital',
      version: '1',
    });
    assert.deepEqual(built.patient, { nhsNumber: '9997877896', birthDate: '1980-02-29', surname: 'O’SAMPLE' });
    assert.equal(built.workflowId, 'GPCONNECT_SEND_DOCUMENT');
  });

  it('claims the profile of every resource, and has each one at the address by which others refer to it', () => {
    for (const kind of LETTER_KINDS.filter((each) => each !== 'notify')) {
      const letter = kind === 'send-document' ? sendDocumentLetter() : dischargeLetter(forKind(kind));
      const { message } = buildLetter(kind, letter, SENDER);
      const outer = message as unknown as Bundle;
      const inner = document(message)['Bundle'] as Bundle;
      const all = [...outer.entry, ...inner.entry];
      for (const { fullUrl, resource } of all) {
        assert.equal(fullUrl, `urn:uuid:${resource.id}`);
        assert.match(
          resource.meta.profile[0] ?? '',
          /^https:\/\/fhir\.(nhs|hl7\.org)\.uk\/STU3\/StructureDefinition\//,
        );
      }
      assert.equal(new Set(all.map(({ fullUrl }) => fullUrl)).size, all.length);
      const references = [...JSON.stringify(message).matchAll(/"reference":"(urn:uuid:[^"]+)"/g)].map(
        ([, target]) => target,
      );
      for (const target of references)
        assert.ok(
          all.some(({ fullUrl }) => fullUrl === target),
          kind,
        );
      assert.ok(inner['meta'] && inner['identifier']);
    }
  });

  it('that replaces another names the id which that one had', () => {
    const first = buildLetter('send-document', sendDocumentLetter(mdm()), SENDER);
    const second = buildLetter(
      'send-document',
      sendDocumentLetter(mdm({ replaces: 'DOC2' }), { documentNumber: 'DOC3' }),
      SENDER,
    );
    const idOf = (message: Json): unknown => document(message)['Composition']?.['identifier'];
    const [relation] = compositionOf(second.message)['relatesTo'] as Json[];
    assert.deepEqual(relation, { code: 'replaces', targetIdentifier: idOf(first.message) });
    assert.notDeepEqual(idOf(second.message), idOf(first.message));
    assert.equal(second.gpConnect?.version, '2');
    // Sent again it is the same document in another message.
    const again = buildLetter('send-document', sendDocumentLetter(mdm()), SENDER);
    assert.deepEqual(idOf(again.message), idOf(first.message));
    assert.notEqual(again.itk3Id, first.itk3Id);
    assert.notEqual(documentId('X27', 'DOC2'), documentId('X26', 'DOC2'));
  });

  it('is refused by the names of everything mandatory that is not there', () => {
    const { message } = refusal(() =>
      buildLetter('send-document', sendDocumentLetter(adt(), {}), { ...SENDER, odsCode: '' }),
    );
    for (const name of ['sender’s ODS code', 'title', 'type', 'document ('])
      assert.ok(message.includes(name), `${name}: ${message}`);
    const discharge = refusal(() => buildLetter('inpatient-discharge', dischargeLetter({}), SENDER)).message;
    for (const name of ['Allergies and adverse reactions', 'Clinical summary', 'Diagnoses'])
      assert.ok(discharge.includes(`“${name}”`));
    const nobody = refusal(() => buildLetter('emergency-care', {}, SENDER)).message;
    for (const name of [
      'NHS number (',
      'surname',
      'birth date',
      'verification status',
      'author',
      'time',
      'care setting',
    ]) {
      assert.ok(nobody.includes(name), `${name}: ${nobody}`);
    }
    const phone = refusal(() =>
      buildLetter('send-document', { ...sendDocumentLetter(), sender: { name: 'Example Hospital' } }, SENDER),
    );
    assert.match(phone.message, /telephone/);
  });

  it('never says that there are no allergies where none are named', () => {
    for (const kind of Object.keys(TRANSFERS_OF_CARE) as TransferOfCareKind[]) {
      const { sections, ...rest } = forKind(kind);
      const { 'Allergies and adverse reactions': _allergies, ...others } = sections ?? {};
      assert.match(
        refusal(() => buildLetter(kind, dischargeLetter({ ...rest, sections: others }), SENDER)).message,
        /Allergies/,
      );
    }
  });

  it('has the allergies, diagnoses and procedures of AL1, DG1 and PR1, and headed texts of OBX', () => {
    const message = adt(
      'AL1|1|DA|294505008^Amoxicillin allergy||Rash~Wheeze',
      'DG1|1||R07.4^Chest pain, unspecified^I10',
      'PR1|1||X^Coronary angiography',
      'OBX|1|FT|887181000000106^Clinical summary||Line one\\.br\\Line \\T\\ two||||||F',
    );
    const { Composition: composition } = document(
      buildLetter('inpatient-discharge', dischargeLetter({}, message), SENDER).message,
    );
    const text = JSON.stringify(composition);
    assert.match(text, /<p>Amoxicillin allergy: Rash: Wheeze<\/p>/);
    assert.match(text, /<p>Chest pain, unspecified<\/p>/);
    assert.match(text, /<p>Coronary angiography<\/p>/);
    assert.match(text, /<p>Line one<\/p><p>Line &amp; two<\/p>/);
  });

  it('puts each heading into the document by its code, in documents that know it only', () => {
    for (const kind of Object.keys(TRANSFERS_OF_CARE) as TransferOfCareKind[]) {
      const { headings } = TRANSFERS_OF_CARE[kind];
      for (const heading of HEADING_NAMES) {
        const sections = { ...forKind(kind).sections, [heading]: 'Text' };
        const build = (): Json => buildLetter(kind, dischargeLetter({ sections }), SENDER).message;
        if (!(headings as readonly string[]).includes(heading)) {
          assert.match(refusal(build).message, /has no place in this document/);
          continue;
        }
        const found = (compositionOf(build())['section'] as Json[]).find(({ code }) =>
          JSON.stringify(code).includes(headingCode(heading).code),
        );
        assert.equal(found?.['title'], headingCode(heading).title);
      }
    }
  });

  it('is refused when it is a draft, withdrawn, confidential, not final, or its document is not whole', () => {
    const cases: Array<[RegExp, () => Letter]> = [
      [/confidential/, () => sendDocumentLetter(mdm({ txa18: 'R' }))],
      [/confidential/, () => sendDocumentLetter(mdm({ txa18: 'V' }))],
      [/authenticated/, () => sendDocumentLetter(mdm({ txa17: 'DI' }))],
      [/withdrawn/, () => sendDocumentLetter(mdm({ txa19: 'CA' }))],
      [/not final/, () => sendDocumentLetter(mdm({ obx: 'OBX|1|ED|CL||^application^PDF^Base64^QUJD||||||P' }))],
      [/base64/, () => sendDocumentLetter(mdm({ obx: 'OBX|1|ED|CL||^application^PDF^Base64^QUJ||||||F' }))],
      [/base64/, () => sendDocumentLetter(mdm({ obx: 'OBX|1|ED|CL||^application^PDF^Base64^||||||F' }))],
      [/reference/, () => sendDocumentLetter(mdm({ obx: 'OBX|1|RP|CL||\\\\server\\letter.pdf||||||F' }))],
      [
        /type of its document/,
        () => sendDocumentLetter(mdm({ obx: 'OBX|1|ED|CL||^application^EXE^Base64^QUJD||||||F' })),
      ],
      [/no heading/, () => sendDocumentLetter(mdm({ obx: 'OBX|1|TX|CL||Text||||||F' }))],
    ];
    for (const [expected, letter] of cases) assert.match(refusal(letter).message, expected);
  });

  it('of GP Connect is refused when it has a text beside its PDF, which nobody would see, and takes no diagnoses of an ADT', () => {
    const both = `OBX|1|TX|Clinical summary||Text||||||F\rOBX|2|ED|CL||^application^PDF^Base64^${PDF.toString('base64')}||||||F`;
    const withText = (): unknown => buildLetter('send-document', sendDocumentLetter(mdm({ obx: both })), SENDER);
    assert.match(refusal(withText).message, /texts have no place beside a file/);
    const discharged = adt('DG1|1||R07.4^Chest pain, unspecified^I10');
    const { title, type, documents } = sendDocumentLetter();
    const { message } = buildLetter(
      'send-document',
      sendDocumentLetter(discharged, { title, type, documents }),
      SENDER,
    );
    assert.doesNotMatch(JSON.stringify(message), /Chest pain/);
  });

  it('is refused when its PDF is none, its NHS number is wrong, or it is larger than the limit', () => {
    const notPdf = mdm({
      obx: `OBX|1|ED|CL||^application^PDF^Base64^${Buffer.from('GIF89a').toString('base64')}||||||F`,
    });
    assert.match(
      refusal(() => buildLetter('send-document', sendDocumentLetter(notPdf), SENDER)).message,
      /said to be a PDF/,
    );
    const wrong = sendDocumentLetter(mdm(), { patient: { nhsNumber: '9997877897' } });
    assert.match(refusal(() => buildLetter('send-document', wrong, SENDER)).message, /no NHS number/);
    const large = refusal(() => buildLetter('send-document', sendDocumentLetter(), { ...SENDER, maxBytes: 4000 }));
    assert.match(large.message, /has \d+ kB; at most 4 kB/);
  });

  it('for NHS Notify has the PDF, and its document id as message reference', () => {
    const { message, localId, workflowId } = buildLetter('notify', sendDocumentLetter(), SENDER);
    assert.equal(workflowId, 'NHS_NOTIFY_SEND_REQUEST');
    assert.equal(localId, documentId('X26', 'DOC2'));
    assert.deepEqual(message['subject'], {
      identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9997877896' },
    });
    const [{ attachment }] = message['content'] as [{ attachment: Json }];
    assert.deepEqual(Buffer.from(String(attachment['data']), 'base64'), PDF);
    assert.match(refusal(() => buildLetter('notify', { ...OWN }, SENDER)).message, /document number/);
  });

  it('of a flow names a field that it does not know', () => {
    for (const [field, value] of [
      ['titel', 'x'],
      ['patient', { nhsNo: '1' }],
      ['sections', { Nonsense: 'x' }],
      ['written', 'today'],
    ] as const) {
      assert.throws(
        () => readLetterFields({ [field]: value }),
        (error: Error) => /titel|nhsNo|Nonsense|written/.test(error.message),
      );
    }
  });
});
