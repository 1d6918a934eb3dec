/** Answers received messages: the business acknowledgement, through the durable outbox, once for each message and level. */
import { composeAcknowledgement, type AcknowledgementRequest, type NoAcknowledgement } from '../acks/compose';
import type { WorkflowProfiles } from '../acks/profiles';
import type { Classification } from '../acks/classify';
import type { AckForm, AckLevel } from '../acks/types';
import type { Clock } from '../clock';
import { InvalidMessageError, NotFoundError } from '../errors';
import type { Incoming, Outgoing, Store } from '../store/store';
import type { Outbox } from './outbox';
import type { StoredEnvelope } from './outbox-types';

export interface AcknowledgementSenderParts {
  store: Store;
  outbox: Outbox;
  clock: Clock;
  profiles: WorkflowProfiles;
  /** Key of the mailbox in the store. */
  mailbox: string;
  mailboxId: string;
  odsCode?: string;
}

/** What became of a wish to answer. Plain JSON. */
export type SentAcknowledgement =
  | {
      answered: true;
      /** Of the answer in the outbox. */
      id: string;
      workflowId: string;
      form: Exclude<AckForm, 'none'>;
      level: AckLevel;
      code: string;
      /** It was answered on this level before; that answer stands. */
      repeated?: true;
    }
  | { answered: false; why: NoAcknowledgement };

const LEVELS: readonly AckLevel[] = ['infrastructure', 'business'];

/**
 * Puts the answer to a received message into the outbox, as the store knows the message, after a restart too. Resolves when it is
 * durable: only then may the message be done. The same level again gives the first answer.
 * @throws NotFoundError for a message that the store does not have; what composeAcknowledgement and the outbox throw
 */
export async function answerMessage(
  parts: AcknowledgementSenderParts,
  messageId: string,
  wish: AcknowledgementRequest,
): Promise<SentAcknowledgement> {
  const { store, outbox, clock, mailbox, mailboxId, odsCode, profiles } = parts;
  const row = await store.getIncoming(mailbox, messageId);
  if (!row) {
    throw new NotFoundError(`Message ${messageId} is not in the store, so it cannot be answered.`, {
      messageId,
      advice: 'Answer messages that this mailbox has received, within 100 days.',
    });
  }
  if (row.messageType === 'REPORT') return { answered: false, why: 'acknowledgement' };
  const earlier = await givenAnswers(parts, messageId);
  const composed = composeAcknowledgement(wish, {
    messageId,
    subject: row.headers['subject'],
    workflowId: row.workflowId,
    classification: (row.classification ?? undefined) as Classification | undefined,
    isDuplicate: await isDuplicate(parts, row),
    // What is asked for again is not checked against itself.
    given: earlier.has(wish.level) ? [] : [...earlier.values()].map(({ code }) => code),
    profiles,
    mailboxId,
    ...(odsCode === undefined ? {} : { odsCode }),
    now: new Date(clock.now()),
  });
  if ('unanswered' in composed) return { answered: false, why: composed.unanswered };
  const { level, form, workflowId, payload, contentType, localId, subject } = composed;
  const before = earlier.get(level);
  if (before) return { answered: true, ...before, workflowId, form, level, repeated: true };
  const { message, isNew } = await outbox.enqueue(
    {
      to: senderOf(row),
      workflowId,
      payload,
      ...(contentType && { contentType }),
      ...(localId && { localId }),
      ...(subject && { subject }),
    },
    {
      onceKey: onceKey(messageId, level),
      localIdIsShared: localId !== undefined,
      answering: { messageId, level, code: composed.code },
    },
  );
  const { code } = composed;
  if (isNew) {
    const detail = { level, code, by: message.id };
    const entry = { mailbox, direction: 'in', reference: messageId, messageId } as const;
    await store.note({ ...entry, time: clock.now(), event: 'answered', detail });
  }
  return {
    answered: true,
    id: message.id,
    workflowId,
    form,
    level,
    code,
    ...(isNew ? {} : { repeated: true as const }),
  };
}

const onceKey = (messageId: string, level: AckLevel): string => `answer:${messageId}:${level}`;

/** The answers that were given to a message, infrastructure first. */
async function givenAnswers(
  { store, mailbox }: AcknowledgementSenderParts,
  messageId: string,
): Promise<Map<AckLevel, { id: string; code: string }>> {
  const given = new Map<AckLevel, { id: string; code: string }>();
  for (const level of LEVELS) {
    const [row] = await store.listOutgoing({ mailbox, onceKey: onceKey(messageId, level) }, { limit: 1 });
    if (row) given.set(level, { id: row.id, code: codeOf(row) });
  }
  return given;
}

const codeOf = ({ envelope }: Outgoing): string => (envelope as Partial<StoredEnvelope>).answering?.code ?? '';

/** The same request of the same sender came before, as another message. */
async function isDuplicate({ store, mailbox }: AcknowledgementSenderParts, row: Incoming): Promise<boolean> {
  if (row.requestKey === null) return false;
  const first = await store.firstIncomingRequest(mailbox, row.requestKey);
  return first !== undefined && first.messageId !== row.messageId;
}

/** As MESH has it: a payload may name anybody. */
function senderOf({ headers, messageId }: Incoming): string {
  const { from } = headers;
  if (typeof from === 'string' && from !== '') return from;
  throw new InvalidMessageError('MESH named no sender of the message, so nobody can be answered.', { messageId });
}
