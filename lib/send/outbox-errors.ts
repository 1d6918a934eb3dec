/** What the outbox says of a message that was not sent, or is not there. */
import { NotFoundError, NotSentError } from '../errors';
import type { StoredError } from '../store/store';
import type { OutboxMessage } from './outbox-types';

const NOT_SENT: StoredError = { code: 'MESH_NOT_SENT', message: 'It was not sent.' };
const CLOSED: StoredError = {
  code: 'MESH_NOT_SENT',
  message: 'The message was given up: dropped, sent again as a new one, or gone with a sandbox.',
};

/** It ended otherwise than by MESH's acceptance. */
export function notSent({ id, state, error = NOT_SENT, messageId }: OutboxMessage): NotSentError {
  // What failed before is not why a message is closed: somebody has decided.
  const { code, message, advice, meshCode, event, description } = state === 'closed' ? CLOSED : error;
  return new NotSentError(code, `${message} (outbox id ${id})`, {
    ...(advice ? { advice } : {}),
    ...(meshCode ? { meshCode } : {}),
    ...(event ? { event } : {}),
    ...(description ? { description } : {}),
    ...(messageId ? { messageId } : {}),
  });
}

/** No message of this outbox. */
export function notThere(id: string): NotFoundError {
  return new NotFoundError(`Message ${id} is not in the outbox of this mailbox, or its payload is not kept any more.`, {
    advice: 'Send it again from where it came from.',
  });
}
