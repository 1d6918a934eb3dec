/**
 * What MESH's error codes mean and what to do about them. The same code means different things in different places, so a
 * code is looked up by (source, event, code), never alone. Sources: mesh-api.yaml "Error codes"; DOMAIN.md section 2.
 */

/** Who speaks: the HTTP API (answers and reports), or the MESH (Java) Client's control files. */
export type ErrorSource = 'api' | 'client';

/** One row of the table. */
export interface ErrorCode {
  source: ErrorSource;
  /** The step; `*` where the code means the same at every step of its source. */
  event: string;
  code: string;
  /** What happened, without a full stop. */
  meaning: string;
  /** What to do, one sentence. */
  advice: string;
}

const api = (code: string, meaning: string, advice: string, event = '*'): ErrorCode => ({
  source: 'api',
  event,
  code,
  meaning,
  advice,
});
const client = (event: string, code: string, meaning: string, advice: string): ErrorCode => ({
  source: 'client',
  event,
  code,
  meaning,
  advice,
});

const ASK_DESK = 'Ask the national service desk (ssd.nationalservicedesk@nhs.net), with the message id.';
const CHECK_DETAILS =
  'Check NHS number, date of birth and surname against PDS and send again, or send to the practice’s mailbox by its id.';

/** Every code that is known. */
export const ERROR_CODES: readonly ErrorCode[] = [
  api('02', 'data missing', 'Send a payload with at least one byte; MESH takes no empty message.'),
  api(
    '06',
    'malformed headers',
    'Look for control characters or characters outside Latin-1 in subject, local id and file name.',
  ),
  api(
    '07',
    'the sender’s mailbox does not match the authorization',
    'Use the mailbox’s own id, in capitals, on its mesh-config.',
  ),
  api('08', 'the recipient is missing', 'Give the recipient’s mailbox id (to).'),
  api('09', 'unknown version of the control data', 'Update this package; if it is up to date, report it.'),
  api('11', 'wrong message type', 'Only DATA can be sent; a report is made by MESH alone.'),
  api(
    '12',
    'the recipient’s mailbox is not registered',
    'Check the mailbox id for typing errors and its environment (Integration and Live have different mailboxes), or look it up with mesh-lookup.',
  ),
  api(
    '14',
    'the message was not collected in time, or could not be delivered',
    'Ring the recipient: nobody collected it for five days. Send it again, or ask the national service desk within 30 days to place it in their inbox again.',
  ),
  api('15', 'bad CP-IS file', 'Correct the Child Protection file by the CP-IS specification and send it again.'),
  api(
    '16',
    'the sender may not send messages of this type',
    'Ask the MESH team to register your mailbox as a sender of this workflow id, or correct the workflow id.',
  ),
  api(
    '17',
    'the workflow id is not registered for the mailbox',
    'Check the workflow id’s spelling with the recipient; their mailbox has to be registered for it by the MESH team.',
  ),
  api(
    '18',
    'the ONS workflow is not enabled',
    'Ask the MESH team to enable the ONS civil registration workflow for your mailbox.',
  ),
  api('19', 'invalid expiry period', 'Leave the expiry to MESH.'),
  api(
    '20',
    'there is no such message',
    'It was acknowledged, it expired after 30 days, or the id belongs to another mailbox or environment.',
  ),
  api(
    'EPL-150',
    'several mailboxes match the recipient',
    'Send to one mailbox by its id; ask the practice which one it reads.',
  ),
  api(
    'EPL-151',
    'no mailbox matches the recipient',
    'Look the mailbox up by ODS code and workflow id, or ask the recipient for it.',
  ),
  api('EPL-152', 'the NHS number is invalid', CHECK_DETAILS),
  api('EPL-153', 'the NHS number was not found', CHECK_DETAILS),
  api('EPL-154', 'the NHS number does not match the demographics', CHECK_DETAILS),
  client('COLLECT', '00', 'collected', 'Nothing to do.'),
  client('COLLECT', '01', 'the control file is missing or cannot be read', 'Write the .dat first, then the .ctl.'),
  client(
    'COLLECT',
    '02',
    'the data file is missing or cannot be read',
    'Write the .dat before its .ctl, with the same name.',
  ),
  client('TRANSFER', '00', 'transferred', 'Nothing to do.'),
  client('TRANSFER', '03', 'the sender’s transfer failed', ASK_DESK),
  client('TRANSFER', '04', 'the transfer could not be read', ASK_DESK),
  client(
    'TRANSFER',
    '05',
    'the transfer was interrupted',
    'Send it again once you know by tracking that it did not arrive.',
  ),
  client(
    'TRANSFER',
    '06',
    'the control file is malformed',
    'Correct the .ctl: it has to be well-formed XML of type DTSControl.',
  ),
  client('SEND', '07', 'invalid sender address', 'From_DTS has to be this mailbox’s id.'),
  client('SEND', '08', 'invalid recipient address', 'Give the recipient’s mailbox id in To_DTS.'),
  client(
    'SEND',
    '12',
    'the recipient’s mailbox is not registered',
    'Check the mailbox id in To_DTS and its environment.',
  ),
  client('SEND', '13', 'the recipient could not be found', 'Look the mailbox up by ODS code and workflow id.'),
  client('SEND', '14', 'the message was not collected', 'Ring the recipient; send it again within 30 days.'),
  client('RECEIVE', '00', 'received', 'Nothing to do.'),
  client('RECEIVE', '15', 'the received data could not be saved', 'Check the folder’s permissions and free space.'),
  client(
    'RECEIVE',
    '16',
    'the received control data could not be saved',
    'Check the folder’s permissions and free space.',
  ),
  client('RECEIVE', '17', 'the received message could not be expanded', 'Ask the sender to send it again.'),
];

/** The row for a code as its source gave it; undefined if nobody has written down what it means. */
export function findErrorCode(source: ErrorSource, event: string | undefined, code: string): ErrorCode | undefined {
  const step = event?.toUpperCase();
  const fits = ERROR_CODES.filter((row) => row.source === source && row.code === code.toUpperCase());
  return fits.find((row) => row.event === step) ?? fits.find((row) => row.event === '*');
}

/** The advice for a code, or what to do about one that is not in the table. */
export function adviceFor(source: ErrorSource, event: string | undefined, code: string): string {
  return findErrorCode(source, event, code)?.advice ?? `MESH’s code ${code} is not in our table. ${ASK_DESK}`;
}
