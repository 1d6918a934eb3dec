/**
 * The payloads of the part `formats`: our own messages in the shapes of real ones, the same bytes on every machine. The
 * patients are of the NHS's test range (999 …).
 */
import { createCipheriv } from 'node:crypto';
import { fhirJsonToXml } from '../../lib/formats/fhir/to-xml';
import type { Job } from './jobs';

export type Format = 'hl7' | 'edifact' | 'fhir';

/** A payload, and what is to be read of it. */
export interface Payload {
  format: Format;
  bytes: Buffer;
  /** The same as JSON text: FHIR only. */
  json?: Buffer;
  /** What `read` of each contestant returns (`contestants.ts`). The second field is the one that is changed. */
  read: string[];
}

/** The payloads of the rates. */
export const INPUTS = {
  adt: { title: 'HL7 v2, ADT of 2 kB', make: () => hl7Payload(adt(), 'A01', '229819007') },
  oru: { title: 'HL7 v2, ORU of 100 kB with a PDF', make: () => hl7Payload(oru(100_000), 'R01', 'PDF') },
  medrpt: { title: 'EDIFACT, MEDRPT of 20 kB', make: () => edifactPayload(17) },
  bundle: { title: 'FHIR R4, bundle of 200 kB as XML', make: () => fhirPayload(bundle(200)) },
} as const satisfies Record<string, { title: string; make: () => Payload }>;
export type InputName = keyof typeof INPUTS;

const largeHl7 = (bytes: number): Payload => hl7Payload(oru(bytes), 'R01', 'PDF');
const largeEdifact = (bytes: number): Payload => edifactPayload(Math.ceil(bytes / 41_000), 'Comment. '.repeat(1100));
const largeFhir = (bytes: number): Payload => fhirPayload(bundle(bytes / 5000, pdf(0.8 * bytes)));

/** The payloads of the memory, of about as many bytes as asked for; parsed, and in a job that holds them in two forms. */
export const LARGE = {
  'HL7 v2 with a PDF: parse': { job: 'parse', make: largeHl7 },
  'HL7 v2 with a PDF: parse and serialise': { job: 'both', make: largeHl7 },
  'EDIFACT with long comments: parse': { job: 'parse', make: largeEdifact },
  'EDIFACT with long comments: parse and serialise': { job: 'both', make: largeEdifact },
  'FHIR XML with a PDF: parse': { job: 'parse', make: largeFhir },
  'FHIR XML with a PDF: to JSON text': { job: 'toJson', make: largeFhir },
  'FHIR JSON with a PDF: to XML': { job: 'fromJson', make: largeFhir },
} as const satisfies Record<string, { job: Job; make: (bytes: number) => Payload }>;

const hl7Payload = (text: string, trigger: string, code: string): Payload => ({
  format: 'hl7',
  bytes: Buffer.from(text),
  read: [trigger, 'TESTPATIENT', code],
});

const edifactPayload = (reports: number, comment?: string): Payload => ({
  format: 'edifact',
  bytes: Buffer.from(medrpt(reports, comment), 'latin1'),
  read: ['77', 'TESTPATIENT', `7.${reports}`],
});

function fhirPayload(made: Record<string, unknown>): Payload {
  const xml = fhirJsonToXml(made, { release: 'R4' });
  return {
    format: 'fhir',
    bytes: Buffer.from(xml),
    json: Buffer.from(JSON.stringify(made)),
    read: ['collection', 'TESTPATIENT', (made['entry'] as Array<{ fullUrl: string }>).at(-1)?.fullUrl ?? ''],
  };
}

