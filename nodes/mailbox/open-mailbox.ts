/** Opens a mailbox and its inbox from checked settings, in the sandbox or at MESH. */
import { readFile } from 'node:fs/promises';
import {
  ConfigurationError,
  loadProfiles,
  openMailbox,
  readCertificatesAgain,
  type MailboxOptions,
  type Storage,
  type WorkflowProfiles,
} from '../../lib/index';
import { builtInSandbox, registerWorkflows, sandboxMailbox } from './built-in-sandbox';
import type { OpenedMailbox } from './connection';
import type { MailboxSettings } from './mailbox-settings';

/** @param application part of the user agent, so that MESH's support recognises the caller */
export async function openFromSettings(
  settings: MailboxSettings,
  storage: Storage,
  application: string,
): Promise<OpenedMailbox> {
  const profiles = await readProfiles(settings);
  const inSandbox = settings.environment === 'sandbox';
  if (inSandbox) await registerInSandbox(settings, profiles);
  const mailbox = openMailbox({
    ...(inSandbox ? await sandboxAccess(settings.mailboxId) : await renewedAccess(settings)),
    storage,
    ...settings.sending,
    ...settings.receiving,
    profiles,
    ...(settings.odsCode !== '' && { odsCode: settings.odsCode }),
    application,
  });
  const poller = mailbox.inbox({
    meshAcknowledge: settings.meshAcknowledge,
    minimumIntervalMs: settings.minimumIntervalMs,
    workflowsHandledElsewhere: settings.leftToOthers,
    leaseMs: settings.leaseMs,
    maxDeliveries: settings.maxDeliveries,
    maxParkedBytes: settings.maxParkedBytes,
  });
  return { mailbox, poller, environment: settings.environment };
}

/**
 * Reads the shipped profiles, those of the user's file and those from the editor.
 * @throws ConfigurationError when the file cannot be read, or a profile is wrong
 */
export async function readProfiles({
  profilesFile,
  profiles,
}: Pick<MailboxSettings, 'profilesFile' | 'profiles'>): Promise<WorkflowProfiles> {
  const tables = profilesFile === '' ? [] : [await readProfilesFile(profilesFile)];
  if (profiles !== '') tables.push(`{"profiles":${profiles}}`);
  return loadProfiles(...tables);
}

async function readProfilesFile(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError(`The file of workflow profiles cannot be read (${code}).`, {
      advice: 'Check its path in the mailbox’s settings, on this server, and that Node-RED may read it.',
    });
  });
}

/** Registers the workflows that the mailbox's settings name, as the MESH team would. */
async function registerInSandbox(
  { sandboxWorkflows, leftToOthers }: MailboxSettings,
  profiles: WorkflowProfiles,
): Promise<void> {
  // Patterns name no workflow.
  const handledElsewhere = leftToOthers.filter((pattern) => !/[*!]/.test(pattern));
  registerWorkflows(await builtInSandbox(), profiles.all(), [...sandboxWorkflows, ...handledElsewhere]);
}

/** Node-RED has read the files at its own start, which may be long ago. */
async function renewedAccess(settings: MailboxSettings): Promise<MailboxOptions> {
  const { tls, ...others } = meshAccess(settings);
  return tls ? { ...others, tls: await readCertificatesAgain(tls) } : others;
}

/** Returns the options for a mailbox at MESH, or at a sandbox in another process. */
export function meshAccess(
  settings: Pick<MailboxSettings, 'environment' | 'mailboxId' | 'password' | 'sharedKey' | 'tls' | 'proxy'>,
): MailboxOptions {
  const { environment, mailboxId, password, sharedKey, tls, proxy } = settings;
  return { environment, mailboxId, password, sharedKey, ...(tls && { tls }), ...(proxy && { proxy }) };
}

/**
 * Returns the options for a mailbox of the built-in sandbox. `instance` ends the messages of a sandbox that is gone.
 */
export async function sandboxAccess(mailboxId: string): Promise<MailboxOptions & { instance: string }> {
  const sandbox = await builtInSandbox();
  const { password } = sandboxMailbox(sandbox, mailboxId);
  const { url, sharedKey, ca, instance } = sandbox;
  return { instance, environment: url, mailboxId, password, sharedKey, ...(ca !== undefined && { tls: { ca } }) };
}
