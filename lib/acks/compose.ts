/**
 * Composes the business acknowledgement of a received message: decides its form, code and workflow, or why there is
 * none, and writes it.
 */
import { randomInt } from 'node:crypto';
import { InvalidMessageError } from '../errors';
import { componentAt, type Interchange } from '../formats/edifact/interchange';
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
import { allOf, type KeptRequest } from './request';
import { fillTemplate, needsMessage } from './template';
import type { AckForm, AckLevel } from './types';

/** How the receiver wants to acknowledge a message. */
export interface AcknowledgementRequest {
  /**
   * `profile`: as the message's flags and its workflow's profile request it, or not at all. Any other value: in this
   * form, whether it is requested or not. An acknowledgement gets none in either case.
   */
  form: 'profile' | Exclude<AckForm, 'none'>;
  level: AckLevel;
  outcome: 'accepted' | 'rejected' | 'partial';
  /** ITK3's response code, NHSACK's IRI or IRM, HL7's AA to CR. A rejected ITK3 request needs one. */
  code?: string;
  /** Why it was rejected, for people: NHSACK's FTX, HL7's MSA-3. No patient data. */
  text?: string;
  /** NHSACK: the rejected messages of the interchange by their UNH reference, each with a reason. */
  rejected?: Readonly<Record<string, string>>;
  /** Form `custom`: the acknowledgement itself. */
  custom?: Uint8Array | string | { json: unknown };
}

/** What is known of the message to acknowledge: from the store, never from a flow. */
export interface AcknowledgementContext {
  /** MESH's id. */
  messageId: string;
  workflowId: string;
  /** `Mex-Subject` as received. */
  subject?: unknown;
  classification: Classification | undefined;
  /** The message is a copy of an earlier request. */
  isDuplicate: boolean;
  /** The codes of the acknowledgements already sent for it, oldest first. */
  earlierCodes: readonly string[];
  profiles: WorkflowProfiles;
  mailboxId: string;
  /** Our organisation's. ITK3 needs it, and profiles that have it in the local id. */
  odsCode?: string;
  now: Date;
}

/**
 * Why there is no acknowledgement: the message is one itself; its workflow has none; none is requested; or it is a copy
 * of a request that was acknowledged.
 */
export type NoAcknowledgement = 'acknowledgement' | 'no-answer' | 'not-asked' | 'duplicate';

/** An acknowledgement, ready for the outbox. */
export interface ComposedAcknowledgement {
  workflowId: string;
  form: Exclude<AckForm, 'none'>;
  level: AckLevel;
  code: string;
  payload: Uint8Array | string | { json: unknown };
  contentType?: string;
  /** The local id that the profile prescribes, if any: it is not unique. */
  localId?: string;
  /** Form `custom`: marks it as an acknowledgement for every receiver. */
  subject?: string;
}

/**
 * @throws InvalidMessageError for a request that the form cannot express, or an acknowledgement that may not follow the
 *   earlier ones
 * @throws ConfigurationError when the ODS code is missing
 */
export function composeAcknowledgement(
  wanted: AcknowledgementRequest,
  context: AcknowledgementContext,
): ComposedAcknowledgement | { none: NoAcknowledgement } {
  const { workflowId, classification, profiles, isDuplicate } = context;
  const isItk2 = classification?.kind === 'itk2';
  if (classification && classification.kind !== 'request' && !isItk2) return { none: 'acknowledgement' };
  if (isMarkedAsAcknowledgement(context.subject) || isAckWorkflow(profiles, workflowId))
    return { none: 'acknowledgement' };
  const request = classification?.kind === 'request' ? classification.request : undefined;
  const profile = profiles.find(workflowId);
  const byProfile = wanted.form === 'profile';
  const form = wanted.form === 'profile' ? (profile?.form ?? request?.form ?? 'none') : wanted.form;
  const ackWorkflowId = ackWorkflowOf(profiles, workflowId) ?? (byProfile ? undefined : `${workflowId}_ACK`);
  if (form === 'none' || ackWorkflowId === undefined) return { none: 'no-answer' };
  const ofForm = request?.form === form ? request : undefined;
  const requested = byProfile ? acknowledgementsRequested(ofForm, profile) : { infrastructure: true, business: true };
  // A copy gets one acknowledgement that says so, if the form can. The others are sent for the first request.
  const level = isDuplicate && form === 'itk3' ? 'infrastructure' : wanted.level;
  if (isDuplicate && (form !== 'itk3' || !requested.infrastructure)) return { none: 'duplicate' };
  if (!requested[level]) return { none: 'not-asked' };
  const common = { workflowId: ackWorkflowId, level, ...localIdOf(profile?.localId, context) };
  // An ITK3 rejection would do without a readable request: an ITK2 sender could read neither.
  if (form === 'itk3' && isItk2) throw notOfForm('an ITK3 message: it is an ITK2 envelope', 'ITK3 response');
  if (form === 'itk3') {
    const ofCopy = { level, outcome: 'rejected' as const, code: wanted.code === '20008' ? '20008' : '20007' };
    return { ...common, form, ...itk3(isDuplicate ? { ...wanted, ...ofCopy } : wanted, ofForm, context) };
  }
  if (form === 'nhsack') return { ...common, form, ...nhsAck(wanted, ofForm, context) };
  if (form === 'hl7v2') return { ...common, form, ...hl7(wanted, ofForm, context) };
  if (wanted.custom === undefined) {
    throw new InvalidMessageError(
      `Acknowledgements of ${workflowId} have the form "custom", and the flow supplied no payload.`,
      { advice: 'Supply the payload that the workflow’s specification prescribes.' },
    );
  }
  const code = wanted.code ?? wanted.outcome;
  return { ...common, form, code, payload: wanted.custom, subject: subjectOfAcknowledgement(context.messageId) };
}

