/** The FHIR STU3 document within a letter: Composition, Patient, author, organisations, encounter and files. */
import { randomUUID } from 'node:crypto';
import { displayNhsNumber } from '../formats/nhs-number';
import { escapeXml, XHTML } from '../formats/xml';
import { uuidOfName } from '../uuid';
import { headingCode, SEND_DOCUMENT, type Heading, type TransferOfCare } from './headings';
import {
  CARE_CONNECT,
  entry,
  itk3Profile,
  ODS_SYSTEM,
  reference,
  UUID_SYSTEM,
  type Entry,
  type Resource,
} from './itk3-message';
import { fullName, sectionsOf, type Letter, type LetterFile, type LetterPatient } from './letter';

/** A letter with everything that a document needs: lib/letters/build-letter.ts has checked it. */
export interface WholeLetter extends Letter {
  title: string;
  type: { code: string; display: string };
  written: string;
  patient: LetterPatient & { nhsNumber: string; numberStatus: string; family: string; birthDate: string };
  author: NonNullable<Letter['author']> & { family: string };
  sender: { odsCode: string; name: string; phone?: string | undefined };
}

/** The ODS code that stands for a practice that is not known (Transfer of Care with MESH's GP lookup). */
const UNKNOWN_PRACTICE = { odsCode: 'V81999', name: 'GP practice code not known' };
/** The texts of the NHS number's verification status. */
const NUMBER_STATUS: Readonly<Record<string, string>> = {
  '01': 'Number present and verified',
  '02': 'Number present but not traced',
  '03': 'Trace required',
  '04': 'Trace attempted - No match or multiple match found',
  '05': 'Trace needs to be resolved - (NHS number or patient detail conflict)',
  '06': 'Trace in progress',
  '07': 'Number not present and trace not required',
  '08': 'Trace postponed (baby under six weeks old)',
};
const SNOMED = 'http://snomed.info/sct';
/** Of the UUIDs that stand for a sender's document numbers. */
const DOCUMENTS = '6f1ac0de-61a7-5b6c-9d1b-2f6f3d5f2c11';
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

const careConnect = (name: string): { profile: string[] } => ({
  profile: [`${CARE_CONNECT}/StructureDefinition/${name}`],
});
const snomed = ({ code, display }: { code: string; display: string }): object => ({
  coding: [{ system: SNOMED, code, display }],
});
const phone = (value: string | undefined): object | undefined =>
  value === undefined ? undefined : [{ system: 'phone', value, use: 'work' }];

/**
 * Returns the UUID of a document number of an organisation, always the same, so that a letter which is sent again is
 * known by its receiver, and one that replaces it can name it. Without a number it is a new one each time.
 */
export function documentId(odsCode: string, number: string | undefined): string {
  if (number === undefined) return randomUUID();
  return UUID.test(number) ? number.toLowerCase() : uuidOfName(`${odsCode}/${number}`, DOCUMENTS);
}

/** Returns the document of GP Connect Send Document: one section that refers to the files, the main one first. */
export function sendDocument(letter: WholeLetter): Resource & { id: string } {
  const files = (letter.documents ?? []).map(binary);
  const summary = `${letter.title} for ${fullName(letter.patient)}, ${letter.written.slice(0, 10)}, ${letter.sender.name}`;
  return document(letter, {
    profile: careConnect(SEND_DOCUMENT.profile),
    text: narrative(summary),
    more: files,
    sections: () => [{ title: letter.title, entry: files.map(({ resource }) => reference(String(resource['id']))) }],
  });
}

