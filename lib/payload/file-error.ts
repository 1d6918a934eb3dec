/**
 * Errors of the file system without paths: a file's name may be a patient's, and errors end in logs (docs/design.md,
 * rule 12).
 */

/** Returns the error without its path: its code and the system call that failed. */
export function withoutPath(error: unknown): NodeJS.ErrnoException {
  const { code = 'unknown', syscall } = error as NodeJS.ErrnoException;
  const words = syscall === undefined ? code : `${code} (${syscall})`;
  return Object.assign(new Error(words), { code });
}
