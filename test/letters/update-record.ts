/**
 * A GP Connect Update Record as pharmacies send it: an ITK3 message whose document has coded entries and no text at all.
 * All data is synthetic.
 */
import {
  CARE_CONNECT,
  entry,
  itk3Message,
  itk3Profile,
  ODS_SYSTEM,
  reference,
  type Resource,
} from '../../lib/letters/itk3-message';
import { NOW } from './letters';

const SNOMED = 'http://snomed.info/sct';
const concept = (code: string, display: string): object => ({ coding: [{ system: SNOMED, code, display }] });
const id = (last: number): string => `00000000-0000-4000-8000-00000000000${last}`;

/** Returns the message, as mesh-fhir reads it. */
export function updateRecord(): Resource {
  const systolic = { coding: [{ system: SNOMED, code: '271649006', display: 'Systolic blood pressure' }] };
  const resources: Resource[] = [
    {
      resourceType: 'Composition',
      id: id(1),
      identifier: { system: 'https://example.nhs.uk/document', value: 'UPDATE1' },
      status: 'final',
      type: concept('1659111000000107', 'Community Pharmacy Blood Pressure Check Service'),
      subject: reference(id(2)),
      date: '2026-07-16',
      author: [reference(id(4))],
      title: 'Blood Pressure Check Service',
      custodian: reference(id(5)),
      section: [{ entry: [6, 7, 2, 3].map((each) => reference(id(each))) }],
    },
    {
      resourceType: 'Patient',
      id: id(2),
      identifier: [
        {
          extension: [
            {
              url: `${CARE_CONNECT}/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1`,
              valueCodeableConcept: {
                coding: [
                  {
                    system: `${CARE_CONNECT}/CodeSystem/CareConnect-NHSNumberVerificationStatus-1`,
                    code: '01',
                    display: 'Number present and verified',
                  },
                ],
              },
            },
          ],
          system: 'https://fhir.nhs.uk/Id/nhs-number',
          value: '9997877896',
        },
      ],
      name: [{ use: 'official', family: 'O’SAMPLE', given: ['TESTA'] }],
      birthDate: '1980-02-29',
    },
    {
      resourceType: 'PractitionerRole',
      id: id(3),
      practitioner: reference(id(4)),
      organization: reference(id(5)),
    },
    { resourceType: 'Practitioner', id: id(4), name: [{ use: 'official', family: 'PHARMACIST' }] },
    {
      resourceType: 'Organization',
      id: id(5),
      identifier: [{ system: ODS_SYSTEM, value: 'X26' }],
      name: 'Example Pharmacy',
    },
    {
      resourceType: 'Observation',
      id: id(6),
      status: 'final',
      code: concept('75367002', 'Blood pressure'),
      subject: reference(id(2)),
      effectiveDateTime: '2026-07-16T10:30:00+01:00',
      component: [
        {
          code: systolic,
          valueQuantity: { value: 142, unit: 'mmHg', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
        },
        { code: concept('271650006', 'Diastolic blood pressure'), valueQuantity: { value: 91, unit: 'mmHg' } },
      ],
    },
    {
      resourceType: 'Observation',
      id: id(7),
      status: 'final',
      code: { text: 'Advice given' },
      subject: reference(id(2)),
      valueString: 'To see the practice nurse within 7 days',
    },
  ];
  const document = {
    resourceType: 'Bundle',
    id: id(9),
    meta: { lastUpdated: '2026-07-16T10:40:00+01:00', ...itk3Profile('ITK-Document-Bundle-1') },
    identifier: { system: 'https://example.nhs.uk/bundle', value: id(9) },
    type: 'document',
    entry: resources.map((resource) => entry(String(resource['id']), resource)),
  };
  return itk3Message(document, {
    event: { code: 'ITK014M', display: 'ITK Update Record' },
    definition: 'ITK-GPConnectUpdateRecord-MessageDefinition-1',
    mailboxId: 'X26ABC6',
    odsCode: 'X26',
    senderReference: 'UPDATE1',
    recipientType: 'FI',
    now: NOW,
  }).message;
}
