/** Errors about a message that was not sent, or is not in the outbox. */
import { NotFoundError, NotSentError, UnknownCommitError } from '../errors';
import type { StoredError } from '../store/store';
import type { OutboxMessage } from './outbox-types';

const NOT_SENT: StoredError = { code: 'MESH_NOT_SENT', message: 'It was not sent.' };
const CLOSED: StoredError = {
  code: 'MESH_NOT_SENT',
  message: 'The message was closed: dropped, sent again as a new one, or ended with a sandbox.',
};

/** Returns the error of a message that ended without being accepted by MESH. */
export function notSent({ id, state, error = NOT_SENT, messageId }: OutboxMessage): NotSentError {
  // A closed message was closed by a person or a restart, whatever its last error was.
  const { code, message, advice, meshCode, event, description } = state === 'closed' ? CLOSED : error;
  return new NotSentError(code, `${message} (outbox id ${id})`, {
    ...(advice ? { advice } : {}),
    ...(meshCode ? { meshCode } : {}),
    ...(event ? { event } : {}),
    ...(description ? { description } : {}),
    ...(messageId ? { messageId } : {}),
  });
}

/** Returns the error for an id that this outbox does not have. */
export function notThere(id: string): NotFoundError {
  return new NotFoundError(`Message ${id} is not in the outbox of this mailbox, or its payload is not kept any more.`, {
    advice: 'Send it again from where it came from.',
  });
}

/** Returns the error for a message that may have been added: the storage failed during its commit. */
export function storedPerhaps(id: string, cause: UnknownCommitError): UnknownCommitError {
  return new UnknownCommitError(`It is not known whether message ${id} is in the outbox: the storage failed.`, {
    cause,
    advice:
      'When the storage works again, look for it in the sidebar: if it is there, it is sent; if not, send it again. ' +
      'With "once per key" it may be sent again without looking.',
  });
}
