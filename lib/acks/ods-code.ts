/** The ODS code of the organisation that a mailbox belongs to. */
import { ConfigurationError } from '../errors';

/**
 * Returns the ODS code of the settings, or the one at the beginning of the mailbox id: those of GP practices and trusts
 * have it there (`X26OT001`, `A12345HC001`).
 * @throws ConfigurationError when neither has one
 */
export function requireOdsCode({ odsCode, mailboxId }: { odsCode?: string; mailboxId: string }): string {
  const code = odsCode || /^([A-Z0-9]{3,8}?)(?:OT|HC)\d{3}$/.exec(mailboxId)?.[1];
  if (code) return code;
  throw new ConfigurationError('The message names our organisation, and its ODS code is not known.', {
    mailboxId,
    advice: 'Enter the ODS code in the mailbox’s settings.',
  });
}
