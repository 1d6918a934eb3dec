/**
 * Settles the sent messages that a received one names, once, before it is delivered. A REPORT names the message that
 * MESH could not deliver. A payload of business acknowledgements names the messages that they answer: what they settled
 * is written into its row. A reply settles a stage of the message that it belongs to (acks/replies). One that names no
 * sent message, or cannot be read, settles nothing and is reported; it is delivered all the same.
 */
import { parseSource } from '../../acks/parse-source';
import { loadProfiles, type WorkflowProfiles } from '../../acks/profiles';
import { ReplyContent } from '../../acks/replies/content';
import { readReply, type KeptReply } from '../../acks/replies/read';
import { classify, requestKey, type KeptAck, type Classification } from '../../acks/classify';
import type { ReceivedAck, Settled } from '../../acks/types';
import { InvalidMessageError, type MeshError } from '../../errors';
import { openStored } from '../../payload/stored-payload';
import { SerialQueue } from '../../store/serial-queue';
import type { Incoming } from '../../store/store';
import type { MessageHeaders } from '../../types';
import type { Downloaded } from '../download/spool-downloads';
import type { InboxParts } from '../inbox-parts';
import type { DeliveredAcknowledgement, Delivery, SaidAcknowledgement } from '../inbox-types';
import { deliveredReply, replyError, withoutNames } from './delivered-reply';

/** Above this number an undelivered REPORT may settle its message a second time, which changes nothing. */
const MAX_REMEMBERED = 10_000;

/** What a row keeps of its payload's classification. */
export type KeptContent = Required<Pick<Incoming, 'classification' | 'requestKey'>>;

/** What a message says that settles others. */
export type Said = Pick<Delivery, 'acknowledgement' | 'reply'>;

/** What received messages settle, for one mailbox. */
export class Settlements {
  readonly #parts: Pick<InboxParts, 'options' | 'rows' | 'router'>;
  readonly #profiles: WorkflowProfiles;
  /** Reports that have settled their message, in this process. */
  readonly #settledReports = new Set<string>();
  /** One after the other: which of two copies an acknowledgement settles depends on those before it. */
  readonly #queue = new SerialQueue();

  constructor(parts: Pick<InboxParts, 'options' | 'rows' | 'router'>) {
    this.#parts = parts;
    this.#profiles = parts.options.profiles ?? loadProfiles();
  }