type Written = Pick<ComposedAcknowledgement, 'code' | 'payload' | 'contentType'>;

function itk3(
  wanted: AcknowledgementRequest,
  request: KeptRequest | undefined,
  context: AcknowledgementContext,
): Written {
  const { mailboxId, now, earlierCodes, isDuplicate } = context;
  if (wanted.outcome === 'partial') {
    throw new InvalidMessageError('ITK3 has no partial acknowledgement: accept or reject the message.');
  }
  const isPositive = wanted.outcome === 'accepted';
  const kept = request?.form === 'itk3' ? request : undefined;
  if (!kept && isPositive) {
    throw new InvalidMessageError(
      'The message could not be read as an ITK3 request, so it cannot be accepted as one.',
      { advice: 'Reject it (10009 says that it was unreadable), or acknowledge it in another form.' },
    );
  }
  const accepted = wanted.level === 'infrastructure' ? '20013' : '30001';
  const code = wanted.code ?? (isPositive ? accepted : kept ? undefined : '10009');
  const row = code === undefined ? undefined : findItk3Code(code);
  const fits = row && levelOf(row.code) === wanted.level && (row.result === 'positive') === isPositive;
  if (!row || !fits) {
    const range = wanted.level === 'infrastructure' ? '1xxxx or 2xxxx' : '3xxxx';
    const sign = isPositive ? 'positive' : 'negative';
    throw new InvalidMessageError(
      `The ${wanted.level} acknowledgement needs a ${sign} ITK3 response code (${range}).`,
      { advice: 'Set it in the node or in msg.meshAck.code.' },
    );
  }
  // The acknowledgement of a copy follows no other.
  if (!isDuplicate) checkMayFollow(earlierCodes, row.code);
  const format = kept?.format ?? 'xml';
  const payload = buildItk3Response(
    kept && {
      ...kept.request,
      infrastructureRequested: true,
      businessRequested: true,
      from: undefined,
      isResponse: false,
    },
    { code: row.code, mailboxId, odsCode: requireOdsCode(context), now, format },
  );
  return { code: row.code, payload, contentType: format === 'xml' ? 'application/xml' : 'application/json' };
}

function nhsAck(
  wanted: AcknowledgementRequest,
  request: KeptRequest | undefined,
  { now }: AcknowledgementContext,
): Written {
  if (request?.form !== 'nhsack') throw notOfForm('an EDIFACT interchange with a reference', 'NHSACK');
  if (wanted.level !== 'business') {
    throw new InvalidMessageError('NHSACK is a business acknowledgement: it has no other level.');
  }
  const all = allOf(request).flatMap((each) => (each.form === 'nhsack' ? [each] : []));
  checkRejected(
    wanted,
    all.flatMap(({ interchange }) => referencesOf(interchange)),
  );
  const written = all.map((each) => oneNhsAck(wanted, each, now));
  // UNOC is ISO 8859-1.
  return {
    code: written.length === 1 ? (written[0]?.status ?? '') : statusOf(wanted),
    payload: Buffer.from(written.map(({ text }) => text).join(''), 'latin1'),
    contentType: 'application/EDIFACT',
  };
}

/** NHSACK's status for the whole payload. */
const statusOf = ({ outcome, code }: AcknowledgementRequest): string =>
  ({ accepted: 'IAF', partial: 'IAP', rejected: code === 'IRI' || code === 'IRM' ? code : 'IRA' })[outcome];

