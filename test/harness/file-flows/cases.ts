/** What the demo sends to each national service of the sandbox: good, refused, silent, repeated, late. */
import type { OutgoingMessage } from '../../../lib/index';
import type { ServiceName, ServiceSettings } from '../../../lib/sandbox';

/** One request, and how the service is set for it. */
interface FlowCase {
  what: 'good' | 'rejected' | 'silent' | 'empty' | 'repeated' | 'late';
  /** `n`: a number of its own for every request of a run. */
  request: (n: number) => OutgoingMessage;
  settings?: ServiceSettings;
}

interface FileFlow {
  service: ServiceName;
  about: string;
  cases: FlowCase[];
}

/** How late the late answers are, by the sandbox's clock: after every time that a profile gives them. */
export const LATE_MS = 96 * 60 * 60 * 1000;

const repeated = { what: 'repeated', settings: { copies: 2 } } as const;
const late = { what: 'late', settings: { delaysMs: { receipt: LATE_MS, result: LATE_MS } } } as const;
const silent = { what: 'silent', settings: { answer: 'silent' } } as const;

const NUMBERS = '9997877896,\n9991742182,\n9999081002,\n';
const optOut = (n: number, payload = NUMBERS, subject = `X99-270226-${four(n)}`): OutgoingMessage => ({
  to: 'X26HC065',
  workflowId: 'SPINE_NTT_UPHOLDING',
  subject,
  localId: `X99-270226-${four(n)}`,
  fileName: `X99-270226-${four(n)}.dat`,
  payload,
});

/** The header row that the vaccination store takes, and no other. */
export const VACCINATION_COLUMNS = (
  'NHS_NUMBER PERSON_FORENAME PERSON_SURNAME PERSON_DOB PERSON_GENDER_CODE PERSON_POSTCODE DATE_AND_TIME SITE_CODE ' +
  'SITE_CODE_TYPE_URI UNIQUE_ID UNIQUE_ID_URI ACTION_FLAG PERFORMING_PROFESSIONAL_FORENAME ' +
  'PERFORMING_PROFESSIONAL_SURNAME RECORDED_DATE PRIMARY_SOURCE VACCINATION_PROCEDURE_CODE VACCINATION_PROCEDURE_TERM ' +
  'DOSE_SEQUENCE VACCINE_PRODUCT_CODE VACCINE_PRODUCT_TERM VACCINE_MANUFACTURER BATCH_NUMBER EXPIRY_DATE ' +
  'SITE_OF_VACCINATION_CODE SITE_OF_VACCINATION_TERM ROUTE_OF_VACCINATION_CODE ROUTE_OF_VACCINATION_TERM DOSE_AMOUNT ' +
  'DOSE_UNIT_CODE DOSE_UNIT_TERM INDICATION_CODE LOCATION_CODE LOCATION_CODE_TYPE_URI'
).split(' ');

/** Returns a row of the 34 columns: a synthetic event, with `more` in place of its values. */
export function vaccinationRow(id: string, more: Record<string, string> = {}): string {
  const given: Record<string, string> = {
    NHS_NUMBER: '9997877896',
    PERSON_FORENAME: 'TESTA',
    PERSON_SURNAME: 'PATIENT',
    PERSON_DOB: '19800229',
    PERSON_GENDER_CODE: '2',
    PERSON_POSTCODE: 'ZZ99 3VZ',
    DATE_AND_TIME: '20260227T14101500',
    SITE_CODE: 'X99999',
    SITE_CODE_TYPE_URI: 'https://fhir.nhs.uk/Id/ods-organization-code',
    UNIQUE_ID: id,
    UNIQUE_ID_URI: 'https://example.org/vaccinations',
    ACTION_FLAG: 'NEW',
    RECORDED_DATE: '20260227',
    PRIMARY_SOURCE: 'TRUE',
    VACCINATION_PROCEDURE_CODE: '956951000000104',
    LOCATION_CODE: 'X99999',
    LOCATION_CODE_TYPE_URI: 'https://fhir.nhs.uk/Id/ods-organization-code',
    ...more,
  };
  return VACCINATION_COLUMNS.map((name) => `"${given[name] ?? ''}"`).join('|');
}
const vaccination = (n: number, more?: Record<string, string>): string => vaccinationRow(`event-${n}`, more);
const batch = (n: number, rows: string[], header = VACCINATION_COLUMNS.join('|')): OutgoingMessage => ({
  to: 'X26IMMS',
  workflowId: 'SANDBOX_VACCINATION_BATCH',
  localId: `batch-${n}`,
  fileName: `FLU_Vaccinations_v5_X99999_20260227T14${four(n)}00.csv`,
  payload: [header, ...rows].map((row) => `${row}\n`).join(''),
});

