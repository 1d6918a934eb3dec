/** The answer to a received message, decided and written: which form, which code, on which workflow; or why there is none. */
import { randomInt } from 'node:crypto';
import { InvalidMessageError } from '../errors';
import { componentAt } from '../formats/edifact/interchange';
import { acknowledgeHl7, ACK_CODES, type AckCode } from '../formats/hl7/acknowledge';
import { writeHl7 } from '../formats/hl7/message';
import { isMarkedAsAcknowledgement, subjectOfAcknowledgement } from './acknowledgement-mark';
import { acknowledgementsRequested } from './requested';
import { buildItk3Response } from './itk3/build';
import { findItk3Code, levelOf } from './itk3/codes';
import { checkMayFollow } from './itk3/read';
import { buildNhsAck } from './nhsack/nhsack';
import { requireOdsCode } from './ods-code';
import { ackWorkflowOf, isAckWorkflow, type WorkflowProfiles } from './profiles';
import type { Classification } from './classify';
import type { KeptRequest } from './request';
import { fillTemplate, needsMessage } from './template';
import type { AckForm, AckLevel } from './types';

/** What the receiver wants to tell the sender. */
export interface AcknowledgementRequest {
  /**
   * `profile`: as the message's flags and its workflow's profile want it, or not at all. Else this form, asked for or not; but an
   * acknowledgement is never answered.
   */
  form: 'profile' | Exclude<AckForm, 'none'>;
  level: AckLevel;
  outcome: 'accepted' | 'rejected' | 'partial';
  /** ITK3's response code, NHSACK's IRI or IRM, HL7's AA to CR. A rejected ITK3 request needs one. */
  code?: string;
  /** Why it was rejected, for people: NHSACK's FTX, HL7's MSA-3. No patient data. */
  text?: string;
  /** NHSACK: the messages of the interchange that were rejected, by their UNH reference, each with a reason. */
  rejected?: Readonly<Record<string, string>>;
  /** Form `custom`: the answer itself. */
  custom?: Uint8Array | string | { json: unknown };
}

/** What is known of the message that is answered: from the store, never from a flow. */
export interface AcknowledgementContext {
  /** MESH's. */
  messageId: string;
  workflowId: string;
  /** `Mex-Subject` as it came. */
  subject?: unknown;
  classification: Classification | undefined;
  /** It is a copy of a request that came before. */
  isDuplicate: boolean;
  /** The codes of the answers that were given to it, oldest first. */
  given: readonly string[];
  profiles: WorkflowProfiles;
  mailboxId: string;
  /** Our organisation's. ITK3 needs it, and profiles that have it in the local id. */
  odsCode?: string;
  now: Date;
}

/** Why nothing was answered: it is an acknowledgement; its workflow has no answer; none is asked for; a copy was answered. */
export type NoAcknowledgement = 'acknowledgement' | 'no-answer' | 'not-asked' | 'duplicate';

/** The answer, ready for the outbox. */
export interface ComposedAcknowledgement {
  workflowId: string;
  form: Exclude<AckForm, 'none'>;
  level: AckLevel;
  code: string;
  payload: Uint8Array | string | { json: unknown };
  contentType?: string;
  /** Where the profile prescribes one: not unique then. */
  localId?: string;
  /** Of the form `custom`: what tells every receiver that it is an answer. */
  subject?: string;
}

/**
 * @throws InvalidMessageError for a wish that the form cannot express, or an answer that may not follow those given;
 *   ConfigurationError where the ODS code is missing
 */
