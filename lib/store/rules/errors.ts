/** Errors that both back ends raise in the same words. */
import { AbortedError, InvalidMessageError, StorageError, UnknownCommitError, type MeshError } from '../../errors';

/** An operation after `close`. */
export function closedError(): MeshError {
  return new AbortedError('The store is closed.', { advice: 'Wait until the mailbox is open again.' });
}

/** An enqueued message whose id is there already. */
export function duplicateIdError(): MeshError {
  return new InvalidMessageError('The outbox has a message with this id already.');
}

/** A commit that failed and may be there all the same (docs/design.md, rule 5). */
export function unknownCommitError(cause: unknown): UnknownCommitError {
  return new UnknownCommitError('It is not known whether the store has made the change: its commit failed.', {
    cause,
    advice: 'Check the disk or the database of the store. Then look whether the change is there before repeating it.',
  });
}

/** A failure that nothing else is known about. */
export function unexpectedError(cause: unknown): MeshError {
  return new StorageError('The store failed.', { cause, advice: 'Report this with the cause from the log.' });
}
