/**
 * Which failures at the opening of a storage pass by themselves, so that it is tried again, and which end only when a
 * person changes something. The one classification of both back ends, the spool folder and the nodes.
 */
import { MeshError, StorageError } from '../../errors';

/**
 * Codes of the file system that a person must deal with: no right, or another kind of file in the way. All others may
 * pass: a volume that is not mounted yet (ENOENT, ENOTCONN, ESTALE, EROFS while the machine starts), a full disk
 * (ENOSPC, EDQUOT), a disk that fails (EIO), a file that is in use (EBUSY), too many open files (EMFILE).
 */
const FOR_A_PERSON = new Set(['EACCES', 'EPERM', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ELOOP', 'ENAMETOOLONG', 'EINVAL']);

/** Returns true if a failure of the file system with this code may pass by itself. */
export function fileErrorPasses(code: string | undefined): boolean {
  return code !== undefined && /^E[A-Z0-9]+$/.test(code) && !FOR_A_PERSON.has(code);
}

/** Returns true if the opening that failed with this error may succeed later although nobody changes anything. */
export function openingMayPass(error: unknown): boolean {
  if (error instanceof MeshError) return error.passes ?? error instanceof StorageError;
  return fileErrorPasses((error as NodeJS.ErrnoException | undefined)?.code);
}
