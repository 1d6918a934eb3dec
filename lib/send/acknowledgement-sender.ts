/** Sends the business acknowledgement of a received message through the durable outbox, once for each level. */
import { composeAcknowledgement, type AcknowledgementRequest, type NoAcknowledgement } from '../acks/compose';
import type { WorkflowProfiles } from '../acks/profiles';
import type { Classification } from '../acks/classify';
import type { AckForm, AckLevel } from '../acks/types';
import type { Clock } from '../clock';
import { InvalidMessageError, KeyReusedError, NotFoundError } from '../errors';
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

/** What became of the request to acknowledge a message. Plain JSON. */
export type SentAcknowledgement =
  | {
      sent: true;
      /** The acknowledgement's id in the outbox. */
      id: string;
      workflowId: string;
      form: Exclude<AckForm, 'none'>;
      level: AckLevel;
      code: string;
      /** This level was acknowledged before: the first acknowledgement stands. */
      repeated?: true;
    }
  | { sent: false; why: NoAcknowledgement };

const LEVELS: readonly AckLevel[] = ['infrastructure', 'business'];

/**
 * Puts the acknowledgement of a received message into the outbox, from what the store knows of the message (after a
 * restart too). Resolves when it is durable; only then may the message be marked as done. A second request for the same
 * level returns the first acknowledgement.
 * @throws NotFoundError when the store does not have the message; KeyReusedError when the level was acknowledged with
 *   another code; what composeAcknowledgement and the outbox throw
 */
export async function sendAcknowledgement(
  parts: AcknowledgementSenderParts,
  messageId: string,
  request: AcknowledgementRequest,
): Promise<SentAcknowledgement> {
  const { store, outbox, clock, mailbox, mailboxId, odsCode, profiles } = parts;
  const row = await store.getIncoming(mailbox, messageId);
  if (!row) {
    throw new NotFoundError(`Message ${messageId} is not in the store, so it cannot be acknowledged.`, {
      messageId,
      advice: 'Acknowledge messages that this mailbox has received in the last 100 days.',
    });
  }
  if (row.messageType === 'REPORT') return { sent: false, why: 'acknowledgement' };
  const earlier = await earlierAcknowledgements(parts, messageId);
  const composed = composeAcknowledgement(request, {
    messageId,
    subject: row.headers['subject'],
    workflowId: row.workflowId,
    classification: (row.classification ?? undefined) as Classification | undefined,
    isDuplicate: await isDuplicate(parts, row),
    // A repeated request is not checked against its own first acknowledgement.
    earlierCodes: earlier.has(request.level) ? [] : [...earlier.values()].map(({ code }) => code),
    profiles,
    mailboxId,
    ...(odsCode === undefined ? {} : { odsCode }),
    now: new Date(clock.now()),
  });
  if ('none' in composed) return { sent: false, why: composed.none };
  const { level, form, workflowId, payload, contentType, localId, subject } = composed;
  const before = earlier.get(level);
  if (before) {
    if (before.code !== composed.code) throw acknowledgedOtherwise(messageId, level, before, composed.code);
    return { sent: true, ...before, workflowId, form, level, repeated: true };
  }
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
      // Its payload has an id and a time of its own, however often it is composed.
      onceContent: composed.code,
      localIdIsShared: localId !== undefined,
      acknowledgementOf: { messageId, level, code: composed.code },
    },
  );
  const { code } = composed;
  return {
    sent: true,
    id: message.id,
    workflowId,
    form,
    level,
    code,
    ...(isNew ? {} : { repeated: true as const }),
  };
}

const onceKey = (messageId: string, level: AckLevel): string => `acknowledgement:${messageId}:${level}`;

/** The acknowledgements already sent for a message, infrastructure first. */
async function earlierAcknowledgements(
  { store, mailbox }: AcknowledgementSenderParts,
  messageId: string,
): Promise<Map<AckLevel, { id: string; code: string }>> {
  const found = new Map<AckLevel, { id: string; code: string }>();
  for (const level of LEVELS) {
    const [row] = await store.listOutgoing({ mailbox, onceKey: onceKey(messageId, level) }, { limit: 1 });
    if (row) found.set(level, { id: row.id, code: codeOf(row) });
  }
  return found;
}

const codeOf = ({ envelope }: Outgoing): string => (envelope as Partial<StoredEnvelope>).acknowledgementOf?.code ?? '';

/** The error for a level that was acknowledged with another code: an acknowledgement cannot be taken back. */
function acknowledgedOtherwise(
  messageId: string,
  level: AckLevel,
  before: { id: string; code: string },
  code: string,
): KeyReusedError {
  return new KeyReusedError(
    `The ${level} acknowledgement of message ${messageId} was sent before, with code ${before.code} (outbox id ` +
      `${before.id}). Code ${code} was not sent.`,
    {
      messageId,
      advice: 'The first acknowledgement stands. If it is wrong, tell the sender of the message by another way.',
    },
  );
}

/** Whether the same sender sent the same request before, as another message. */
async function isDuplicate({ store, mailbox }: AcknowledgementSenderParts, row: Incoming): Promise<boolean> {
  if (row.requestKey === null) return false;
  const first = await store.firstIncomingRequest(mailbox, row.requestKey);
  return first !== undefined && first.messageId !== row.messageId;
}

/** The sender that MESH names. The payload is not trusted for it: it may name anyone. */
function senderOf({ headers, messageId }: Incoming): string {
  const { from } = headers;
  if (typeof from === 'string' && from !== '') return from;
  throw new InvalidMessageError('MESH named no sender of the message, so there is no mailbox to acknowledge it to.', {
    messageId,
  });
}