const referencesOf = (interchange: Interchange): string[] =>
  (interchange.messages ?? []).map(({ UNH }) => componentAt(UNH?.[0], 1));

/** Returns the NHSACK of one interchange. */
function oneNhsAck(
  wanted: AcknowledgementRequest,
  { interchange, fault }: Extract<KeptRequest, { form: 'nhsack' }>,
  now: Date,
): { status: string; text: string } {
  const references = referencesOf(interchange);
  const reason = wanted.text ?? 'Rejected by the receiving system';
  const rejected = rejectedMessages(wanted, references, reason);
  const isUnreadable = wanted.outcome === 'rejected' && (wanted.code === 'IRI' || wanted.code === 'IRM');
  const text = buildNhsAck(interchange, {
    controlReference: String(randomInt(1, 100_000_000_000_000)),
    rejected,
    ...(isUnreadable && {
      unreadable: { status: wanted.code as 'IRI' | 'IRM', reason: wanted.text ?? fault ?? reason },
    }),
    now,
  });
  return { status: statusOf(wanted), text };
}

/** Returns the UNH references of the rejected messages of an interchange, each with its reason. */
function rejectedMessages(
  wanted: AcknowledgementRequest,
  references: readonly string[],
  reason: string,
): Record<string, string> {
  if (wanted.outcome === 'accepted') return {};
  const rejected = wanted.rejected ?? {};
  if (wanted.outcome === 'rejected') {
    return Object.fromEntries(references.map((reference) => [reference, rejected[reference] ?? reason]));
  }
  return Object.fromEntries(Object.entries(rejected).filter(([reference]) => references.includes(reference)));
}

/** @throws InvalidMessageError when a partial acknowledgement does not reject some of the messages, and no others */
function checkRejected({ outcome, rejected = {} }: AcknowledgementRequest, references: readonly string[]): void {
  if (outcome !== 'partial') return;
  const known = references.filter((reference) => Object.hasOwn(rejected, reference));
  const isPart = known.length > 0 && known.length < references.length;
  if (isPart && new Set(known).size === Object.keys(rejected).length) return;
  throw new InvalidMessageError('A partial NHSACK rejects some messages of the interchange, but not all.', {
    advice: 'Set msg.meshAck.rejected to an object of UNH references, each with its reason.',
  });
}

function hl7(
  wanted: AcknowledgementRequest,
  request: KeptRequest | undefined,
  { now }: AcknowledgementContext,
): Written {
  if (request?.form !== 'hl7v2') throw notOfForm('an HL7 v2 message with a control id', 'HL7 acknowledgement');
  if (wanted.outcome === 'partial') throw new InvalidMessageError('HL7 has no partial acknowledgement.');
  const mode = wanted.level === 'business' ? 'A' : 'C';
  const code = wanted.code ?? `${mode}${wanted.outcome === 'accepted' ? 'A' : 'E'}`;
  const isAcceptance = code.endsWith('A');
  const known = ACK_CODES.find((each): each is AckCode => each === code);
  if (!known || known[0] !== mode || isAcceptance !== (wanted.outcome === 'accepted')) {
    throw new InvalidMessageError(
      `The code does not fit this HL7 acknowledgement: ${mode}A accepts, ${mode}E and ${mode}R reject.`,
    );
  }
  // A batch is answered by a batch: one acknowledgement for each message, in their order.
  const acks = allOf(request).flatMap((each) =>
    each.form === 'hl7v2'
      ? [
          writeHl7(
            acknowledgeHl7(each.message, {
              code: known,
              now,
              ...(wanted.text === undefined ? {} : { text: wanted.text }),
            }),
          ),
        ]
      : [],
  );
  const isText = acks.every((ack) => typeof ack === 'string');
  const payload = isText ? acks.join('') : Buffer.concat(acks.map((ack) => Buffer.from(ack)));
  return { code, payload, contentType: 'x-application/hl7-v2+er7' };
}

function notOfForm(what: string, acknowledgement: string): InvalidMessageError {
  return new InvalidMessageError(`The message is not ${what}, so no ${acknowledgement} can refer to it.`, {
    advice: 'Choose another form, or "custom payload".',
  });
}

/** Returns the local id that a profile prescribes. One that only a flow could fill is left out: ours is unique. */
function localIdOf(template: string | undefined, context: AcknowledgementContext): { localId?: string } {
  if (template === undefined || needsMessage(template)) return {};
  const { mailboxId, workflowId } = context;
  const valueOf = (name: string): string | undefined =>
    name === 'odsCode' ? requireOdsCode(context) : { mailboxId, workflowId }[name];
  return { localId: fillTemplate(template, 'local id', valueOf) };
}
