/** From checked settings to an open mailbox and its poller, in the sandbox or at MESH. */
import { createInboxPoller, openMailbox, type MailboxOptions } from '../../lib/index';
import { builtInSandbox, sandboxMailbox } from './built-in-sandbox';
import type { OpenedMailbox } from './connection';
import type { MailboxSettings } from './mailbox-settings';

/** @param application goes into the user agent, so that MESH's support can tell what called. */
export async function openFromSettings(settings: MailboxSettings, application: string): Promise<OpenedMailbox> {
  const mailbox = openMailbox({
    ...(settings.environment === 'sandbox' ? await sandboxAccess(settings.mailboxId) : meshAccess(settings)),
    compression: settings.compression,
    ...(settings.maxChunkBytes !== undefined && { maxChunkBytes: settings.maxChunkBytes }),
    application,
  });
  const poller = createInboxPoller({
    mailbox,
    minimumIntervalMs: settings.minimumIntervalMs,
    leftToOthers: settings.leftToOthers,
    leaseMs: settings.leaseMs,
    maxDeliveries: settings.maxDeliveries,
  });
  return { mailbox, poller };
}

function meshAccess(settings: MailboxSettings): MailboxOptions {
  const { environment, mailboxId, password, sharedKey, tls, proxy } = settings;
  return { environment, mailboxId, password, sharedKey, ...(tls && { tls }), ...(proxy && { proxy }) };
}

async function sandboxAccess(mailboxId: string): Promise<MailboxOptions> {
  const sandbox = await builtInSandbox();
  const { password } = sandboxMailbox(sandbox, mailboxId);
  const { url, sharedKey, ca } = sandbox;
  return { environment: url, mailboxId, password, sharedKey, ...(ca !== undefined && { tls: { ca } }) };
}
