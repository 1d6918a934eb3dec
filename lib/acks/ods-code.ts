/** Whose mailbox it is: the code of its organisation, where something has to name it. */
import { ConfigurationError } from '../errors';

/**
 * The ODS code of the settings, or that at the beginning of the mailbox id: those of GP practices and trusts have it there
 * (`X26OT001`, `A12345HC001`).
 * @throws ConfigurationError where neither tells it
 */
export function requireOdsCode({ odsCode, mailboxId }: { odsCode?: string; mailboxId: string }): string {
  const code = odsCode || /^([A-Z0-9]{3,8}?)(?:OT|HC)\d{3}$/.exec(mailboxId)?.[1];
  if (code) return code;
  throw new ConfigurationError('The message names our organisation, and its ODS code is not known.', {
    mailboxId,
    advice: 'Give the ODS code in the mailbox’s settings.',
  });
}
