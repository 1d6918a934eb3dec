/** This library, as its users have it: built, by its public API only. */
import { join } from 'node:path';
import type * as Library from '../../lib/index';
import type { Address } from '../harness/connection';

// eslint-disable-next-line typescript/no-require-imports
export const { openMailbox, openStorage } = require(join(__dirname, '../../dist/lib/index.js')) as typeof Library;

/** Options of a mailbox at the bench's server; defaults are what is measured. */
export function mailboxOptions(
  { url, ca, cert, key }: Address,
  more: Partial<Library.MailboxOptions> = {},
): Library.MailboxOptions {
  return {
    environment: url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: 'TestKey',
    tls: { ca, cert, key },
    ...more,
  };
}