export function composeAcknowledgement(
  wish: AcknowledgementRequest,
  context: AcknowledgementContext,
): ComposedAcknowledgement | { unanswered: NoAcknowledgement } {
  const { workflowId, classification, profiles, isDuplicate } = context;
  if (classification && classification.kind !== 'request') return { unanswered: 'acknowledgement' };
  if (isMarkedAsAcknowledgement(context.subject) || isAckWorkflow(profiles, workflowId))
    return { unanswered: 'acknowledgement' };
  const request = classification?.request;
  const profile = profiles.find(workflowId);
  const form = wish.form === 'profile' ? (profile?.form ?? request?.form ?? 'none') : wish.form;
  const answerOn = ackWorkflowOf(profiles, workflowId) ?? (wish.form === 'profile' ? undefined : `${workflowId}_ACK`);
  if (form === 'none' || answerOn === undefined) return { unanswered: 'no-answer' };
  const ofForm = request?.form === form ? request : undefined;
  const wanted =
    wish.form === 'profile' ? acknowledgementsRequested(ofForm, profile) : { infrastructure: true, business: true };
  // A copy is told once that it is one, where that can be said; its first is answered as it was worked on.
  const level = isDuplicate && form === 'itk3' ? 'infrastructure' : wish.level;
  if (isDuplicate && (form !== 'itk3' || !wanted.infrastructure)) return { unanswered: 'duplicate' };
  if (!wanted[level]) return { unanswered: 'not-asked' };
  const common = { workflowId: answerOn, level, ...localIdOf(profile?.localId, context) };
  if (form === 'itk3') {
    const answer = isDuplicate
      ? { ...wish, level, outcome: 'rejected' as const, code: wish.code === '20008' ? '20008' : '20007' }
      : wish;
    return { ...common, form, ...itk3(answer, ofForm, context) };
  }
  if (form === 'nhsack') return { ...common, form, ...nhsAck(wish, ofForm, context) };
  if (form === 'hl7v2') return { ...common, form, ...hl7(wish, ofForm, context) };
  if (wish.custom === undefined) {
    throw new InvalidMessageError(`Answers to ${workflowId} are of a form of their own, and no payload was given.`, {
      advice: 'Give the answer’s payload to the node, as the workflow’s specification has it.',
    });
  }
  const code = wish.code ?? wish.outcome;
  return { ...common, form, code, payload: wish.custom, subject: subjectOfAcknowledgement(context.messageId) };
}

type Written = Pick<ComposedAcknowledgement, 'code' | 'payload' | 'contentType'>;

function itk3(
  wish: AcknowledgementRequest,
  request: KeptRequest | undefined,
  context: AcknowledgementContext,
): Written {
  const { mailboxId, now, given, isDuplicate } = context;
  if (wish.outcome === 'partial') throw new InvalidMessageError('ITK3 knows no partial answer: accept or reject it.');
  const isPositive = wish.outcome === 'accepted';
  const kept = request?.form === 'itk3' ? request : undefined;
  if (!kept && isPositive) {
    throw new InvalidMessageError(
      'The message could not be read as an ITK3 request, so it cannot be accepted as one.',
      {
        advice: 'Reject it (10009 tells the sender that it was unreadable), or answer in another form.',
      },
    );
  }
  const accepted = wish.level === 'infrastructure' ? '20013' : '30001';
  const code = wish.code ?? (isPositive ? accepted : kept ? undefined : '10009');
  const row = code === undefined ? undefined : findItk3Code(code);
  const fits = row && levelOf(row.code) === wish.level && (row.result === 'positive') === isPositive;
  if (!row || !fits) {
    const range = wish.level === 'infrastructure' ? '1xxxx or 2xxxx' : '3xxxx';
    const what = isPositive ? 'positive' : 'negative';
    throw new InvalidMessageError(
      `The answer needs an ITK3 response code that is ${what}, and ${range} for the ${wish.level} level.`,
      { advice: 'Give it in the node or in msg.meshAck.code.' },
    );
  }
  // What a copy is told follows nothing.
  if (!isDuplicate) checkMayFollow(given, row.code);
  const format = kept?.format ?? 'xml';
  const options = { code: row.code, mailboxId, odsCode: requireOdsCode(context), now, format };
  const payload = buildItk3Response(
    kept && { ...kept.request, infrastructureAsked: true, businessAsked: true, from: undefined, isResponse: false },
    options,
  );
  return { code: row.code, payload, contentType: format === 'xml' ? 'application/xml' : 'application/json' };
}

