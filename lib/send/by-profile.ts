/** Prepares a message by its workflow's profile: recipient, subject, local id, chunks and recommended size. */
import type { WorkflowProfile } from '../acks/profiles';
import { requireOdsCode } from '../acks/ods-code';
import { fillTemplate, messageValues } from '../acks/template';
import { InvalidMessageError, NotFoundError } from '../errors';
import { brokenNhsNumberRule, NHS_NUMBER_TEXTS, normaliseNhsNumber } from '../formats/nhs-number';
import type { MailboxAddress, OutgoingMessage } from '../types';

/** What the preparation of a message needs. */
export interface ProfileParts {
  profile: WorkflowProfile | undefined;
  mailboxId: string;
  odsCode?: string;
  /** Returns the flow message's value for `{msg.a.b}`; called with `a.b`. */
  property(path: string): string | undefined;
  /** Returns the mailboxes of an organisation that accept a workflow (endpoint look-up). */
  lookup(odsCode: string, workflowId: string): Promise<MailboxAddress[]>;
}

/** A message as its workflow's profile prescribes it. */
export interface PreparedMessage {
  message: OutgoingMessage;
  /** True if the profile prescribed the local id, which is then not unique. */
  localIdIsShared: boolean;
  /** The largest size that its recipients should be sent (MB of 1,000,000 bytes). */
  recommendedMb?: number;
}

/** Prefix of an address by which MESH finds the patient's practice. */
const BY_PATIENT = 'GPPROVIDER_';

/**
 * Returns the message with the fields filled in that it lacks and its workflow's profile prescribes. Without a profile
 * it is unchanged.
 * @throws InvalidMessageError when a value that a template needs is missing, or the recipient is ambiguous;
 *   NotFoundError when the look-up finds no recipient; what the look-up throws; ConfigurationError when a template
 *   needs the ODS code and it is unknown
 */
export async function prepareByProfile(message: OutgoingMessage, parts: ProfileParts): Promise<PreparedMessage> {
  const { profile } = parts;
  if (!profile) return { message, localIdIsShared: false };
  const filled = (field: string, template: string): string =>
    fillTemplate(template, field, (name) => valueOf(name, message, parts));
  const { subject, localId, chunks, recommendedMb } = profile;
  const canFill = (template: string): boolean =>
    profile.subjectOptional !== true || messageValues(template).some((name) => Boolean(valueOf(name, message, parts)));
  const prescribesSubject = subject !== undefined && !message.subject && canFill(subject);
  const prescribesLocalId = localId !== undefined && !message.localId;
  return {
    message: {
      ...message,
      to: await recipientOf(message, profile, parts),
      ...(prescribesSubject && { subject: filled('subject', subject) }),
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

/** Returns the recipient's mailbox. No error names the address: it may contain patient data. */
async function recipientOf(
  { to, workflowId }: OutgoingMessage,
  { routing }: WorkflowProfile,
  parts: ProfileParts,
): Promise<string> {
  if (to.toUpperCase().startsWith(BY_PATIENT) && routing !== 'GPPROVIDER') {
    throw new InvalidMessageError(`Messages of workflow ${workflowId} are not routed by the patient.`, {
      advice: 'Address it to a mailbox; or, if MESH does route it, set the routing of its profile to GPPROVIDER.',
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
          'The profile of the workflow looks the recipient up: check that it is an ODS code, and ask the organisation.',
      },
    );
  }
  throw new InvalidMessageError(
    `The organisation has ${found.length} mailboxes for workflow ${workflowId}. Nothing was sent.`,
    { advice: 'Ask the organisation which one it is, and address that; the profile of the workflow looks it up.' },
  );
}

/** The details by which MESH finds a patient's practice. */
export interface PatientTrace {
  /** Ten digits, the last of them a check digit; spaces are allowed. */
  nhsNumber: string;
  /** `YYYY-MM-DD` or `YYYYMMDD`. */
  birthDate: string;
  surname: string;
}

/**
 * Returns `Mex-To` by the patient: `GPPROVIDER_<NHS number>_<date of birth, yyyymmdd>_<surname>` (Transfer of Care and
 * GP Connect specifications). The address is patient data.
 * @throws InvalidMessageError when a part is wrong; it names the part, never its value
 */
export function gpProviderAddress({ nhsNumber, birthDate, surname }: PatientTrace): string {
  const number = normaliseNhsNumber(nhsNumber);
  const date = birthDate.replaceAll('-', '');
  const name = surname.trim();
  const broken = brokenNhsNumberRule(number);
  if (broken !== undefined) throw notUsable('NHS number', NHS_NUMBER_TEXTS[broken]);
  if (!/^\d{8}$/.test(date) || !isDate(date)) throw notUsable('date of birth', 'Write it as YYYY-MM-DD.');
  if (name === '') throw notUsable('surname', 'Enter the surname as it is registered.');
  return `${BY_PATIENT}${number}_${date}_${name}`;
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
