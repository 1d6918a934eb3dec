/** The national vaccination store's batch files: an infrastructure answer for the file, then one for its rows. */
import { randomUUID } from 'node:crypto';
import { compactTime, hasCheckDigit, rows, silence, values, type Responder, type ServiceReply } from './responder';

/** The sandbox's own: the service's workflow ids and mailbox are not public. */
const WORKFLOW = 'SANDBOX_VACCINATION_BATCH';

const TYPES =
  '3IN1 4IN1 6IN1 BCG COVID FLU HEPB HIB HIBMENC HPV MENACWY MENB MMR MMRV PNEUMOCOCCAL PERTUSSIS ROTAVIRUS RSV SHINGLES';
const FILE_NAME = /^([A-Z0-9]+)_Vaccinations_v5_([A-Z0-9]+)_(\d{8}T\d{6}0[01])(?:_.*)?\.(?:csv|dat)$/i;

const COLUMNS = (
  'NHS_NUMBER PERSON_FORENAME PERSON_SURNAME PERSON_DOB PERSON_GENDER_CODE PERSON_POSTCODE DATE_AND_TIME SITE_CODE ' +
  'SITE_CODE_TYPE_URI UNIQUE_ID UNIQUE_ID_URI ACTION_FLAG PERFORMING_PROFESSIONAL_FORENAME ' +
  'PERFORMING_PROFESSIONAL_SURNAME RECORDED_DATE PRIMARY_SOURCE VACCINATION_PROCEDURE_CODE VACCINATION_PROCEDURE_TERM ' +
  'DOSE_SEQUENCE VACCINE_PRODUCT_CODE VACCINE_PRODUCT_TERM VACCINE_MANUFACTURER BATCH_NUMBER EXPIRY_DATE ' +
  'SITE_OF_VACCINATION_CODE SITE_OF_VACCINATION_TERM ROUTE_OF_VACCINATION_CODE ROUTE_OF_VACCINATION_TERM DOSE_AMOUNT ' +
  'DOSE_UNIT_CODE DOSE_UNIT_TERM INDICATION_CODE LOCATION_CODE LOCATION_CODE_TYPE_URI'
).split(' ');

const MANDATORY = (
  'PERSON_FORENAME PERSON_SURNAME PERSON_DOB PERSON_GENDER_CODE PERSON_POSTCODE DATE_AND_TIME SITE_CODE ' +
  'SITE_CODE_TYPE_URI UNIQUE_ID UNIQUE_ID_URI RECORDED_DATE PRIMARY_SOURCE VACCINATION_PROCEDURE_CODE LOCATION_CODE ' +
  'LOCATION_CODE_TYPE_URI'
).split(' ');

const INFRASTRUCTURE_COLUMNS =
  'MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|RESPONSE_TYPE|RESPONSE_CODE|' +
  'RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|MESSAGE_DELIVERY';
const BUSINESS_COLUMNS =
  'MESSAGE_HEADER_ID|HEADER_RESPONSE_CODE|ISSUE_SEVERITY|ISSUE_CODE|ISSUE_DETAILS_CODE|RESPONSE_TYPE|RESPONSE_CODE|' +
  'RESPONSE_DISPLAY|RECEIVED_TIME|MAILBOX_FROM|LOCAL_ID|IMMS_ID|OPERATION_OUTCOME|MESSAGE_DELIVERY';