/** An admission as a patient administration system sends it. */
function adt(): string {
  return segments([
    'MSH|^~\\&|PAS|X26|TIE|X26|20260115093000||ADT^A01^ADT_A01|000000012345|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN',
    'EVN|A01|20260115093000||||20260115092500|X26^WARD 12',
    'PID|1||9990000018^^^NHS^NH^^20200101~H1234567^^^X26^PI~A98765^^^X26^MR||TESTPATIENT^EXAMPLE^ANN^^MRS^^L~EARLIER^EXAMPLE^^^^^M' +
      '||19580317|F|||12 EXAMPLE ROAD&EXAMPLE ROAD&12^HEADINGLEY^LEEDS^WEST YORKSHIRE^LS6 9ZZ^GBR^H~FLAT 2^^LEEDS^^LS1 9ZZ^^C' +
      '||^PRN^PH^^^0113^4960000~^PRS^CP^^^^07700900123|^WPN^PH^^^0113^4960001|EN^English^HL70296|M|C22||||||||||||||N',
    'PD1||||G9999990^EXAMPLE^GERALD^^^DR^^^GMP|||||||||N',
    'NK1|1|TESTPATIENT^EXAMPLE^BERTRAM^^MR|SPO^Spouse^HL70063|12 EXAMPLE ROAD^HEADINGLEY^LEEDS^^LS6 9ZZ|^PRN^PH^^^0113^4960000||N',
    'NK1|2|TESTPATIENT^EXAMPLE^CLARA|CHD^Child^HL70063||^PRS^CP^^^^07700900456||C',
    'PV1|1|I|WARD12^BAY 3^BED 2^X26^^^^^CARDIOLOGY|21^^^|||C1234567^CONSULTANT^CAROL^^^DR^^^GMC|C7654321^REFERRER^RITA^^^DR^^^GMC' +
      '||320|||19|||||NHS|V0012345^^^X26^VN|||||||||||||||||||||||||20260115092500',
    'PV2||1|^Chest pain on exertion \\T\\ breathlessness|||||20260115|20260119|4',
    'OBX|1|NM|8302-2^Body height^LN||164|cm^^UCUM|||||F|||20260115092000',
    'OBX|2|NM|29463-7^Body weight^LN||71.5|kg^^UCUM|||||F|||20260115092000',
    'AL1|1|DA|91936005^Allergy to penicillin^SCT|SV|Rash\\.br\\Swelling of the face|20010101',
    'AL1|2|FA|91935009^Allergy to peanut^SCT|MO||',
    'DG1|1||I20.9^Angina pectoris, unspecified^I10||20260115|A|||||||||1|C1234567^CONSULTANT^CAROL^^^DR',
    'DG1|2||I10^Essential (primary) hypertension^I10||2019|A|||||||||2|C1234567^CONSULTANT^CAROL^^^DR',
    'PR1|1||K49.1^Percutaneous transluminal balloon angioplasty^OPCS4||20260116|D|45|||||C1234567^CONSULTANT^CAROL^^^DR^^^GMC',
    'OBX|3|CE|229819007^Tobacco use^SCT||8517006^Ex-smoker^SCT||||||F|||20260115092000',
    'ROL|1|AD|AT^Attending^HL70443|C1234567^CONSULTANT^CAROL^^^DR^^^GMC|20260115092500',
    'ROL|2|AD|RP^Referring^HL70443|C7654321^REFERRER^RITA^^^DR^^^GMC|20260115',
    'NTE|1|P|Patient prefers to be called Nan; daughter Clara is to be told of the discharge.\\.br\\Interpreter not needed.',
    'ZPV|1|TRANSPORT^AMBULANCE|N||RM12',
  ]);
}

