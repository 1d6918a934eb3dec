/**
 * Settles the sent message that a received business acknowledgement names, once, before the acknowledgement is
 * delivered: what it settled is written into its row. One that names no sent message, or cannot be read, is reported,
 * and delivered all the same.
 */
import { parseSource } from '../acks/parse-source';
import { loadProfiles, type WorkflowProfiles } from '../acks/profiles';
import { classify, requestKey, type KeptAck, type Classification, type Settled } from '../acks/classify';
import type { ReceivedAck } from '../acks/types';
import { InvalidMessageError, type MeshError } from '../errors';
import { openStored } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import { SerialQueue } from '../store/serial-queue';
import type { Incoming } from '../store/store';
import type { MessageHeaders } from '../types';
import type { IncomingRows } from './incoming-rows';
import type { InboxRouter } from './inbox-router';
import type { DeliveredAcknowledgement, InboxConsumer, SaidAcknowledgement } from './inbox-types';
import type { SpooledPayload } from './spool-sink';

/** Settles the sent message that an acknowledgement names; resolves with undefined if it names none. */
export type SettleAcknowledgement = (
  ack: ReceivedAck,
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
) => Promise<Settled | undefined>;

interface AcknowledgementSettlerParts {
  rows: IncomingRows;
  router: InboxRouter<InboxConsumer>;
  spool: Spool;
  profiles?: WorkflowProfiles;
  /** Default: no acknowledgement settles anything. */
  settleAcknowledgement?: SettleAcknowledgement;
}

/** What a row keeps of its payload's classification. */
export type KeptContent = Required<Pick<Incoming, 'classification' | 'requestKey'>>;

export class AcknowledgementSettler {
  readonly #parts: AcknowledgementSettlerParts;
  readonly #profiles: WorkflowProfiles;
  /** One after the other: which of two copies an acknowledgement settles depends on those before it. */
  readonly #queue = new SerialQueue();

  constructor(parts: AcknowledgementSettlerParts) {
    this.#parts = parts;
    this.#profiles = parts.profiles ?? loadProfiles();
  }

  /** Classifies a downloaded payload, unless it is large. */
  async classify(headers: MessageHeaders, payload: SpooledPayload | undefined): Promise<KeptContent> {
    if (headers.messageType === 'REPORT' || !payload) return { classification: null, requestKey: null };
    const source = await openStored(payload.stored, payload.size, this.#parts.spool);
    const found = classify(await parseSource(source), headers.workflowId, this.#profiles);
    return { classification: found ? { ...found } : null, requestKey: requestKey(found, headers.from) };
  }

  /**
   * Settles the sent message that a stored acknowledgement names, unless that has happened. Returns undefined for any
   * other message.
   * @throws StorageError when the store fails
   */
  async settle(
    messageId: string,
    headers: MessageHeaders,
    classification: Incoming['classification'],
  ): Promise<DeliveredAcknowledgement | undefined> {
    const kept = ackIn(classification);
    if (!kept) return undefined;
    if (kept.settled !== undefined) return deliveredAcknowledgement(kept);
    const { rows, router, settleAcknowledgement } = this.#parts;
    const ack = kept.kind === 'acknowledgement' ? kept.ack : undefined;
    const settled =
      (await this.#queue.run(() => settleAll(kept, (each) => settleAcknowledgement?.(each, headers)))) ?? null;
    const now: KeptAck = { ...kept, settled };
    await rows.setClassification(messageId, { ...now });
    if (settled === null) {
      const consumer = router.claim(headers) ?? router.consumers[0];
      consumer?.failed(unsettledError(headers, ack), messageId);
    }
    return deliveredAcknowledgement(now);
  }
}

/**
 * Settles what each acknowledgement of a payload names, the worst first, and returns what the worst settled. Where only
 * one message is found, that message was itself a batch: the worst result is its result, since the outbox knows it by
 * the control id of its first message.
 */
async function settleAll(
  kept: KeptAck,
  settle: (ack: ReceivedAck) => Promise<Settled | undefined> | undefined,
): Promise<Settled | undefined> {
  if (kept.kind !== 'acknowledgement') return undefined;
  const { ack, further = [] } = kept;
  const first = await settle(ack);
  const settled: Array<Settled | undefined> = [];
  for (const each of further) {
    // The message that others of the batch name settles as the worst of them, which none of them would find.
    const named = first === undefined && settled.every((one) => one === undefined);
    settled.push(await settle(named ? { ...ack, ...referenceOf(each) } : each));
  }
  return first ?? settled.find((one) => one !== undefined);
}

const referenceOf = ({ acknowledges, sender }: ReceivedAck): Pick<ReceivedAck, 'acknowledges' | 'sender'> => ({
  acknowledges,
  ...(sender === undefined ? {} : { sender }),
});

/** Returns the acknowledgement that a row holds. */
export function ackIn(classification: Incoming['classification']): KeptAck | undefined {
  const kept = classification as Classification | null;
  return kept === null || kept.kind === 'request' ? undefined : kept;
}

function deliveredAcknowledgement(kept: KeptAck): DeliveredAcknowledgement | undefined {
  if (kept.kind !== 'acknowledgement') return undefined;
  return {
    ...saidBy(kept.ack),
    ...(kept.further === undefined ? {} : { further: kept.further.map(saidBy) }),
    ...(kept.settled ? { sentId: kept.settled.id } : {}),
    ...(kept.settled?.messageId ? { sentMessageId: kept.settled.messageId } : {}),
  };
}

/** What one acknowledgement says. */
const saidBy = ({ acknowledges, level, result, code, meaning }: ReceivedAck): SaidAcknowledgement => ({
  ...(acknowledges === undefined ? {} : { answers: acknowledges }),
  level,
  result,
  code,
  meaning,
});

function unsettledError({ messageId, workflowId, mailboxId }: MessageHeaders, ack: ReceivedAck | undefined): MeshError {
  const details = { messageId, mailboxId };
  if (!ack) {
    return new InvalidMessageError(
      `Message ${messageId} of workflow ${workflowId} is an acknowledgement that cannot be read. It settled nothing.`,
      {
        ...details,
        advice:
          'Look at it at the third output. If the workflow has its own form of acknowledgement, give it a profile of ' +
          'form "custom".',
      },
    );
  }
  return new InvalidMessageError(
    `Message ${messageId} acknowledges (${ack.level}, code ${ack.code}) a message that was not sent from here, or ` +
      'several alike. It settled nothing.',
    { ...details, advice: 'Find out which message it acknowledges: it is delivered at the third output.' },
  );
}
