/** Failures of SQLite or the disk as errors that tell a person what to do; and errors on their way between threads. */
import { ConfigurationError, InvalidMessageError, MeshError, StorageError, UnknownCommitError } from '../../errors';
import { unexpectedError } from '../rules/errors';

/** An error as the worker posts it: a structured clone takes an Error's class and own properties away. */
export interface PostedError {
  name: string;
  message: string;
  advice?: string;
  passes?: boolean;
  /** SQLite's own words, which name tables and columns but no values. */
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

/** SQLite's primary result code; undefined for another error. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Whether SQLite found no space for a write. */
export function isFull(error: unknown): boolean {
  return resultCode(error) === FULL;
}

/** Whether another connection holds the exclusive lock. */
export function isTaken(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** Any error as a MeshError. */
export function asMeshError(error: unknown): MeshError {
  if (error instanceof MeshError) return error;
  const cause = error instanceof Error ? error.message : String(error);
  switch (resultCode(error)) {
    case FULL:
      return new StorageError('The store cannot write: the disk is full.', {
        cause,
        advice: 'Free space on the disk of the Node-RED user folder. Nothing that was confirmed is lost.',
      });
    case CORRUPT:
    case NOTADB:
      return new StorageError('The store is damaged: its file mesh.db is not as SQLite wrote it.', {
        cause,
        advice: 'Stop Node-RED, keep a copy of mesh.db and mesh.db-wal, and restore the last backup.',
        passes: false,
      });
    case IOERR:
      return new StorageError('The disk refused to read or write the store.', {
        cause,
        advice: 'Check the health and the free space of the disk of the Node-RED user folder.',
      });
    case PERM:
    case READONLY:
    case CANTOPEN:
      return new StorageError('The store cannot be opened or written.', {
        cause,
        advice: 'Give the user that runs Node-RED the right to write mesh.db and its folder.',
        // CANTOPEN: also a volume that is going away or too many open files.
        passes: resultCode(error) === CANTOPEN,
      });
    case undefined:
    default:
      return unexpectedError(cause);
  }
}

/** An error as the worker posts it. */
export function toPosted(error: unknown): PostedError {
  const known = asMeshError(error);
  const result: PostedError = { name: known.name, message: known.message };
  if (known.advice !== undefined) result.advice = known.advice;
  if (known.passes !== undefined) result.passes = known.passes;
  if (typeof known.cause === 'string') result.cause = known.cause;
  return result;
}

const CLASSES = { ConfigurationError, InvalidMessageError, StorageError, UnknownCommitError };

/** A posted error as one of its class. */
export function fromPosted(error: PostedError): MeshError {
  const Class = CLASSES[error.name as keyof typeof CLASSES] ?? StorageError;
  const { advice, cause, passes } = error;
  return new Class(error.message, {
    ...(advice === undefined ? {} : { advice }),
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
    ...(passes === undefined ? {} : { passes }),
  });
}