/** A pathology result of twenty values, and the report as a PDF. */
function oru(bytes: number): string {
  const values = Array.from({ length: 20 }, (_, index) => {
    const at = index + 1;
    return (
      `OBX|${at}|NM|${1000 + at}-${at % 10}^Analyte ${at}^LN^L${at}^Local name ${at}^L||${(3.5 + at / 10).toFixed(1)}|10*9/L^^UCUM|` +
      `3.0-11.0|N|||F|||20260115083000||X26LAB^Example Laboratory|||20260115090000`
    );
  });
  const head = segments([
    'MSH|^~\\&|LIMS|X26LAB|GP|A81001|20260115093000||ORU^R01^ORU_R01|000000054321|P|2.4|||AL|NE|GBR|UNICODE UTF-8|EN',
    'PID|1||9990000018^^^NHS^NH~H1234567^^^X26^PI||TESTPATIENT^EXAMPLE^ANN^^MRS||19580317|F|||12 EXAMPLE ROAD^^LEEDS^^LS6 9ZZ',
    'PV1|1|O|OPD^^^X26||||C1234567^CONSULTANT^CAROL^^^DR|||320',
    'ORC|RE|ORD12345^PAS|LAB98765^LIMS||CM||||20260115090000|||C1234567^CONSULTANT^CAROL^^^DR',
    'OBR|1|ORD12345^PAS|LAB98765^LIMS|FBC^Full blood count^L|||20260115083000||||||Known angina||BLD|C1234567^CONSULTANT^CAROL||||||20260115090000||HM|F',
    ...values,
    'NTE|1|L|Film shows normal red cells \\T\\ platelets.\\.br\\Repeat in 3 months.',
  ]);
  const tail = `OBX|21|ED|PDF^Report^L||LIMS^application^pdf^Base64^`;
  const end = '||||||F|||20260115090000\r';
  return head + tail + pdf(bytes - head.length - tail.length - end.length) + end;
}

/** Pathology reports to a GP, one message each. */
function medrpt(reports: number, comment = 'Specimen haemolysed?: interpret potassium with care.'): string {
  const messages = Array.from({ length: reports }, (_, index) => {
    const at = index + 1;
    const body = [
      `UNH+${at}+MEDRPT:0:1:RT:NHS003'`,
      `BGM+LSR'`,
      `DTM+137:202601150930:203'`,
      `NAD+SLA+X26LAB:902++EXAMPLE LABORATORY?: LEEDS'`,
      `SPR+DPT'`,
      `NAD+MR+A81001:900++THE SURGERY?'S PRACTICE+1 EXAMPLE STREET:LEEDS+++LS1 9ZZ'`,
      `PNA+PRO+C1234567:901+++SU:CONSULTANT+TI:DR'`,
      `GIS+N'`,
      `RFF+SRI:LAB${98_765 + at}'`,
      `STC+UP'`,
      `DTM+ISR:202601150900:203'`,
      `PNA+PAT+9990000018:OPI+++SU:TESTPATIENT+FO:EXAMPLE+FI:ANN'`,
      `DTM+329:19580317:102'`,
      `PDI+2'`,
      `NAD+PAT++12 EXAMPLE ROAD:HEADINGLEY:LEEDS+++LS6 9ZZ'`,
      `SPC+TSP+:::VENOUS BLOOD'`,
      `DTM+SCO:202601150830:203'`,
      ...[1, 2, 3, 4].flatMap((test) => [
        `INV+MQ+4${test}${at}..:911::Analyte ${test}'`,
        `RSL+NV+${3 + test}.${at}:7++:::mmol/L'`,
        `RND+U+3.0+5.5'`,
        `FTX+RIT+++${comment}:Checked by the duty biochemist'`,
      ]),
    ];
    return [...body, `UNT+${body.length + 1}+${at}'`].join('\r\n');
  });
  return [`UNB+UNOC:3+X26LAB:80+A81001:80+260115:0930+77++MEDRPT++1'`, ...messages, `UNZ+${reports}+77'`, ''].join(
    '\r\n',
  );
}

/** A record as a message bundle: results, medicines and a letter, with narratives. */
function bundle(entries: number, attachment = ''): Record<string, unknown> {
  const resources = Array.from({ length: entries }, (_, index) =>
    index % 3 === 2 ? medication(index) : observation(index),
  );
  const letter =
    attachment === ''
      ? []
      : [{ resourceType: 'Binary', id: 'letter', contentType: 'application/pdf', data: attachment }];
  return {
    resourceType: 'Bundle',
    id: 'b0000000-0000-4000-8000-000000000000',
    meta: { lastUpdated: '2026-01-15T09:30:00+00:00', profile: ['https://example.org/StructureDefinition/Record'] },
    type: 'collection',
    timestamp: '2026-01-15T09:30:00+00:00',
    entry: [PATIENT, ...resources, ...letter].map((resource) => ({
      fullUrl: `urn:uuid:${String(resource['id'])}`,
      resource,
    })),
  };
}

