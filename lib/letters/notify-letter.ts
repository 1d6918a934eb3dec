/**
 * A digital letter for NHS Notify: one FHIR R4 DocumentReference with its PDF. The service is in build, and its
 * workflow id is _not confirmed_ (docs/letters.md, NHS Notify).
 */
import { documentId, type WholeLetter } from './document';
import { ODS_SYSTEM, type Resource } from './itk3-message';

const NOTIFY_WORKFLOW = 'NHS_NOTIFY_SEND_REQUEST';

/** Returns the letter, and its message reference as local id, which Notify wants and whose answers it names. */
export function notifyLetter(letter: WholeLetter): { message: Resource; workflowId: string; localId: string } {
  const organisation = { identifier: { system: ODS_SYSTEM, value: letter.sender.odsCode } };
  const id = documentId(letter.sender.odsCode, letter.documentNumber);
  return {
    workflowId: NOTIFY_WORKFLOW,
    localId: id,
    message: {
      resourceType: 'DocumentReference',
      id,
      status: 'current',
      docStatus: 'final',
      type: { coding: [{ system: 'http://snomed.info/sct', ...letter.type }] },
      subject: { identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: letter.patient.nhsNumber } },
      date: letter.written,
      author: [organisation],
      custodian: organisation,
      content: (letter.documents ?? []).map(({ contentType, content, title }) => ({
        attachment: { contentType, data: content, title: title ?? letter.title },
      })),
    },
  };
}
