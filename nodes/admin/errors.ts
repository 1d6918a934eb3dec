/** What an admin endpoint refuses by itself, beside the errors of the library. */

/** 403: the permission is there, but nobody knows whose it is. */
export class ForbiddenError extends Error {
  readonly reason: 'no-admin-auth' | 'anonymous';

  constructor(reason: ForbiddenError['reason']) {
    super(reason);
    this.name = 'ForbiddenError';
    this.reason = reason;
  }
}

/** 404: no such mailbox, or it is not open. */
export class NoSuchMailboxError extends Error {
  override readonly name = 'NoSuchMailboxError';
}