const PATIENT: Record<string, unknown> = {
  resourceType: 'Patient',
  id: '10000000-0000-4000-8000-000000000000',
  text: narrative('EXAMPLE TESTPATIENT, born 17 March 1958'),
  identifier: [
    {
      extension: [
        {
          url: 'https://example.org/StructureDefinition/VerificationStatus',
          valueCodeableConcept: { coding: [{ system: 'https://example.org/CodeSystem/Verification', code: '01' }] },
        },
      ],
      system: 'https://fhir.nhs.uk/Id/nhs-number',
      value: '9990000018',
    },
  ],
  active: true,
  name: [
    {
      use: 'official',
      text: 'Ann Example & family',
      family: 'TESTPATIENT',
      given: ['EXAMPLE', 'ANN'],
      prefix: ['MRS'],
    },
  ],
  telecom: [{ system: 'phone', value: '0113 496 0000', use: 'home', rank: 1 }],
  gender: 'female',
  birthDate: '1958-03-17',
  address: [{ use: 'home', line: ['12 EXAMPLE ROAD', 'HEADINGLEY'], city: 'LEEDS', postalCode: 'LS6 9ZZ' }],
};

function observation(index: number): Record<string, unknown> {
  return {
    resourceType: 'Observation',
    id: idOf(index),
    text: narrative(`Analyte ${index}: ${(3 + index / 100).toFixed(2)} mmol/L`),
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: { coding: [{ system: 'http://snomed.info/sct', code: `1000${index}`, display: `Analyte ${index}` }] },
    subject: { reference: 'urn:uuid:10000000-0000-4000-8000-000000000000' },
    effectiveDateTime: '2026-01-15T08:30:00+00:00',
    issued: '2026-01-15T09:00:00+00:00',
    valueQuantity: { value: 3.25 + index, unit: 'mmol/L', system: 'http://unitsofmeasure.org', code: 'mmol/L' },
    referenceRange: [{ low: { value: 3.5, unit: 'mmol/L' }, high: { value: 5.5, unit: 'mmol/L' } }],
  };
}

function medication(index: number): Record<string, unknown> {
  return {
    resourceType: 'MedicationStatement',
    id: idOf(index),
    status: 'active',
    medicationCodeableConcept: {
      coding: [
        {
          extension: [{ url: 'https://example.org/StructureDefinition/DescriptionId', valueId: `2000${index}` }],
          system: 'http://snomed.info/sct',
          code: `3000${index}`,
          display: `Medicine ${index} 50 mg tablets`,
        },
      ],
    },
    subject: { reference: 'urn:uuid:10000000-0000-4000-8000-000000000000' },
    dateAsserted: '2026-01-15',
    dosage: [{ sequence: 1, text: 'One, in the morning', patientInstruction: 'Take with "food" & water' }],
  };
}

const idOf = (index: number): string => `20000000-0000-4000-8000-${String(index).padStart(12, '0')}`;

function narrative(text: string): { status: string; div: string } {
  return {
    status: 'generated',
    div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${text}</p><table><tbody><tr><td>a</td><td>b</td></tr></tbody></table></div>`,
  };
}

/** Base64 text of about `length` characters: the beginning of a PDF, and bytes that look random. */
function pdf(length: number): string {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'bench'), Buffer.alloc(16));
  const bytes = Math.floor(length / 4) * 3;
  return Buffer.concat([Buffer.from('%PDF-1.7\n'), cipher.update(Buffer.alloc(bytes - 9))]).toString('base64');
}

const segments = (lines: readonly string[]): string => lines.map((line) => `${line}\r`).join('');
