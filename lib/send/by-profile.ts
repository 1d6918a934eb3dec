/** Prepares a message by its workflow's profile: recipient, subject, local id, chunks and recommended size. */
import type { WorkflowProfile } from '../acks/profiles';
import { requireOdsCode } from '../acks/ods-code';
import { fillTemplate, messageValues } from '../acks/template';
import { InvalidMessageError, NotFoundError } from '../errors';
import { gpProviderAddress, isPracticeAddress, type PatientTrace } from '../letters/practice-address';
import type { MailboxAddress, OutgoingMessage } from '../types';

/** A message whose recipient may still be a patient's practice. */
export interface DraftMessage extends Omit<OutgoingMessage, 'to'> {
  to?: string;
  /** The patient whose practice gets it, when it has no `to`. */
  patient?: PatientTrace;
}

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

/**
 * Returns the message with the fields filled in that it lacks and its workflow's profile prescribes. Without a profile
 * only its recipient is, by the patient.
 * @throws InvalidMessageError when it has neither a recipient nor a patient, when the patient's details cannot be used,
 *   when a value that a template needs is missing, or the recipient is ambiguous;
 *   NotFoundError when the look-up finds no recipient; what the look-up throws; ConfigurationError when a template
 *   needs the ODS code and it is unknown
 */
export async function prepareByProfile(draft: DraftMessage, parts: ProfileParts): Promise<PreparedMessage> {
  const { profile } = parts;
  const message = addressed(draft, profile);
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

/** Returns the message with its recipient, which may be the patient's practice. */
function addressed({ patient, to, ...message }: DraftMessage, profile: WorkflowProfile | undefined): OutgoingMessage {
  if (to !== undefined) return { ...message, to };
  if (patient !== undefined) return { ...message, to: gpProviderAddress(patient, { order: profile?.birthDateOrder }) };
  throw new InvalidMessageError('The message has no recipient.', { advice: 'Set its mailbox, or its patient.' });
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
  if (isPracticeAddress(to) && routing !== 'GPPROVIDER') {
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