function nhsAck(
  wish: AcknowledgementRequest,
  request: KeptRequest | undefined,
  { now }: AcknowledgementContext,
): Written {
  if (request?.form !== 'nhsack') throw notOfForm('an EDIFACT interchange with a reference', 'NHSACK');
  if (wish.level !== 'business') throw new InvalidMessageError('NHSACK is a business answer: it has no other level.');
  const { interchange, fault } = request;
  const references = (interchange.messages ?? []).map(({ UNH }) => componentAt(UNH?.[0], 1));
  const reason = wish.text ?? 'Rejected by the receiving system';
  const isUnreadable = wish.outcome === 'rejected' && (wish.code === 'IRI' || wish.code === 'IRM');
  const text = buildNhsAck(interchange, {
    controlReference: String(randomInt(1, 100_000_000_000_000)),
    rejected: rejectedMessages(wish, references, reason),
    ...(isUnreadable && { unreadable: { status: wish.code as 'IRI' | 'IRM', reason: wish.text ?? fault ?? reason } }),
    now,
  });
  const statuses = { accepted: 'IAF', partial: 'IAP', rejected: isUnreadable ? wish.code : 'IRA' };
  // UNOC is ISO 8859-1.
  return {
    code: statuses[wish.outcome] ?? '',
    payload: Buffer.from(text, 'latin1'),
    contentType: 'application/EDIFACT',
  };
}

/** UNH references of an interchange's messages that are rejected, each with its reason. */
function rejectedMessages(
  wish: AcknowledgementRequest,
  references: readonly string[],
  reason: string,
): Record<string, string> {
  if (wish.outcome === 'accepted') return {};
  const given = wish.rejected ?? {};
  if (wish.outcome === 'rejected') {
    return Object.fromEntries(references.map((reference) => [reference, given[reference] ?? reason]));
  }
  const known = references.filter((reference) => Object.hasOwn(given, reference)).length;
  if (known > 0 && known < references.length && known === Object.keys(given).length) return given;
  throw new InvalidMessageError('A partial NHSACK names some messages of the interchange as rejected, but not all.', {
    advice: 'Give msg.meshAck.rejected: an object of UNH references, each with its reason.',
  });
}

function hl7(wish: AcknowledgementRequest, request: KeptRequest | undefined, { now }: AcknowledgementContext): Written {
  if (request?.form !== 'hl7v2') throw notOfForm('an HL7 v2 message with a control id', 'HL7 acknowledgement');
  if (wish.outcome === 'partial') throw new InvalidMessageError('An HL7 acknowledgement is not partial.');
  const mode = wish.level === 'business' ? 'A' : 'C';
  const code = wish.code ?? `${mode}${wish.outcome === 'accepted' ? 'A' : 'E'}`;
  const isAcceptance = code.endsWith('A');
  const known = ACK_CODES.find((each): each is AckCode => each === code);
  if (!known || known[0] !== mode || isAcceptance !== (wish.outcome === 'accepted')) {
    throw new InvalidMessageError(
      `The code is none of HL7's for this answer: ${mode}A accepted, ${mode}E or ${mode}R rejected.`,
    );
  }
  const ack = acknowledgeHl7(request.message, {
    code: known,
    now,
    ...(wish.text === undefined ? {} : { text: wish.text }),
  });
  return { code, payload: writeHl7(ack), contentType: 'x-application/hl7-v2+er7' };
}

function notOfForm(what: string, answer: string): InvalidMessageError {
  return new InvalidMessageError(`The message is not ${what}, so no ${answer} can refer to it.`, {
    advice: 'Choose another form, or "custom payload".',
  });
}

/** What only a flow could fill is left out: then it is ours, and unique. */
function localIdOf(template: string | undefined, context: AcknowledgementContext): { localId?: string } {
  if (template === undefined || needsMessage(template)) return {};
  const { mailboxId, workflowId } = context;
  const value = (name: string): string | undefined =>
    name === 'odsCode' ? requireOdsCode(context) : { mailboxId, workflowId }[name];
  return { localId: fillTemplate(template, 'local id', value) };
}