const PLAN = '33ead2f4-7e51-4cdb-9c1c-2d2e0f1a8b01';
const notify = (n: number, number = '9997877896'): OutgoingMessage => ({
  to: 'X26NOTIFY',
  workflowId: 'NHS_NOTIFY_SEND_REQUEST',
  subject: PLAN,
  localId: `clinic-${four(n)}`,
  fileName: `clinic-${four(n)}.csv`,
  payload: `messageReference,nhsNumber,personalisation_appointmentDate\r\nclinic-${n}-1,${number},3 March 2026\r\n`,
});

const letter = (n: number, type = 'application/pdf'): OutgoingMessage => ({
  to: 'X26LETTERS',
  workflowId: 'SANDBOX_DIGITAL_LETTER',
  subject: '201',
  localId: `letter-${four(n)}`,
  fileName: `letter-${four(n)}.json`,
  payload: JSON.stringify({
    resourceType: 'DocumentReference',
    status: 'current',
    docStatus: 'final',
    subject: { identifier: { system: 'https://fhir.nhs.uk/Id/nhs-number', value: '9997877896' } },
    content: [{ attachment: { contentType: type, title: 'Your appointment', data: 'JVBERi0xLjQK' } }],
  }),
});

const submission = (n: number, value = '5', subject = 'b2ac0000000000000000000000000cf5'): OutgoingMessage => ({
  to: 'X26HC010',
  workflowId: 'DSP_EXTRACT',
  subject,
  localId: `activity_${four(n)}.csv`,
  fileName: `activity_${four(n)}.csv`,
  payload: `ORGANISATION_CODE,ACTIVITY_COUNT\r\nX99999,${value}\r\n`,
});

/** The row of names, then a person: 24 columns. */
const TRACE_COLUMNS =
  'UNIQUE REFERENCE,NHS_NO,FAMILY_NAME,GIVEN_NAME,OTHER_GIVEN_NAME,GENDER,DATE_OF_BIRTH,POSTCODE,DATE_OF_DEATH,' +
  'ADDRESS_LINE1,ADDRESS_LINE2,ADDRESS_LINE3,ADDRESS_LINE4,ADDRESS_LINE5,ADDRESS_DATE,GP_PRACTICE_CODE,' +
  'GP_REGISTRATION_DATE,NHAIS_POSTING_ID,AS_AT_DATE,LOCAL_PATIENT_ID,INTERNAL_ID,TELEPHONE_NUMBER,MOBILE_NUMBER,' +
  'EMAIL_ADDRESS';
const trace = (n: number, columns = TRACE_COLUMNS): OutgoingMessage => ({
  to: 'X26PDS',
  workflowId: 'SPINE_PDS_MESH_V1',
  localId: `trace-${n}`,
  fileName: `MPTREQ_2026022714${four(n)}.csv`,
  payload: `${columns}\r\nrow-1,9997877896,PATIENT,TESTA,,2,19800229,ZZ99 9ZZ${','.repeat(16)}\r\n`,
});

