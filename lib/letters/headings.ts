/**
 * The kinds of letter, and the headings of Transfer of Care documents: their SNOMED CT codes, and which document may
 * have which (docs/letters.md, Headings; by the Composition profiles of ITK3). A heading that a document does not know
 * is refused by its receiver, since the profiles close the list.
 */

/** A heading's code, and its title where that is not its name. */
interface HeadingCode {
  code: string;
  title?: string;
}

const HEADINGS = {
  'Admission details': { code: '886781000000108' },
  'Allergies and adverse reactions': { code: '886921000000105' },
  'Assessment scales': { code: '887141000000103' },
  'Attendance details': { code: '1077881000000105' },
  'Clinical narrative': { code: '1077901000000108' },
  'Clinical summary': { code: '887181000000106' },
  'Contact for further information': { code: '1077931000000102' },
  Diagnoses: { code: '887161000000102' },
  'Discharge details': { code: '886811000000106' },
  'Distribution list': { code: '887261000000109' },
  'Examination findings': { code: '715851000000102', title: 'Examination finding' },
  'Family history': { code: '887111000000104' },
  'GP practice': { code: '886711000000101' },
  History: { code: '717121000000105' },
  'Individual requirements': { code: '1078911000000106' },
  'Information and advice given': { code: '1052951000000105' },
  'Investigation results': { code: '1082101000000102' },
  'Legal information': { code: '886961000000102' },
  'Medications and medical devices': { code: '933361000000108' },
  'Participation in research': { code: '886751000000102' },
  'Patient and carer concerns, expectations and wishes': { code: '1052941000000107' },
  'Patient demographics': { code: '886731000000109' },
  'Person completing record': { code: '887231000000104' },
  'Plan and requested actions': { code: '887201000000105' },
  'Presenting complaints or issues': { code: '886891000000102' },
  'Problems and issues': { code: '887151000000100' },
  Procedures: { code: '887171000000109' },
  'Referrer details': { code: '1052891000000108' },
  'Relevant clinical risk factors': { code: '886821000000100' },
  'Review of systems': { code: '887121000000105', title: 'Clinical review of systems' },
  Safeguarding: { code: '1077911000000105' },
  'Safety alerts': { code: '886931000000107' },
  'Senior reviewing clinician': { code: '1078901000000109' },
  'Social context': { code: '887051000000101' },
} as const satisfies Record<string, HeadingCode>;

/** The name of a heading, which is the display of its code. */
export type Heading = keyof typeof HEADINGS;

export const HEADING_NAMES = Object.keys(HEADINGS) as Heading[];

/** Returns the code and title of a heading. */
export function headingCode(heading: Heading): { code: string; title: string } {
  const { code, title = heading }: HeadingCode = HEADINGS[heading];
  return { code, title };
}

/** Returns the heading with this code, or with this name in any case; undefined if there is none. */
export function findHeading(codeOrName: string): Heading | undefined {
  const wanted = codeOrName.trim().toLowerCase();
  return HEADING_NAMES.find((name) => HEADINGS[name].code === wanted || name.toLowerCase() === wanted);
}

/** Of every Transfer of Care document. */
const ALWAYS: readonly Heading[] = [
  'Allergies and adverse reactions',
  'Diagnoses',
  'GP practice',
  'Information and advice given',
  'Medications and medical devices',
  'Patient demographics',
  'Person completing record',
  'Plan and requested actions',
  'Procedures',
  'Referrer details',
  'Safety alerts',
];
/** Of the discharges from a ward, and of the outpatient letter. */
const WARD_AND_CLINIC: readonly Heading[] = [
  'Assessment scales',
  'Clinical summary',
  'Distribution list',
  'Individual requirements',
  'Investigation results',
  'Legal information',
  'Participation in research',
  'Patient and carer concerns, expectations and wishes',
  'Social context',
];
const WARD: readonly Heading[] = [...ALWAYS, ...WARD_AND_CLINIC, 'Admission details', 'Discharge details'];