  /** Classifies a downloaded payload, unless it is large. */
  async classify({ headers, payload }: Downloaded): Promise<KeptContent> {
    if (headers.messageType === 'REPORT' || !payload) return { classification: null, requestKey: null };
    const source = await openStored(payload.stored, payload.size, this.#parts.options.spool);
    const reply = await readReply(headers, new ReplyContent(source), this.#profiles);
    const found = classify(await parseSource(source), headers.workflowId, this.#profiles, reply);
    return { classification: found ? { ...found } : null, requestKey: requestKey(found, headers.from) };
  }

  /**
   * Settles the sent messages that a stored message names, unless that has happened. Returns what its business
   * acknowledgement, or what it as a reply, says; nothing for any other message.
   * @throws StorageError when the store fails
   */
  async settle(headers: MessageHeaders, classification: Incoming['classification']): Promise<Said> {
    if (headers.messageType === 'REPORT') await this.settleReport(headers);
    const reply = replyIn(classification);
    const said = reply && deliveredReply(reply.settled === undefined ? await this.#settleReply(headers, reply) : reply);
    if (said) return { reply: said };
    const kept = ackIn(classification);
    if (!kept) return {};
    const acknowledgement =
      kept.settled === undefined ? await this.#settleAcknowledgements(headers, kept) : deliveredAcknowledgement(kept);
    return acknowledgement ? { acknowledgement } : {};
  }

  async #settleReply(headers: MessageHeaders, reply: KeptReply): Promise<KeptReply> {
    const { options, rows, router } = this.#parts;
    const settled = await this.#queue.run(async () => options.settleReply?.(reply, headers));
    const now = withoutNames({ ...reply, ...(settled ?? { settled: [], problem: 'unmatched' }) });
    await rows.setClassification(headers.messageId, { ...now });
    const consumer = router.claim(headers) ?? router.consumers[0];
    if (now.problem) consumer?.failed(replyError(headers, now, now.problem), headers.messageId);
    return now;
  }

  /**
   * Settles the sent message that a REPORT names, unless this process has done so.
   * @throws StorageError when the store fails: the report is then not settled, and is tried again before its delivery
   */
  async settleReport(report: MessageHeaders): Promise<void> {
    const settled = this.#settledReports;
    if (settled.has(report.messageId)) return;
    await this.#parts.options.settleReport?.(report);
    const [oldest] = settled.size >= MAX_REMEMBERED ? settled : [];
    if (oldest !== undefined) settled.delete(oldest);
    settled.add(report.messageId);
  }

  async #settleAcknowledgements(headers: MessageHeaders, kept: KeptAck): Promise<DeliveredAcknowledgement | undefined> {
    const { options, rows, router } = this.#parts;
    const { messageId } = headers;
    const acks = acksOf(kept);
    const settled = (await this.#queue.run(async () => options.settleAcknowledgements?.(acks, headers))) ?? [];
    const now = withSettled(kept, settled);
    await rows.setClassification(messageId, { ...now });
    const unsettled = acks.filter((_ack, n) => settled[n] === undefined);
    const consumer = router.claim(headers) ?? router.consumers[0];
    if (unsettled.length > 0 || acks.length === 0) {
      consumer?.failed(unsettledError(headers, unsettled, acks.length), messageId);
    }
    const unreadable = kept.kind === 'acknowledgement' ? (kept.unreadable ?? 0) : 0;
    if (unreadable > 0) consumer?.failed(unreadableError(headers, unreadable), messageId);
    return deliveredAcknowledgement(now);
  }
}

/** The acknowledgements of a payload, the worst first; none if it cannot be read. */
const acksOf = (kept: KeptAck): ReceivedAck[] =>
  kept.kind === 'acknowledgement' ? [kept.ack, ...(kept.further ?? [])] : [];

/** Returns what a row keeps once its acknowledgements have settled these messages. */
function withSettled(kept: KeptAck, [first, ...others]: ReadonlyArray<Settled | undefined>): KeptAck {
  const settled = first ?? null;
  if (kept.kind !== 'acknowledgement' || kept.further === undefined) return { ...kept, settled };
  const further = kept.further.map((ack, n) => (others[n] ? { ...ack, settled: others[n] } : ack));
  return { ...kept, settled, further };
}

/** Returns the acknowledgement that a row holds. */
export function ackIn(classification: Incoming['classification']): KeptAck | undefined {
  const kept = classification as Classification | null;
  return kept?.kind === 'acknowledgement' || kept?.kind === 'unreadable-acknowledgement' ? kept : undefined;
}

/** Returns the reply that a row holds. */
export function replyIn(classification: Incoming['classification']): KeptReply | undefined {
  const kept = classification as Classification | null;
  return kept?.kind === 'reply' ? kept : undefined;
}

function deliveredAcknowledgement(kept: KeptAck): DeliveredAcknowledgement | undefined {
  if (kept.kind !== 'acknowledgement') return undefined;
  return {
    ...saidBy(kept.ack, kept.settled),
    ...(kept.further === undefined ? {} : { further: kept.further.map((each) => saidBy(each, each.settled)) }),
  };
}

/** What one acknowledgement says, and what it settled. */
const saidBy = (
  { acknowledges, level, result, code, meaning }: ReceivedAck,
  settled: Settled | null | undefined,
): SaidAcknowledgement => ({
  ...(acknowledges === undefined ? {} : { answers: acknowledges }),
  level,
  result,
  code,
  meaning,
  ...(settled ? { sentId: settled.id } : {}),
  ...(settled?.messageId ? { sentMessageId: settled.messageId } : {}),
});

/** @param count acknowledgements of a batch that cannot be read */
function unreadableError({ messageId, mailboxId }: MessageHeaders, count: number): MeshError {
  return new InvalidMessageError(
    `Message ${messageId} is a batch of acknowledgements of which ${count} cannot be read, or are more than one payload ` +
      'may have. They settled nothing.',
    { messageId, mailboxId, advice: 'Look at them at the third output, and find out which messages they acknowledge.' },
  );
}

/** @param unsettled the acknowledgements that settled nothing, of `count`; none if they cannot be read */
function unsettledError(
  { messageId, workflowId, mailboxId }: MessageHeaders,
  unsettled: readonly ReceivedAck[],
  count: number,
): MeshError {
  const details = { messageId, mailboxId };
  const [ack] = unsettled;
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
  const said = `${ack.level}, code ${ack.code}`;
  if (count === 1) {
    return new InvalidMessageError(
      `Message ${messageId} acknowledges (${said}) a message that was not sent from here, or several alike. It settled ` +
        'nothing.',
      { ...details, advice: 'Find out which message it acknowledges: it is delivered at the third output.' },
    );
  }
  return new InvalidMessageError(
    `Message ${messageId} has ${count} acknowledgements. ${unsettled.length} of them (the first: ${said}) acknowledge ` +
      'messages that were not sent from here, or several alike, and settled nothing.',
    {
      ...details,
      advice:
        'Find out which messages they acknowledge: they are delivered at the third output, those that settled nothing ' +
        'without sentId.',
    },
  );
}