/** Makes the service. */
export function vaccinations(): Responder {
  const taken = new Set<string>();
  return {
    service: 'vaccinations',
    mailboxIds: ['X26IMMS'],
    workflowIds: [WORKFLOW],
    answer(request, { answer }) {
      const { fileName, receivedAt } = request;
      if (/^Vaccination_Extended_Attributes_v1_/i.test(fileName)) return silence('this kind of file gets no answer');
      const [headings = '', ...body] = rows(decoded(request.body));
      const refusal = answer === 'rejected' ? 'by the setting' : fault(fileName, headings, taken);
      const time = `${compactTime(receivedAt).slice(0, 8)}T${compactTime(receivedAt).slice(8)}00`;
      const stem = fileName.replace(/\.[^.]*$/, '');
      const id = randomUUID();
      const reply = (kind: 'InfAck' | 'BusAck', text: string): ServiceReply => ({
        stage: kind === 'InfAck' ? 'receipt' : 'result',
        workflowId: `${WORKFLOW}_ACK`,
        fileName: `${stem}_${kind}_${time}.csv`,
        contentType: 'text/csv',
        body: text,
      });
      const infrastructure = (outcome: string): ServiceReply =>
        reply('InfAck', `${INFRASTRUCTURE_COLUMNS}\r\n${id}|${outcome.replace('{time}', time)}\r\n`);
      if (refusal !== undefined) {
        return { replies: [infrastructure(REFUSED)], note: `Refused: ${refusal}. ${HEADERS_ARE_OURS}` };
      }
      taken.add(fileName.toUpperCase());
      if (body.length === 0) {
        const note = `A file without rows gets no business answer. ${HEADERS_ARE_OURS}`;
        return { replies: [infrastructure(TAKEN)], note };
      }
      // Only rows that failed are listed.
      const failures = body.flatMap((row, index) => {
        const cells = values(row, '|');
        const cell = (name: string): string => cells[COLUMNS.indexOf(name)] ?? '';
        const faults = rowFaults(cells, cell);
        if (faults.length === 0) return [];
        const localId = `${cell('UNIQUE_ID')}^${cell('UNIQUE_ID_URI')}`;
        return [
          `${id}^${index + 1}|Fatal Error|Fatal|Fatal Error|30002|Business|30002|` +
            `Business Level Response Value - Processing Error|${time}||${localId}||${faults.join('; ')}|False\n`,
        ];
      });
      return {
        replies: [infrastructure(TAKEN), reply('BusAck', `${BUSINESS_COLUMNS}\n${failures.join('')}`)],
        note: `${failures.length} of ${body.length} rows failed. ${HEADERS_ARE_OURS}`,
      };
    },
  };
}

const TAKEN = 'Success|Information|OK|20013|Technical|20013|Success|{time}|||True';
const REFUSED =
  'Failure|Fatal|Fatal Error|10001|Technical|10002|Infrastructure Level Response Value - Processing Error|{time}|||False';
const HEADERS_ARE_OURS = 'The workflow of the answers and their MESH headers are guesses';

/** Returns why the whole file is refused. The service does not tell it. */
function fault(fileName: string, headings: string, taken: ReadonlySet<string>): string | undefined {
  const type = FILE_NAME.exec(fileName)?.[1]?.toUpperCase();
  if (type === undefined) return 'the file name is not of the form <type>_Vaccinations_v5_<ODS>_<time>.csv';
  if (!TYPES.split(' ').includes(type)) return 'the type in the file name is not known';
  if (values(headings, '|').join('|') !== COLUMNS.join('|')) return 'the header row is not exact';
  return taken.has(fileName.toUpperCase()) ? 'a file of this name was processed' : undefined;
}

function rowFaults(cells: readonly string[], cell: (name: string) => string): string[] {
  if (cells.length !== COLUMNS.length) return ['the row has another number of values than the header'];
  const faults: string[] = [];
  const action = cell('ACTION_FLAG').toUpperCase();
  if (!['NEW', 'UPDATE', 'DELETE'].includes(action)) faults.push('Invalid ACTION_FLAG');
  if (cell('UNIQUE_ID') === '') faults.push('UNIQUE_ID is missing');
  // A DELETE uses only the event's identity.
  if (action === 'DELETE') return faults;
  if (cell('NHS_NUMBER') !== '' && !hasCheckDigit(cell('NHS_NUMBER'))) faults.push('NHS_NUMBER is not valid');
  if (!/^\d{8}$/.test(cell('PERSON_DOB'))) faults.push('PERSON_DOB must be in the format "YYYYMMDD"');
  for (const name of MANDATORY) if (name !== 'UNIQUE_ID' && cell(name) === '') faults.push(`${name} is mandatory`);
  return faults;
}

/** UTF-8, else Windows-1252. */
function decoded(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return new TextDecoder('windows-1252').decode(body);
  }
}
