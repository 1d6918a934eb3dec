/** The built library, through its public API only, as users call it. */
import { join } from 'node:path';
import type * as Library from '../../lib/index';
import type { Address } from '../harness/connection';

// eslint-disable-next-line typescript/no-require-imports
export const { openMailbox, openStorage } = require(join(__dirname, '../../dist/lib/index.js')) as typeof Library;

/** Returns the options of a mailbox at the bench's server; everything else has its default. */
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