/** Returns a Transfer of Care document: a section for each heading, with what it refers to. */
export function transferOfCare(letter: WholeLetter, kind: TransferOfCare): Resource & { id: string } {
  const files = (letter.documents ?? []).map(binary);
  const encounter = encounterOf(letter, kind);
  const practice = organisation({ ...UNKNOWN_PRACTICE, ...letter.practice });
  const texts: Partial<Record<Heading, string>> = { ...writtenByItself(letter, kind), ...sectionsOf(letter) };
  const summary = SUMMARIES.find((heading) => texts[heading] !== undefined);
  return document(letter, {
    profile: itk3Profile(kind.profile),
    encounter,
    more: [practice, ...(encounter ? [encounter] : []), ...files],
    sections: ({ patient, author }) => {
      const entries: Partial<Record<Heading, Array<Entry | undefined>>> = {
        'Patient demographics': [patient],
        'GP practice': [practice],
        'Person completing record': [author],
        'Admission details': [encounter],
        'Discharge details': [encounter],
        ...(kind.encounter.code === 'AMB' && { 'Attendance details': [encounter] }),
        ...(summary && { [summary]: files }),
      };
      return kind.headings.flatMap((heading) => {
        const text = texts[heading];
        if (text === undefined) return [];
        const { code, title } = headingCode(heading);
        const refers = (entries[heading] ?? []).flatMap((each) => (each ? [{ reference: each.fullUrl }] : []));
        return [
          {
            title,
            code: snomed({ code, display: heading }),
            text: narrative(text),
            ...(refers.length > 0 && { entry: refers }),
          },
        ];
      });
    },
  });
}

/** The headings that the files of a Transfer of Care document stand under, the first that the document has. */
export const SUMMARIES: readonly Heading[] = ['Clinical summary', 'Clinical narrative'];

/** The sections whose text is in the letter's own fields. */
function writtenByItself(letter: WholeLetter, kind: TransferOfCare): Partial<Record<Heading, string>> {
  const { patient, author, encounter, practice, written } = letter;
  const { start, end, ward } = encounter ?? {};
  const address = [...(patient.address?.lines ?? []), patient.address?.city, patient.address?.postalCode];
  const attended = start === undefined ? undefined : lines(`Attended: ${shown(start)}`);
  return {
    'Patient demographics': lines(
      `Name: ${fullName(patient)}`,
      `NHS number: ${displayNhsNumber(patient.nhsNumber)}`,
      `Date of birth: ${patient.birthDate}`,
      `Gender: ${patient.gender ?? 'unknown'}`,
      address.some(Boolean) && `Address: ${address.filter(Boolean).join(', ')}`,
    ),
    'GP practice': lines(practice?.name ?? UNKNOWN_PRACTICE.name, practice?.odsCode && `ODS code: ${practice.odsCode}`),
    'Person completing record': lines(
      `Name: ${fullName(author)}`,
      author.phone && `Telephone: ${author.phone}`,
      `Organisation: ${letter.sender.name}`,
      `Completed: ${shown(written)}`,
    ),
    ...(start !== undefined &&
      kind.headings.includes('Admission details') && {
        'Admission details': lines(`Admitted: ${shown(start)}`, ward && `Ward: ${ward}`),
      }),
    ...(end !== undefined &&
      kind.headings.includes('Discharge details') && { 'Discharge details': lines(`Discharged: ${shown(end)}`) }),
    ...(attended !== undefined && kind.headings.includes('Attendance details') && { 'Attendance details': attended }),
  };
}

const lines = (...found: Array<string | false | undefined>): string => found.filter(Boolean).join('\n');
/** A FHIR time as people read it. */
const shown = (time: string): string => time.slice(0, 16).replace('T', ' ');

/** Returns text as the XHTML of a narrative: a paragraph for each line. */
function narrative(text: string): object {
  const paragraphs = text
    .split(/\r\n|\r|\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => `<p>${escapeXml(line.trim())}</p>`);
  return { status: 'generated', div: `<div xmlns="${XHTML}">${paragraphs.join('')}</div>` };
}

interface DocumentParts {
  profile: { profile: string[] };
  text?: object;
  encounter?: Entry | undefined;
  more: Entry[];
  sections(people: { patient: Entry; author: Entry }): object[];
}

