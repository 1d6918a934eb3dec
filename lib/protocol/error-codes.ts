/**
 * What each error code of MESH's HTTP API means and what to do about it. A code has the same meaning in a response and
 * in a REPORT, whatever its event. The MESH Client's control files use some of these codes with other meanings; nothing
 * here reads those files. Sources: mesh-api.yaml, "Error codes"; docs/mesh.md, Error codes.
 */

/** One row of the table. */
export interface ErrorCode {
  code: string;
  /** What happened, without a full stop. */
  meaning: string;
  /** What to do next, in complete sentences. */
  advice: string;
}

const ASK_SERVICE_DESK = 'Ask the national service desk (ssd.nationalservicedesk@nhs.net); quote the message id.';
const CHECK_DEMOGRAPHICS =
  'Check NHS number, date of birth and surname against PDS and send it again, or send it to the practice’s mailbox.';

/** Every known code. */
export const ERROR_CODES: readonly ErrorCode[] = [
  {
    code: '02',
    meaning: 'the message has no payload',
    advice: 'Send a payload of at least one byte: MESH accepts no empty messages.',
  },
  {
    code: '06',
    meaning: 'a header is malformed',
    advice:
      'Remove control characters from the subject, local id and file name; if MESH still refuses, accented and other ' +
      'characters that are not ASCII.',
  },
  {
    code: '07',
    meaning: 'the sender’s mailbox does not match the authorization',
    advice: 'Enter the mailbox’s own id, in capitals, in its mesh-config.',
  },
  {
    code: '08',
    meaning: 'the recipient is missing',
    advice: 'Set the recipient’s mailbox id (to).',
  },
  {
    code: '09',
    meaning: 'MESH does not know this version of the control data',
    advice: 'Update this package; if it is up to date, report the fault.',
  },
  {
    code: '11',
    meaning: 'the message type is wrong',
    advice: 'Send DATA only: MESH alone makes reports.',
  },
  {
    code: '12',
    meaning: 'the recipient’s mailbox is not registered',
    advice:
      'Check the mailbox id for typing errors and its environment (Integration and Live have different mailboxes), ' +
      'or look it up with mesh-lookup.',
  },
  {
    code: '14',
    meaning: 'the message was not collected in time, or could not be delivered',
    advice:
      'Ring the recipient: the message was not collected within five days. Send it again, or ask the national ' +
      'service desk within 30 days to put it back in their inbox.',
  },
  {
    code: '15',
    meaning: 'the CP-IS file is invalid',
    advice: 'Correct the Child Protection file to follow the CP-IS specification, then send it again.',
  },
  {
    code: '16',
    meaning: 'the sender may not send messages of this type',
    advice:
      'Check the workflow id; if it is right, ask the MESH team to register your mailbox as a sender of this workflow.',
  },
  {
    code: '17',
    meaning: 'the recipient’s mailbox is not registered for the workflow id',
    advice:
      'Check the spelling of the workflow id with the recipient; the MESH team must register their mailbox for it.',
  },
  {
    code: '18',
    meaning: 'the ONS workflow is not enabled',
    advice: 'Ask the MESH team to enable the ONS civil registration workflow for your mailbox.',
  },
  {
    code: '19',
    meaning: 'the expiry period is invalid',
    advice: 'Leave the expiry to MESH.',
  },
  {
    code: '20',
    meaning: 'there is no such message',
    advice:
      'The message was acknowledged, it expired after 30 days, or its id belongs to another mailbox or environment.',
  },
  {
    code: 'EPL-150',
    meaning: 'several mailboxes match the recipient',
    advice: 'Ask the practice which mailbox it reads, then send to that mailbox by its id.',
  },
  {
    code: 'EPL-151',
    meaning: 'no mailbox matches the recipient',
    advice:
      'Ask the practice, or its system’s supplier, whether it takes this workflow; or send it to the practice’s mailbox by its id.',
  },
  { code: 'EPL-152', meaning: 'the NHS number is invalid', advice: CHECK_DEMOGRAPHICS },
  { code: 'EPL-153', meaning: 'the NHS number was not found', advice: CHECK_DEMOGRAPHICS },
  { code: 'EPL-154', meaning: 'the NHS number does not match the demographics', advice: CHECK_DEMOGRAPHICS },
];

/** Returns the row for a code, in any case; undefined for an unknown code. */
export function findErrorCode(code: string): ErrorCode | undefined {
  return ERROR_CODES.find((row) => row.code === code.toUpperCase());
}

/** Returns the advice for a code; for an unknown one, to ask the service desk. */
export function adviceFor(code: string): string {
  return findErrorCode(code)?.advice ?? `MESH code ${code} is not in this package’s table. ${ASK_SERVICE_DESK}`;
}
