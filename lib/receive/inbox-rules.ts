/** Rules, limits and errors that the parts of the inbox share. */
import { ConfigurationError, GoneError, InvalidMessageError, MeshError, NotFoundError, StorageError } from '../errors';
import { RECEIVED_STATES } from '../message-states';
import { withoutPath } from '../payload/file-error';
import type { IncomingState } from '../store/store';
import type { InboxPage, MessageHeaders } from '../types';
import type { InboxRouter } from './poll/inbox-router';
import type { InboxConsumer, InboxState, PollerState } from './inbox-types';

/** Version 1 has no links: a full page means that there may be more (list_messages). */
export const FULL_PAGE = 500;

/** Defaults of InboxRules. */
export const DEFAULT_LEASE_MS = 60 * 60 * 1000;
export const DEFAULT_MAX_DELIVERIES = 5;

/** Interval (milliseconds) at which unclaimed messages are reported again: they expire after five days. */
export const UNCLAIMED_REPEAT_MS = 60 * 60 * 1000;

/** Returns whether the error says that the message is no longer in MESH: nothing is left to download or acknowledge. */
export function isGone(error: unknown): boolean {
  return error instanceof NotFoundError || error instanceof GoneError;
}

/**
 * Returns whatever was thrown as an error of this library: what the operating system refused, e.g. EIO while a folder is
 * read, is never the message's fault, and is tried again; anything else came from a consumer's `deliver`.
 */
export function toMeshError(error: unknown, messageId?: string): MeshError {
  if (error instanceof MeshError) return error;
  if (isSystemError(error)) {
    const { message } = withoutPath(error);
    return new StorageError(`The disk refused to read or write: ${message}.`, {
      advice: 'Check the disk and the rights of the folders. It is tried again.',
      ...(messageId ? { messageId } : {}),
    });
  }
  return new InvalidMessageError('The message could not be handed over: the code that takes it failed.', {
    cause: error,
    ...(messageId ? { messageId } : {}),
  });
}

const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error && 'code' in error;

/** The pages of the inbox, for as long as `isWanted`. */
export async function* inboxPages(
  mailbox: { listInbox(query?: { continueFrom?: string }): Promise<InboxPage> },
  isWanted: () => boolean,
): AsyncGenerator<InboxPage> {
  const seen = new Set<string | undefined>();
  let from: string | undefined;
  // A server that repeats a continuation would keep this loop running for ever.
  while (!seen.has(from) && (seen.size === 0 || isWanted())) {
    seen.add(from);
    const page = await mailbox.listInbox(from === undefined ? {} : { continueFrom: from });
    yield page;
    if (page.continueFrom === undefined) return;
    from = page.continueFrom;
  }
}

/** Warns of consumers that get nothing: the one that was added, or those from which it takes all that they want. */
export function warnShadowed(added: InboxConsumer, router: InboxRouter<InboxConsumer>, mailboxId: string): void {
  for (const consumer of router.consumers) {
    const other = router.shadowing(consumer);
    if (other === undefined || (consumer !== added && other !== added)) continue;
    const who = other.name === undefined ? 'Another node' : `Another node (${other.name})`;
    const what = consumer.workflows.length === 0 ? 'everything from this mailbox' : 'the workflows of this one';
    consumer.failed(
      new ConfigurationError(`${who} takes ${what}, so this one gets nothing.`, {
        mailboxId,
        advice: 'Give at least one of the two another workflow filter, or remove one.',
      }),
    );
  }
}

/** For a message in MESH's inbox that no consumer claims: it would expire in silence. */
export function unclaimedError(messageId: string, workflowId: string, mailboxId: string): MeshError {
  return new ConfigurationError(
    `Message ${messageId} of workflow ${workflowId} is in the inbox and no node takes this workflow. ` +
      'It would expire after five days.',
    {
      mailboxId,
      messageId,
      advice: 'Add the workflow to a mesh-poll node, or to the mailbox’s workflows handled elsewhere.',
    },
  );
}

/** For messages that were stored for a node that has been removed: they are kept, but never delivered. */
export function storedUnclaimedError({ workflowId }: Pick<MessageHeaders, 'workflowId'>, mailboxId: string): MeshError {
  return new ConfigurationError(
    `Received messages of workflow ${workflowId} are kept, and no node takes this workflow any more.`,
    { mailboxId, advice: 'Add the workflow to a mesh-poll node, which then receives them.' },
  );
}

/** Says why a message is not redelivered on request. `state` is undefined when the store does not have the message. */
export function notParkedError(messageId: string, state: IncomingState | undefined): MeshError {
  if (state === undefined) {
    return new NotFoundError(
      `Message ${messageId} is not in the store: this mailbox did not receive it, or has removed it since.`,
      { messageId },
    );
  }
  return new InvalidMessageError(`Message ${messageId} is not parked, but ${state}. It is not delivered again.`, {
    messageId,
    advice: 'Only parked messages can be delivered again on request.',
  });
}

/** Says why a message is not delivered again now. `state` is undefined when the store does not have the message. */
export function notDeliveredYetError(messageId: string, state: IncomingState | undefined): MeshError {
  if (state === undefined) return notParkedError(messageId, undefined);
  return new InvalidMessageError(
    `Message ${messageId} is ${RECEIVED_STATES[state].label}: its first delivery to the flow is still to come.`,
    { messageId, advice: 'Check that a mesh-poll node takes its workflow. It is then delivered by itself.' },
  );
}

/** Returns the inbox's state as one consumer sees it: its own counts, and the mailbox's times. */
export function pollerState(
  inbox: InboxState,
  own: Pick<InboxState, 'leased' | 'pending' | 'progress'> & { isShadowed: boolean },
): PollerState {
  const { polling, unclaimed, lastPoll, nextPoll } = inbox;
  const { leased, pending, progress, isShadowed } = own;
  return {
    polling,
    leased,
    pending,
    unclaimed,
    ...(isShadowed && { isShadowed }),
    ...(lastPoll === undefined ? {} : { lastPoll: new Date(lastPoll).toISOString() }),
    ...(nextPoll === undefined ? {} : { nextPoll: new Date(nextPoll).toISOString() }),
    ...(progress === undefined ? {} : { progress }),
  };
}
