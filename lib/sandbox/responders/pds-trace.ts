/** PDS batch trace, by both of its workflows: one file with an answer for each row. */
import { compactTime, rows, values, type Responder, type ServiceRequest } from './responder';

/** PDS MESH, by name: 24 columns. */
const REQUEST = (
  'UNIQUE REFERENCE,NHS_NO,FAMILY_NAME,GIVEN_NAME,OTHER_GIVEN_NAME,GENDER,DATE_OF_BIRTH,POSTCODE,DATE_OF_DEATH,' +
  'ADDRESS_LINE1,ADDRESS_LINE2,ADDRESS_LINE3,ADDRESS_LINE4,ADDRESS_LINE5,ADDRESS_DATE,GP_PRACTICE_CODE,' +
  'GP_REGISTRATION_DATE,NHAIS_POSTING_ID,AS_AT_DATE,LOCAL_PATIENT_ID,INTERNAL_ID,TELEPHONE_NUMBER,MOBILE_NUMBER,' +
  'EMAIL_ADDRESS'
).split(',');
/** MPT, by position: 23 columns. */
const MPT_REQUEST = (
  'UNIQUE REFERENCE,NHS_NO,FAMILY_NAME,GIVEN_NAME,OTHER_GIVEN_NAME,GENDER,DATE_OF_BIRTH,DATE_OF_DEATH,ADDRESS_LINE1,' +
  'ADDRESS_LINE2,ADDRESS_LINE3,ADDRESS_LINE4,ADDRESS_LINE5,ADDRESS_DATE,POSTCODE,GP_PRACTICE_CODE,NHAIS_POSTING_ID,' +
  'AS_AT_DATE,LOCAL_PATIENT_ID,INTERNAL_ID,TELEPHONE_NUMBER,MOBILE_NUMBER,EMAIL_ADDRESS'
).split(',');
const RESPONSE = (
  'UNIQUE REFERENCE,REQ_NHS_NUMBER,FAMILY_NAME,GIVEN_NAME,OTHER_GIVEN_NAME,GENDER,DATE_OF_BIRTH,DATE_OF_DEATH,' +
  'ADDRESS_LINE1,ADDRESS_LINE2,ADDRESS_LINE3,ADDRESS_LINE4,ADDRESS_LINE5,POSTCODE,GP_PRACTICE_CODE,' +
  'GP_REGISTRATION_DATE,NHAIS_POSTING_ID,AS_AT_DATE,LOCAL_PATIENT_ID,INTERNAL_ID,TELEPHONE_NUMBER,MOBILE_NUMBER,' +
  'EMAIL_ADDRESS,SENSITIVITY_FLAG,MPS_ID,ERROR/SUCCESS_CODE,MATCHED_NHS_NO,MATCHED_ALGORITHM_INDICATOR,' +
  'MATCHED_CONFIDENCE_PERCENTAGE'
).split(',');

/** The patients that the sandbox knows: synthetic, in the range that is not issued to people. */
const PATIENTS = [
  { number: '9997877896', family: 'PATIENT', given: 'TESTA', birth: '19800229', gender: '2', postcode: 'ZZ99 9ZZ' },
  { number: '9999081002', family: 'SAMPLE', given: 'TESTO', birth: '19550704', gender: '1', postcode: 'ZZ99 3VZ' },
];

/** Makes the service. */
export function pdsTrace(): Responder {
  return {
    service: 'pds-trace',
    mailboxIds: ['X26PDS'],
    workflowIds: ['SPINE_PDS_MESH_V1', 'SPINE_MPTPHASE4_TRACE'],
    answer(request, { answer }) {
      const isMpt = request.workflowId.toUpperCase() === 'SPINE_MPTPHASE4_TRACE';
      const [first = '', ...items] = rows(request.body.toString('utf8'));
      const reference = isMpt ? (values(first, ',')[0] ?? '') : request.fileName.replace(/\.[^.]*$/, '');
      const code = answer === 'rejected' ? '05' : fileCode(isMpt, request, values(first, ','), items.length);
      const columns = isMpt ? MPT_REQUEST : REQUEST;
      const results = code === '00' ? items.map((item) => traced(values(item, ','), columns)) : [];
      const workflowId = isMpt ? 'SPINE_MPT_RESPONSE' : request.workflowId;
      const firstRow = [reference, workflowId, String(results.length), code].join(',');
      const body = [firstRow, RESPONSE.join(','), ...results].map((row) => `${row}\r\n`).join('');
      const fileName = `RESP_${reference}_${compactTime(request.receivedAt)}.csv`;
      return {
        replies: [{ stage: 'result', workflowId, fileName, contentType: 'text/csv', body }],
        note:
          `File code ${code}, ${results.length} rows. The mailbox is the sandbox's own; ` +
          'that PDS MESH sends the row of four values before the names is a guess.',
      };
    },
  };
}

/** Returns the code for the whole file: 00 good, 01 not readable, 02 reference, 03 workflow, 04 count, 07 file name. */
function fileCode(isMpt: boolean, request: ServiceRequest, first: readonly string[], count: number): string {
  if (!isMpt) return first.join(',') === REQUEST.join(',') && count > 0 ? '00' : '01';
  const [reference = '', workflow, , announced] = first;
  if (!/^MPTREQ_\d{14}$/.test(reference)) return '02';
  if (workflow !== 'SPINE_MPTPHASE4_TRACE') return '03';
  if (Number(announced) !== count) return '04';
  return request.fileName === `${reference}.csv` ? '00' : '07';
}

/** Returns the answer to one row. */
function traced(cells: readonly string[], columns: readonly string[]): string {
  const asked = (name: string): string => cells[columns.indexOf(name)] ?? '';
  const answer = (code: string, matched: string, algorithm: string, patient?: (typeof PATIENTS)[number]): string => {
    const found: Record<string, string> = {
      'UNIQUE REFERENCE': asked('UNIQUE REFERENCE'),
      REQ_NHS_NUMBER: asked('NHS_NO'),
      FAMILY_NAME: patient?.family ?? '',
      GIVEN_NAME: patient?.given ?? '',
      GENDER: patient?.gender ?? '',
      DATE_OF_BIRTH: patient?.birth ?? '',
      POSTCODE: patient?.postcode ?? '',
      SENSITIVITY_FLAG: patient ? 'N' : '',
      'ERROR/SUCCESS_CODE': code,
      MATCHED_NHS_NO: matched,
      MATCHED_ALGORITHM_INDICATOR: algorithm,
      MATCHED_CONFIDENCE_PERCENTAGE: patient ? '100' : '0',
    };
    return RESPONSE.map((name) => found[name] ?? '').join(',');
  };
  if (cells.length < columns.length) return answer('16', '', '0');
  if (cells.length > columns.length) return answer('17', '', '0');
  if (asked('UNIQUE REFERENCE') === '') return answer('08', '', '0');
  const hasNumber = asked('NHS_NO') !== '' && asked('DATE_OF_BIRTH') !== '';
  const hasNames = asked('FAMILY_NAME') !== '' && asked('DATE_OF_BIRTH') !== '' && asked('GENDER') !== '';
  if (!hasNumber && !hasNames) return answer('96', '', '0');
  const patient = PATIENTS.find(({ number, family, birth }) =>
    hasNumber
      ? number === asked('NHS_NO') && birth === asked('DATE_OF_BIRTH')
      : family === asked('FAMILY_NAME').toUpperCase() && birth === asked('DATE_OF_BIRTH'),
  );
  if (patient === undefined) return answer('98', '0000000000', '0');
  return answer('00', patient.number, hasNumber ? '1' : '2', patient);
}