/** What a Transfer of Care document is made of. */
export interface TransferOfCare {
  workflowId: string;
  event: { code: string; display: string };
  definition: string;
  /** The profile of its Composition. */
  profile: string;
  /** The document's type, unless the letter names another. */
  type: { code: string; display: string };
  /** The kind of encounter: HL7's ActCode. */
  encounter: { code: string; display: string };
  headings: readonly Heading[];
  /**
   * The headings that it must have: those of its profile; of the inpatient discharge also those of the Transfer of Care
   * page, which asks for more than the profile.
   */
  mandatory: readonly Heading[];
}

const BY_PROFILE: readonly Heading[] = ['Allergies and adverse reactions', 'Patient demographics'];
const SUMMARY = { code: '373942005', display: 'Discharge summary' };
const INPATIENT = { code: 'IMP', display: 'inpatient encounter' };

/** The four documents of Transfer of Care. */
export const TRANSFERS_OF_CARE = {
  'inpatient-discharge': {
    workflowId: 'TOC_FHIR_IP_DISCH',
    event: { code: 'ITK003D', display: 'ITK eDischarge' },
    definition: 'ITK-eDischarge-MessageDefinition-4',
    profile: 'CareConnect-ITK-EDIS-Composition-1',
    type: SUMMARY,
    encounter: INPATIENT,
    headings: WARD,
    mandatory: [...BY_PROFILE, 'Clinical summary', 'Diagnoses', 'GP practice', 'Person completing record'],
  },
  'mental-health-discharge': {
    workflowId: 'TOC_FHIR_MH_DISCH',
    event: { code: 'ITK004D', display: 'ITK Mental Health eDischarge' },
    definition: 'ITK-MH-eDischarge-MessageDefinition-4',
    profile: 'CareConnect-ITK-MH-Composition-1',
    type: SUMMARY,
    encounter: INPATIENT,
    headings: [...WARD, 'Family history'],
    mandatory: BY_PROFILE,
  },
  'emergency-care': {
    workflowId: 'TOC_FHIR_EC_DISCH',
    event: { code: 'ITK005D', display: 'ITK Emergency Care eDischarge' },
    definition: 'ITK-EC-eDischarge-MessageDefinition-4',
    profile: 'CareConnect-ITK-ECD-Composition-1',
    type: SUMMARY,
    encounter: { code: 'EMER', display: 'emergency' },
    headings: [
      ...ALWAYS,
      'Attendance details',
      'Clinical narrative',
      'Contact for further information',
      'Discharge details',
      'Presenting complaints or issues',
      'Safeguarding',
      'Senior reviewing clinician',
    ],
    mandatory: BY_PROFILE,
  },
  'outpatient-letter': {
    workflowId: 'TOC_FHIR_OP_ATTEN',
    event: { code: 'ITK006D', display: 'ITK Outpatient Letter' },
    definition: 'ITK-OPL-MessageDefinition-4',
    profile: 'CareConnect-ITK-OPL-Composition-1',
    type: { code: '823681000000100', display: 'Outpatient letter' },
    encounter: { code: 'AMB', display: 'ambulatory' },
    headings: [
      ...ALWAYS,
      ...WARD_AND_CLINIC,
      'Attendance details',
      'Examination findings',
      'Family history',
      'History',
      'Problems and issues',
      'Relevant clinical risk factors',
      'Review of systems',
    ],
    mandatory: BY_PROFILE,
  },
} as const satisfies Record<string, TransferOfCare>;

export type TransferOfCareKind = keyof typeof TRANSFERS_OF_CARE;
/** Every kind of letter that can be built. */
export type LetterKind = 'send-document' | TransferOfCareKind | 'notify';

export const LETTER_KINDS: readonly LetterKind[] = [
  'send-document',
  ...(Object.keys(TRANSFERS_OF_CARE) as TransferOfCareKind[]),
  'notify',
];

/** GP Connect Send Document: a letter as a PDF (docs/letters.md, Send Document). */
export const SEND_DOCUMENT = {
  workflowId: 'GPCONNECT_SEND_DOCUMENT',
  event: { code: 'ITK007C', display: 'ITK GP Connect Send Document' },
  definition: 'ITK-GPConnectSendDocument-MessageDefinition-1',
  profile: 'CareConnect-Composition-1',
} as const;
