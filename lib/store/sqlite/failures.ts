/** What SQLite or the disk refused, as an error that tells a person what to do; and errors on their way between threads. */
import { ConfigurationError, InvalidMessageError, MeshError, StorageError } from '../../errors';

/** An error as the worker posts it: an Error loses its class and its own properties in a structured clone. */
export interface PostedError {
  name: string;
  message: string;
  advice?: string;
  /** Of what was below it: SQLite's own words, which name tables and columns but no values. */
  cause?: string;
}

// SQLite's primary result codes (https://sqlite.org/rescode.html): the low byte of `errcode`.
const PERM = 3;
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** SQLite's primary result code, or undefined for another error. */
export function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** No room for a write: as SQLite reports it. */
export function isFull(error: unknown): boolean {
  return resultCode(error) === FULL;
}

/** Some other connection holds the exclusive lock. */
export function isTaken(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** Any error as one of ours. */
export function asMeshError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const cause = error instanceof Error ? error.message : String(error);
  switch (resultCode(error)) {
    case FULL:
      return new StorageError('The store has no room: the disk is full.', {
        cause,
        advice: 'Make room on the disk of the Node-RED user folder. Nothing that was confirmed is lost.',
      });
    case CORRUPT:
    case NOTADB:
      return new StorageError('The store is damaged: its file mesh.db is not as SQLite wrote it.', {
        cause,
        advice: 'Stop Node-RED, keep a copy of mesh.db and mesh.db-wal, and restore the last backup.',
      });
    case IOERR:
      return new StorageError('The disk refused to read or write the store.', {
        cause,
        advice: 'Look at the health and the free space of the disk of the Node-RED user folder.',
      });
    case PERM:
    case READONLY:
    case CANTOPEN:
      return new StorageError('The store cannot be opened or written.', {
        cause,
        advice: 'Give the user that runs Node-RED the right to write mesh.db and its folder.',
      });
    case undefined:
    default:
      return new StorageError('The store failed.', { cause, advice: 'Report this with the cause from the log.' });
  }
}

/** For the way from the worker. */
export function posted(error: unknown): PostedError {
  const known = asMeshError(error);
  const result: PostedError = { name: known.name, message: known.message };
  if (known.advice !== undefined) result.advice = known.advice;
  if (typeof known.cause === 'string') result.cause = known.cause;
  return result;
}

const CLASSES = { ConfigurationError, InvalidMessageError, StorageError };

/** Back from the way: an error of the same class. */
export function received(error: PostedError): MeshError {
  const Class = CLASSES[error.name as keyof typeof CLASSES] ?? StorageError;
  const { advice, cause } = error;
  return new Class(error.message, {
    ...(advice === undefined ? {} : { advice }),
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });
}
