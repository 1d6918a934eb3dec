/**
 * A received acknowledgement settles what it answers, before the flow hears of it and once: what it has settled is written into
 * its row. One that answers nothing that was sent from here, or cannot be read, is raised, and delivered all the same.
 */
import { parseSource } from '../acks/parse-source';
import { loadProfiles, type WorkflowProfiles } from '../acks/profiles';
import { classify, requestKey, type KeptAck, type Classification, type Settled } from '../acks/classify';
import type { ReceivedAck } from '../acks/types';
import { InvalidMessageError, type MeshError } from '../errors';
import { openStored } from '../payload/stored-payload';
import type { Spool } from '../payload/spool';
import type { Incoming } from '../store/store';
import type { MessageHeaders } from '../types';
import type { IncomingRows } from './incoming-rows';
import type { InboxRouter } from './inbox-router';
import type { InboxConsumer, MeshAnswer } from './inbox-types';
import type { SpooledPayload } from './spool-sink';
import { Turns } from './turns';

/** Settles an acknowledgement; undefined where it answers nothing that was sent. */
export type SettleAcknowledgement = (
  ack: ReceivedAck,
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
) => Promise<Settled | undefined>;

export interface AcknowledgementSettlerParts {
  rows: IncomingRows;
  router: InboxRouter<InboxConsumer>;
  spool: Spool;
  profiles?: WorkflowProfiles;
  /** Default: nothing was ever sent. */
  settleAcknowledgement?: SettleAcknowledgement;
}

/** What a row keeps of what its payload is. */
export type KeptContent = Required<Pick<Incoming, 'classification' | 'requestKey'>>;

export class AcknowledgementSettler {
  readonly #parts: AcknowledgementSettlerParts;
  readonly #profiles: WorkflowProfiles;
  readonly #turns = new Turns();

  constructor(parts: AcknowledgementSettlerParts) {
    this.#parts = parts;
    this.#profiles = parts.profiles ?? loadProfiles();
  }

  /** Looks into a payload that was downloaded, unless it is large. */
  async look(headers: MessageHeaders, payload: SpooledPayload | undefined): Promise<KeptContent> {
    if (headers.messageType === 'REPORT' || !payload) return { classification: null, requestKey: null };
    const source = await openStored(payload.stored, payload.size, this.#parts.spool);
    const found = classify(await parseSource(source), headers.workflowId, this.#profiles);
    return { classification: found ? { ...found } : null, requestKey: requestKey(found, headers.from) };
  }

  /** Settles what a stored acknowledgement answers, if that was not done yet. Throws what the store throws. */
  async settle(
    messageId: string,
    headers: MessageHeaders,
    classification: Incoming['classification'],
  ): Promise<MeshAnswer | undefined> {
    const kept = ackIn(classification);
    if (!kept) return undefined;
    if (kept.settled !== undefined) return answerOf(kept);
    const { rows, router } = this.#parts;
    const ack = kept.kind === 'acknowledgement' ? kept.ack : undefined;
    const settled = (ack && (await this.#settle(ack, headers))) ?? null;
    const now: KeptAck = { ...kept, settled };
    await rows.classification(messageId, { ...now });
    if (settled === null) {
      const consumer = router.claim(headers) ?? router.consumers[0];
      consumer?.failed(problem(headers, ack), messageId);
    }
    return answerOf(now);
  }

  /** One after the other: which of two copies an answer is for depends on the answers before it. */
  async #settle(ack: ReceivedAck, headers: MessageHeaders): Promise<Settled | undefined> {
    const endTurn = await this.#turns.next();
    try {
      return await this.#parts.settleAcknowledgement?.(ack, headers);
    } finally {
      endTurn();
    }
  }
}

/** The acknowledgement that a row holds. */
export function ackIn(classification: Incoming['classification']): KeptAck | undefined {
  const kept = classification as Classification | null;
  return kept === null || kept.kind === 'request' ? undefined : kept;
}

function answerOf(kept: KeptAck): MeshAnswer | undefined {
  if (kept.kind !== 'acknowledgement') return undefined;
  const { answers, level, result, code, meaning } = kept.ack;
  return {
    ...(answers === undefined ? {} : { answers }),
    level,
    result,
    code,
    meaning,
    ...(kept.settled ? { sentId: kept.settled.id } : {}),
    ...(kept.settled?.messageId ? { sentMessageId: kept.settled.messageId } : {}),
  };
}

function problem({ messageId, workflowId, mailboxId }: MessageHeaders, ack: ReceivedAck | undefined): MeshError {
  const details = { messageId, mailboxId };
  if (!ack) {
    return new InvalidMessageError(
      `Message ${messageId} of workflow ${workflowId} is an acknowledgement that cannot be read. It settled nothing.`,
      {
        ...details,
        advice:
          'Look at it at the third output; where the workflow has a form of its own, give it a profile of form "custom".',
      },
    );
  }
  return new InvalidMessageError(
    `Message ${messageId} acknowledges (${ack.level}, code ${ack.code}) a message that was not sent from here, or cannot be told from another. It settled nothing.`,
    { ...details, advice: 'Find out what it answers: it is delivered at the third output.' },
  );
}
