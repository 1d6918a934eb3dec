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

const siu = (event: string): string =>
  hl7(
    MSH(`SIU^${event}^SIU_S12`),
    segment('SCH', {
      1: 'P1^PAS',
      2: 'F1^PAS',
      6: 'REASON^Patient asked^LOCAL',
      7: 'FU^Follow up^LOCAL',
      8: 'NORMAL^Routine^LOCAL',
      9: '30',
      10: 'min',
      11: '^^M30^20260401100000^20260401103000',
      16: 'U1^Clerk^Cora',
      20: 'U1^Clerk^Cora',
      25: 'Booked',
    }),
    'NTE|1||Bring your medicines',
    'NTE|2||and your letter',
    PATIENT,
    'PV1|1|O|OPD',
    'RGS|1|A',
    'AIS|1|A|CARD^Cardiology^LOCAL|20260401100000|||30|min',
    'AIG|1|A|ROOM3^Room 3',
    'AIL|1|A|OPD^ROOM3^^RXX01',
    'AIP|1|A|C1234567^Smith^Anna^^^DR^^^GMC|D^Doctor|',
  );

const order = (type: string): string =>
  hl7(
    MSH(type),
    PATIENT,
    'PV1|1|I|WARD1',
    'ORC|NW|P300^PCS||G1^PCS|||||20260301090000|||C1234567^Smith^Anna^^^DR^^^GMC',
    segment('OBR', {
      1: '1',
      2: 'P300^PCS',
      4: 'CHEST^Chest X-ray^LOCAL',
      5: 'R',
      6: '20260301120000',
      13: 'Cough for three weeks',
      16: 'C1234567^Smith^Anna^^^DR^^^GMC',
      24: 'RAD',
      31: 'COUGH^Cough^LOCAL',
    }),
    'NTE|1||Uses a wheelchair',
    'OBX|1|NM|WT^Weight^LOCAL||70|kg^^UCUM|||||F',
  );

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
  'ORU^R01': hl7(
    MSH('ORU^R01^ORU_R01'),
    PATIENT,
    'PV1|1|I|WARD1',
    'ORC|RE|P100^PCS|L200^LAB||CM||||20260228184100|||C1234567^Smith^Anna^^^DR^^^GMC',
    'OBR|1|P100^PCS|L200^LAB|FBC^Full blood count^LOCAL||20260228184000|20260228184100||||||Tired|20260228190000|B^Blood|C1234567^Smith^Anna^^^DR^^^GMC||||L200||20260301164600||HM|F',
    'OBX|1|NM|HGB^Haemoglobin^LOCAL||118|g/L^^UCUM|120 - 150|L|||F|||20260301120000||BB1^Bench^Bea',
    'NTE|1|L|Repeat in a month',
    'NTE|2|L|and with ferritin',
    'OBX|2|SN|CRP^C-reactive protein^LOCAL||<^5|mg/L|0 - 5|N|||F|||20260301120000',
    'OBX|3|TX|COM^Comment^LOCAL||First line~Second line||||||F',
    'OBX|4|CE|883-9^Blood group^LN||A^Group A^LOCAL||||||C',
    'OBX|5|NM|PLT^Platelets^LOCAL||clumped|10*9/L|||||P',
    'OBX|6|ED|PDF^Report^LOCAL||^application^pdf^Base64^JVBERi0xLjQK||||||F',
    segment('SPM', {
      1: '1',
      2: 'S1&PCS^S2&LAB',
      4: 'B^Blood^LOCAL',
      12: '5^mL',
      17: '20260228184100',
      18: '20260228190000',
    }),
  ),
  'ORU^R01 of an older system': hl7(
    'MSH|^~\\&|LAB2|LABS|EPR||20250112164645||ORU^R01|70003|P|2.3.1|||AL||||',
    'PID|||H125^^^HOSP1||TESTER^TOM^^^MR||19700101|M|||1 HIGH ST^^LEEDS^^LS1 4AP',
    'PV1||Inpatient|WARD9^^^^^^^^|||||W9^WARD NINE TEAM',
    'OBR|1|^PCS|25B000001^LA|FBC^BLOOD COUNT^LX||202501111841|202501111841||||||||B^Blood|W9^WARD NINE TEAM||25B000001||||202501121646||HM|F||||||||||||||||||',
    'OBX|1|TX|WBC^White cells^LX||6.09||||||F|||202501112026||BB1^Donna TEST|',
    'OBX|2|TX|LYM^Lymphocytes^LX||<0.2%||||||F|||202501112026||BB1^Donna TEST|',
  ),
  'MDM^T02': hl7(
    MSH('MDM^T02^MDM_T02'),
    EVN('T02'),
    PATIENT,
    VISIT,
    'TXA|1|DS^Discharge summary|AP|20260302120000|C7654321^Jones^Jo^^^MS^^^GMC|20260302123000|||C1234567^Smith^Anna^^^DR^^^GMC|C1234567^Smith^Anna^^^DR^^^GMC||D500^DOCS|D400^DOCS|||letter.pdf|AU|R|AV',
    'OBX|1|ED|PDF^Letter^LOCAL||^application^pdf^Base64^JVBERi0xLjQK||||||F',
    'OBX|2|TX|TXT^Summary^LOCAL||She went home.||||||F',
  ),
  'SIU^S12': siu('S12'),
  'SIU^S13': siu('S13'),
  'SIU^S14': siu('S14'),
  'SIU^S15': siu('S15'),
  'REF^I12': hl7(
    MSH('REF^I12^REF_I12'),
    'RF1|P^Pending|U^Urgent|CARD^Cardiology^LOCAL|||R1^GP|20260301090000|||CHEST^Chest pain^LOCAL',
    'PRD|RP^Referring provider|Doctor^Dan^^^DR|1 The Street^^Leeds^^LS1 4AP||0113 4960005||G9999981^GMP',
    'PRD|RT^Referred to provider|Smith^Anna^^^DR|||||C1234567^GMC',
    PATIENT,
    PD1,
    'DG1|1||29857009^Chest pain^SCT',
    'OBX|1|NM|8867-4^Heart rate^LN||72|/min^^UCUM|||||F',
    'PV1|1|O',
  ),
  'ORM^O01': order('ORM^O01'),
  'OMG^O19': order('OMG^O19'),
} as const;

export type MessageName = keyof typeof MESSAGES;
