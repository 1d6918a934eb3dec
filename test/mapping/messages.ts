/**
 * HL7 v2 messages of invented patients, in the shapes of real ones: a full one from a modern system, and short ones as
 * older British systems send them. NHS numbers are of the range that is never issued.
 */

/** Returns a message from its segments. */
export const hl7 = (...segments: readonly string[]): string => `${segments.join('\r')}\r`;

const MSH = (type: string, version = '2.5.1'): string =>
  `MSH|^~\\&|PAS|RXX01|TIE|RXX02|20260301101500||${type}|MSG00001|P|${version}|||AL|NE||8859/1`;

/** Returns a segment from its fields by number: long ones are easily counted wrong. */
export function segment(name: string, fields: Readonly<Record<number, string>>): string {
  const last = Math.max(...Object.keys(fields).map(Number));
  return [name, ...Array.from({ length: last }, (_, index) => fields[index + 1] ?? '')].join('|');
}

const PATIENT = segment('PID', {
  1: '1',
  3: '9449305552^^^NHS^NH~A123456^^^RXX01^PI',
  5: 'TESTER^Amy^Jane^^MRS^^L~OLDNAME^Amy^^^^^M',
  7: '198002280830',
  8: 'F',
  11: '1 The Street^Flat 2^Leeds^West Yorkshire^LS1 4AP^GBR^H',
  13: '0113 4960000^PRN^PH~^NET^Internet^amy@example.org',
  14: '0113 4960001^WPN^PH',
  15: 'en^English',
  16: 'M^Married',
  17: 'C22',
  22: 'A',
  23: 'Leeds',
  24: 'N',
  30: 'N',
  32: '01',
});

const VISIT =
  'PV1|1|I|WARD1^BAY2^BED3^RXX01^^^B1^2^Ward One|22|P900^^^RXX01|WARD0|C1234567^Smith^Anna^^^DR^^^GMC|' +
  'G9999981^Doctor^Dan^^^DR|C7654321^Jones^Jo^^^MS^^^GMC|300|WARD9|||19||V|C1234567^Smith^Anna^^^DR^^^GMC|01|' +
  'V12345^^^RXX01|||||||||||||||||||||||||20260301101000';

const DISCHARGED = `${VISIT}|20260304160000`;

const REST = [
  segment('PV2', {
    3: 'R10^Abdominal pain',
    8: '20260301',
    9: '20260303',
    11: '2',
    12: 'Second opinion',
    13: 'C7654321^Jones^Jo^^^MS^^^GMC',
  }),
  'NK1|1|TESTER^Bob^^^MR|SPO^Spouse|1 The Street^^Leeds^^LS1 4AP|07700 900123^PRS^CP|0113 4960002|N^Next of kin|20200101',
  'AL1|1|DA|91936005^Allergy to penicillin^SCT|SV|Rash~Wheeze|20100501',
  'DG1|1||J18.9^Pneumonia^I10|Right lower lobe|20260301|A|||||||||1|C1234567^Smith^Anna^^^DR^^^GMC',
  'PR1|1||E25.8^Examination of pharynx^OPCS4|Under sedation|20260301120000|||C7654321^Jones^Jo^^^MS^^^GMC|||C1234567^Smith^Anna^^^DR^^^GMC',
];

const PD1 = 'PD1|||THE SURGERY^^B86001|G9999981^Doctor^Dan^^^DR';
const EVN = (event: string): string => `EVN|${event}|20260301101400|||U1^Clerk^Cora|20260301101000`;

const adt = (event: string, ...rest: readonly string[]): string =>
  hl7(MSH(`ADT^${event}`), EVN(event), PATIENT, PD1, ...rest);

/** The messages by what they are. */
export const MESSAGES = {
  'ADT^A01': adt('A01', VISIT, ...REST),
  'ADT^A02': adt('A02', VISIT),
  'ADT^A03': adt('A03', DISCHARGED, ...REST),
  'ADT^A04': adt('A04', 'PV1|1|O|OPD||||C1234567^Smith^Anna^^^DR^^^GMC|||300'),
  'ADT^A05': adt('A05', 'PV1|1|P|WARD1||P900^^^RXX01||||||||||||||V12346^^^RXX01'),
  'ADT^A08': adt('A08', VISIT, ...REST),
  'ADT^A11': adt('A11', VISIT),
  'ADT^A13': adt('A13', DISCHARGED),
  'ADT^A28': adt('A28', 'PV1|1|N', ...REST.slice(1, 3)),
  'ADT^A31': adt('A31', 'PV1|1|N'),
  'ADT^A40': adt('A40', 'MRG|A999999^^^RXX01^PI||||||TESTER^Amy'),
  'ADT^A01 of an older system': hl7(
    'MSH|^~\\&|ADT|PAS2|ENGINE|HOSP2|20250204091500||ADT^A01|70001|P|2.3',
    'EVN|A01|20250204091500',
    'PID||9449305552^^^NHS|H123^^^HOSP1||TESTER^BEN^^^MS||20010101|M|||1 HIGH ST^NOWHERE^LEEDS^YORKS^LS1 4AP||||||||||||||||||20260228|',
    'PD1|||THE OLD SURGERY, 3 Low Road^^B86002|G1234567^Doctor^DP^^^DR',
    'PV1|1|I|ASH^1^^LD^^^^^Ash Ward|22||||123^Doctor^DP^^^DR|370^Consult^C|370||||19|||C2000002^Consult^C^^^P|01|700123|||||||||||||||||||||||||20250203095300',
  ),
  'ADT^A28 of an older system': hl7(
    'MSH|^~\\&|PAS2|TIE2|TIE|TIE|20250415094635||ADT^A28|70002|P|2.4|||AL|NE',
    'EVN|A28|20250415094635',
    'PID|||H124^^^HOSP1||TESTER^TESTING^^^MRS||19600607000000|F|||1 HIGH ST^^LEEDS^^LS1 4AP||||||||9449305560',
    'NK1|1|RELATIVE^ROBIN^^^MRS|NSP|4 LOW ROAD^^LEEDS^^LS1 4AP^^HOME|0113 4960003|0113 4960004|NOK^Next of Kin|20250415|||||||F|19600607000000',
    'PV1|1|R',
    'Z01|07700 900124|||||N',
  ),
} as const;

export type MessageName = keyof typeof MESSAGES;
