/** Errors of the admin endpoints themselves, beside those of the library. */

/** Status 403: the user has the permission, but no name. */
export class ForbiddenError extends Error {
  readonly reason: 'no-admin-auth' | 'anonymous';

  constructor(reason: ForbiddenError['reason']) {
    super(reason);
    this.name = 'ForbiddenError';
    this.reason = reason;
  }
}

/** Status 404: there is no such mailbox, or it is not open. */
export class NoSuchMailboxError extends Error {
  override readonly name = 'NoSuchMailboxError';
}