const registration = (n: number): OutgoingMessage => ({
  to: 'X26NHAIS',
  workflowId: 'NHAIS_REG',
  fileName: 'edifact.dat',
  payload:
    `UNB+UNOA:2+GP05+FHS1+260227:1410+0000${four(n)}++FHSREG'\nUNH+0000${four(n)}+FHSREG:0:1:FH:FHS001'\n` +
    `UNT+2+0000${four(n)}'\nUNZ+1+0000${four(n)}'\n`,
});

function four(n: number): string {
  return String(n % 10_000).padStart(4, '0');
}

/** The flows by the names of `npm run demo -- --flow NAME`. */
export const FILE_FLOWS: Record<string, FileFlow> = {
  'opt-out': {
    service: 'opt-out',
    about: 'National data opt-out check',
    cases: [
      { what: 'good', request: (n) => optOut(n) },
      // One wrong number costs the whole file.
      { what: 'rejected', request: (n) => optOut(n, `${NUMBERS}9997877897,\n`) },
      // With a colon in its subject the file is taken, and nothing comes back.
      { what: 'silent', request: (n) => optOut(n, NUMBERS, `list: ${n}`) },
      // A list of nobody says too little to be believed: a person decides, and until then the list is missing.
      {
        what: 'empty',
        settings: { optedOut: ['9997877896', '9991742182', '9999081002'] },
        request: (n) => optOut(n),
      },
      { ...repeated, request: (n) => optOut(n) },
      { ...late, request: (n) => optOut(n) },
    ],
  },
  vaccination: {
    service: 'vaccinations',
    about: 'Vaccination batch',
    cases: [
      { what: 'good', request: (n) => batch(n, [vaccination(n)]) },
      { what: 'rejected', request: (n) => batch(n, [vaccination(n), vaccination(n + 1, { PERSON_DOB: '1980' })]) },
      // A file without rows gets an answer for the file, and never one for its rows.
      { what: 'silent', request: (n) => batch(n, []) },
      { ...repeated, request: (n) => batch(n, [vaccination(n)]) },
      { ...late, request: (n) => batch(n, [vaccination(n)]) },
    ],
  },
  notify: {
    service: 'notify',
    about: 'NHS Notify',
    cases: [
      { what: 'good', request: (n) => notify(n) },
      { what: 'rejected', request: (n) => notify(n, '9997877897') },
      { ...silent, request: (n) => notify(n) },
      { ...repeated, request: (n) => notify(n) },
      { ...late, request: (n) => notify(n) },
    ],
  },
  'digital-letter': {
    service: 'digital-letters',
    about: 'Digital letter to NHS Notify',
    cases: [
      { what: 'good', request: (n) => letter(n) },
      { what: 'rejected', request: (n) => letter(n, 'text/html') },
      { ...silent, request: (n) => letter(n) },
      { ...repeated, request: (n) => letter(n) },
      { ...late, request: (n) => letter(n) },
    ],
  },
  dlp: {
    service: 'landing-portal',
    about: 'Data Landing Portal',
    cases: [
      { what: 'good', request: (n) => submission(n) },
      { what: 'rejected', request: (n) => submission(n, '=1+1') },
      { what: 'silent', request: (n) => submission(n, '5', 'activity') },
      { ...repeated, request: (n) => submission(n) },
      { ...late, request: (n) => submission(n) },
    ],
  },
  'pds-trace': {
    service: 'pds-trace',
    about: 'PDS batch trace (officially for the MESH user interface only)',
    cases: [
      { what: 'good', request: (n) => trace(n) },
      { what: 'rejected', request: (n) => trace(n, 'NAME') },
      { ...silent, request: (n) => trace(n) },
      { ...repeated, request: (n) => trace(n) },
      { ...late, request: (n) => trace(n) },
    ],
  },
  nhais: {
    service: 'nhais',
    about: 'NHAIS GP Links (a profile; there is no example flow)',
    cases: [
      { what: 'good', request: (n) => registration(n) },
      // What NHAIS refuses gets no receipt any more: refused and silent are one.
      { what: 'silent', settings: { answer: 'rejected' }, request: (n) => registration(n) },
      { ...repeated, request: (n) => registration(n) },
    ],
  },
};
