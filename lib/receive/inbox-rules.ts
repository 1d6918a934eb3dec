/** What holds for every poller, wherever it keeps its state. */
import { ConfigurationError, GoneError, InvalidMessageError, MeshError, NotFoundError } from '../errors';
import { workflowsMatcher } from '../protocol/workflow-filter';
import type { Incoming, IncomingState } from '../store/store';
import type { InboxPage, MessageHeaders } from '../types';
import { ackIn } from './acknowledgement-settler';
import type { InboxRouter } from './inbox-router';
import type { Delivery, InboxConsumer, InboxState, PollerState } from './inbox-types';

/** Version 1 has no links: a full page means that there may be more (list_messages). */
export const FULL_PAGE = 500;

/** How long a flow may take, and how often it is asked: InboxRules. */
export const DEFAULT_LEASE_MS = 60 * 60 * 1000;
export const DEFAULT_MAX_DELIVERIES = 5;

/** Messages that nobody takes are told of again after this (milliseconds): they expire after five days. */
export const UNCLAIMED_AGAIN_MS = 60 * 60 * 1000;

/** The message is not in MESH any more: there is nothing left to fetch, or to tell it. */
export function isGone(error: unknown): boolean {
  return error instanceof NotFoundError || error instanceof GoneError;
}

/** Whatever `deliver` threw, as an error of this library. */
export function asMeshError(error: unknown, messageId?: string): MeshError {
  if (error instanceof MeshError) return error;
  return new InvalidMessageError('The message could not be handed over: the code that takes it failed.', {
    cause: error,
    ...(messageId ? { messageId } : {}),
  });
}

/** Tells the kinds of messages apart, by workflow (MESH's convention `*_ACK` by default) or by what the payload is. */
export function deliveryKinds(
  businessAcknowledgementWorkflows: readonly string[] = ['*_ACK'],
): (
  message: Pick<MessageHeaders, 'messageType' | 'workflowId'>,
  classification?: Incoming['classification'],
) => Delivery['kind'] {
  const isBusinessAcknowledgement = workflowsMatcher(businessAcknowledgementWorkflows);
  return ({ messageType, workflowId }, classification = null) => {
    if (messageType === 'REPORT') return 'report';
    const ack = ackIn(classification);
    if (ack && !('isData' in ack)) return 'business-acknowledgement';
    return isBusinessAcknowledgement(workflowId) ? 'business-acknowledgement' : 'data';
  };
}

/** The inbox, page after page, as long as `isWanted`. */
export async function* inboxPages(
  mailbox: { listInbox(query?: { continueFrom?: string }): Promise<InboxPage> },
  isWanted: () => boolean,
): AsyncGenerator<InboxPage> {
  const seen = new Set<string | undefined>();
  let from: string | undefined;
  // A server that gives a place again would have us here for ever.
  while (!seen.has(from) && (seen.size === 0 || isWanted())) {
    seen.add(from);
    const page = await mailbox.listInbox(from === undefined ? {} : { continueFrom: from });
    yield page;
    if (page.continueFrom === undefined) return;
    from = page.continueFrom;
  }
}

/** Tells a consumer that gets nothing, because another one takes everything already. */
export function tellIfIdle(consumer: InboxConsumer, router: InboxRouter<InboxConsumer>, mailboxId: string): void {
  if (router.fallback === consumer || consumer.workflows.some((pattern) => pattern.trim() !== '')) return;
  consumer.failed(
    new ConfigurationError('Another node takes everything from this mailbox, so this one will get nothing.', {
      mailboxId,
      advice: 'Give at least one of the two a workflow filter, or remove one.',
    }),
  );
}

/** A message that nobody takes would expire in silence. */
export function unclaimedError(messageId: string, workflowId: string, mailboxId: string): MeshError {
  return new ConfigurationError(
    `Message ${messageId} of workflow ${workflowId} is in the inbox and no node takes this workflow. It would expire after five days.`,
    {
      mailboxId,
      messageId,
      advice: 'Add the workflow to a mesh-poll node, or to the workflows that are left to another system.',
    },
  );
}

/** Messages that were stored for a node that is not there any more are kept, and nobody hears of them. */
export function storedUnclaimedError({ workflowId }: Pick<MessageHeaders, 'workflowId'>, mailboxId: string): MeshError {
  return new ConfigurationError(
    `Received messages of workflow ${workflowId} are kept, and no node takes this workflow any more.`,
    { mailboxId, advice: 'Add the workflow to a mesh-poll node: it then gets them.' },
  );
}

/** Why a message is not delivered again on request. `state` is undefined where the store does not have it. */
export function notParkedError(messageId: string, state: IncomingState | undefined): MeshError {
  if (state === undefined) {
    return new NotFoundError(`Message ${messageId} was not received by this mailbox, or not lately.`, { messageId });
  }
  return new InvalidMessageError(`Message ${messageId} is not parked, but ${state}. It is not delivered again.`, {
    messageId,
    advice: 'Only parked messages can be delivered again on request.',
  });
}

/** How the inbox stands for one consumer: what is its own, and what is everybody's. */
export function pollerState(
  whole: InboxState,
  mine: Pick<InboxState, 'inFlight' | 'waiting' | 'progress'>,
): PollerState {
  const { polling, unclaimed, lastPoll, nextPoll } = whole;
  const { inFlight, waiting, progress } = mine;
  return {
    polling,
    inFlight,
    waiting,
    unclaimed,
    ...(lastPoll === undefined ? {} : { lastPoll: new Date(lastPoll).toISOString() }),
    ...(nextPoll === undefined ? {} : { nextPoll: new Date(nextPoll).toISOString() }),
    ...(progress === undefined ? {} : { progress }),
  };
}