/** Returns the document's Bundle: the Composition first, then what it refers to. */
function document(letter: WholeLetter, parts: DocumentParts): Resource & { id: string } {
  const id = documentId(letter.sender.odsCode, letter.documentNumber);
  const [patient, author, custodian] = [patientOf(letter.patient), authorOf(letter), organisation(letter.sender)];
  const composition = randomUUID();
  return {
    resourceType: 'Bundle',
    id: randomUUID(),
    meta: { lastUpdated: letter.written, ...itk3Profile('ITK-Document-Bundle-1') },
    identifier: { system: UUID_SYSTEM, value: id },
    type: 'document',
    entry: [
      entry(composition, {
        resourceType: 'Composition',
        id: composition,
        meta: parts.profile,
        ...(parts.text && { text: parts.text }),
        ...(letter.careSetting && {
          extension: [
            {
              url: `${CARE_CONNECT}/StructureDefinition/Extension-CareConnect-CareSettingType-1`,
              valueCodeableConcept: snomed(letter.careSetting),
            },
          ],
        }),
        identifier: { system: UUID_SYSTEM, value: id },
        status: 'final',
        type: snomed(letter.type),
        subject: { reference: patient.fullUrl },
        ...(parts.encounter && { encounter: { reference: parts.encounter.fullUrl } }),
        date: letter.written,
        author: [{ reference: author.fullUrl }],
        title: letter.title,
        custodian: { reference: custodian.fullUrl },
        ...(letter.replaces !== undefined && {
          relatesTo: [
            {
              code: 'replaces',
              targetIdentifier: { system: UUID_SYSTEM, value: documentId(letter.sender.odsCode, letter.replaces) },
            },
          ],
        }),
        section: parts.sections({ patient, author }),
      }),
      patient,
      author,
      custodian,
      ...parts.more,
    ],
  };
}

function patientOf({
  nhsNumber,
  numberStatus,
  family,
  given,
  prefix,
  birthDate,
  gender,
  address,
  phone: number,
}: WholeLetter['patient']): Entry {
  const id = randomUUID();
  const status = {
    system: `${CARE_CONNECT}/CodeSystem/CareConnect-NHSNumberVerificationStatus-1`,
    code: numberStatus,
    display: NUMBER_STATUS[numberStatus],
  };
  return entry(id, {
    resourceType: 'Patient',
    id,
    meta: careConnect('CareConnect-Patient-1'),
    identifier: [
      {
        extension: [
          {
            url: `${CARE_CONNECT}/StructureDefinition/Extension-CareConnect-NHSNumberVerificationStatus-1`,
            valueCodeableConcept: { coding: [status] },
          },
        ],
        system: 'https://fhir.nhs.uk/Id/nhs-number',
        value: nhsNumber,
      },
    ],
    name: [{ use: 'official', family, ...(given && { given }), ...(prefix !== undefined && { prefix: [prefix] }) }],
    ...(number !== undefined && { telecom: [{ system: 'phone', value: number }] }),
    gender: gender ?? 'unknown',
    birthDate,
    ...(address && {
      address: [
        {
          ...(address.lines && { line: address.lines }),
          ...(address.city !== undefined && { city: address.city }),
          ...(address.postalCode !== undefined && { postalCode: address.postalCode }),
        },
      ],
    }),
  });
}

function authorOf({ author: { family, given, prefix, identifier, phone: number } }: WholeLetter): Entry {
  const id = randomUUID();
  return entry(id, {
    resourceType: 'Practitioner',
    id,
    meta: careConnect('CareConnect-Practitioner-1'),
    ...(identifier && { identifier: [identifier] }),
    name: [{ use: 'official', family, ...(given && { given }), ...(prefix !== undefined && { prefix: [prefix] }) }],
    ...(number !== undefined && { telecom: phone(number) }),
  });
}

function organisation({ odsCode, name, phone: number }: NonNullable<Letter['sender']>): Entry {
  const id = randomUUID();
  return entry(id, {
    resourceType: 'Organization',
    id,
    meta: careConnect('CareConnect-Organization-1'),
    ...(odsCode !== undefined && { identifier: [{ system: ODS_SYSTEM, value: odsCode }] }),
    ...(name !== undefined && { name }),
    ...(number !== undefined && { telecom: phone(number) }),
  });
}

function encounterOf({ encounter }: WholeLetter, { encounter: kind }: TransferOfCare): Entry | undefined {
  if (encounter?.start === undefined && encounter?.end === undefined) return undefined;
  const id = randomUUID();
  const { start, end, identifier } = encounter;
  return entry(id, {
    resourceType: 'Encounter',
    id,
    meta: itk3Profile('CareConnect-ITK-Encounter-1'),
    ...(identifier && { identifier: [identifier] }),
    status: 'finished',
    class: { system: 'http://hl7.org/fhir/v3/ActCode', ...kind },
    period: { ...(start !== undefined && { start }), ...(end !== undefined && { end }) },
  });
}

function binary({ contentType, content }: LetterFile): Entry {
  const id = randomUUID();
  return entry(id, { resourceType: 'Binary', id, meta: itk3Profile('ITK-Attachment-Binary-1'), contentType, content });
}
