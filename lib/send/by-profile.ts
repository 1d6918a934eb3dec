/** What a workflow's profile says about sending: how the recipient is named, subject, local id, chunks and size. */
import type { WorkflowProfile } from '../acks/profiles';
import { requireOdsCode } from '../acks/ods-code';
import { fillTemplate } from '../acks/template';
import { InvalidMessageError, NotFoundError } from '../errors';
import type { MailboxAddress, OutgoingMessage } from '../types';

/** What is known where a message is made. */
export interface ProfileParts {
  profile: WorkflowProfile | undefined;
  mailboxId: string;
  odsCode?: string;
  /** What the flow's message has at `{msg.a.b}`: asked with `a.b`. */
  property(path: string): string | undefined;
  /** The directory: the mailboxes of an organisation that take a workflow. */
  lookup(odsCode: string, workflowId: string): Promise<MailboxAddress[]>;
}

/** A message as its workflow's profile has it. */
export interface PreparedMessage {
  message: OutgoingMessage;
  /** The local id is prescribed, and not unique. */
  localIdIsShared: boolean;
  /** More than this its receivers should not be sent (MB of 1,000,000 bytes). */
  recommendedMb?: number;
}

/** MESH finds the practice by what follows. */
const BY_PATIENT = 'GPPROVIDER_';

/**
 * Fills what the message lacks and its workflow's profile prescribes; what the message has, stays. Without a profile it is as it
 * came.
 * @throws InvalidMessageError where something that is needed is not there, or the recipient cannot be told; NotFoundError where
 *   the directory has none; what the look-up throws; ConfigurationError without the ODS code that a template names
 */
export async function prepareByProfile(message: OutgoingMessage, parts: ProfileParts): Promise<PreparedMessage> {
  const { profile } = parts;
  if (!profile) return { message, localIdIsShared: false };
  const filled = (what: string, template: string): string =>
    fillTemplate(template, what, (name) => valueOf(name, message, parts));
  const { subject, localId, chunks, recommendedMb } = profile;
  const prescribesLocalId = localId !== undefined && !message.localId;
  return {
    message: {
      ...message,
      to: await recipientOf(message, profile, parts),
      ...(subject !== undefined && !message.subject && { subject: filled('subject', subject) }),
      ...(prescribesLocalId && { localId: filled('local id', localId) }),
      ...(chunks === false && message.chunks === undefined && { chunks: 'never' as const }),
    },
    localIdIsShared: prescribesLocalId,
    ...(recommendedMb === undefined ? {} : { recommendedMb }),
  };
}

function valueOf(name: string, { workflowId }: OutgoingMessage, parts: ProfileParts): string | undefined {
  if (name === 'odsCode') return requireOdsCode(parts);
  if (name === 'mailboxId') return parts.mailboxId;
  return name === 'workflowId' ? workflowId : parts.property(name.replace(/^msg\./, ''));
}

/** No error names it: an address by the patient is patient data. */
async function recipientOf(
  { to, workflowId }: OutgoingMessage,
  { routing }: WorkflowProfile,
  parts: ProfileParts,
): Promise<string> {
  if (to.toUpperCase().startsWith(BY_PATIENT) && routing !== 'GPPROVIDER') {
    throw new InvalidMessageError(`MESH routes no message of workflow ${workflowId} by the patient.`, {
      advice: 'Address it to a mailbox; or, if it is routed so, set the routing of its profile to GPPROVIDER.',
    });
  }
  if (routing !== 'lookup') return to;
  const found = await parts.lookup(to.toUpperCase(), workflowId);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first.mailboxId;
  if (first === undefined) {
    throw new NotFoundError(
      `MESH knows no mailbox of that organisation for workflow ${workflowId}. Nothing was sent.`,
      {
        advice:
          'The profile of the workflow has the recipient looked up: check that it is an ODS code, and ask the organisation.',
      },
    );
  }
  throw new InvalidMessageError(
    `The organisation has ${found.length} mailboxes for workflow ${workflowId}, and it is not known which is meant. Nothing was sent.`,
    { advice: 'Ask the organisation which one it is, and address that; the profile of the workflow has it looked up.' },
  );
}

/** What MESH routes to a patient's practice by. */
export interface PatientTrace {
  /** Ten digits, the last of them a check digit; spaces are allowed. */
  nhsNumber: string;
  /** `YYYY-MM-DD` or `YYYYMMDD`. */
  birthDate: string;
  surname: string;
}

/**
 * `Mex-To` by the patient: `GPPROVIDER_<NHS number>_<date of birth, yyyymmdd>_<surname>` (Transfer of Care and GP Connect
 * specifications). It is patient data.
 * @throws InvalidMessageError that tells which part is wrong, never what it is
 */
export function gpProviderAddress({ nhsNumber, birthDate, surname }: PatientTrace): string {
  const number = nhsNumber.replaceAll(' ', '');
  const date = birthDate.replaceAll('-', '');
  const name = surname.trim();
  if (!isNhsNumber(number)) throw notUsable('NHS number', 'It has ten digits, the last of them a check digit.');
  if (!/^\d{8}$/.test(date) || !isDate(date)) throw notUsable('date of birth', 'Write it as YYYY-MM-DD.');
  if (name === '') throw notUsable('surname', 'Give the surname as it is registered.');
  return `${BY_PATIENT}${number}_${date}_${name}`;
}

/** Modulus 11 over the first nine digits, as the NHS Data Dictionary has it. */
function isNhsNumber(number: string): boolean {
  if (!/^\d{10}$/.test(number)) return false;
  const sum = number
    .slice(0, 9)
    .split('')
    .reduce((total, digit, index) => total + Number(digit) * (10 - index), 0);
  const check = 11 - (sum % 11);
  return check !== 10 && check % 11 === Number(number[9]);
}

function isDate(yyyymmdd: string): boolean {
  const iso = yyyymmdd.replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3');
  const time = Date.parse(`${iso}T00:00:00Z`);
  return Number.isFinite(time) && new Date(time).toISOString().startsWith(iso);
}

function notUsable(part: string, advice: string): InvalidMessageError {
  return new InvalidMessageError(`The patient’s ${part} cannot be used to find the practice. Nothing was sent.`, {
    advice,
  });
}
