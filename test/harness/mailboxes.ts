/** Sandboxes and mailboxes that are closed after the test. Retries are fast, so that tests are. */
import { openMailbox, type Mailbox, type MailboxOptions } from '../../lib/index';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../lib/sandbox/index';
import { afterThisTest } from './cleanup';

/** Starts a sandbox with X26ABC1, X26ABC2 and X26ABC3, by default without TLS. */
export async function sandbox(options: SandboxOptions = { protocol: 'http' }): Promise<Sandbox> {
  const started = await startSandbox(options);
  afterThisTest(() => started.close());
  return started;
}

/** The address of a sandbox or another server, and its CA if it has TLS. */
export type Address = { url: string; ca?: string | undefined };

/** Returns the options of X26ABC1 at a server. */
export function accessTo({ url, ca }: Address): MailboxOptions {
  return {
    environment: url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: 'TestKey',
    ...(ca === undefined ? {} : { tls: { ca } }),
  };
}

/** Opens X26ABC1, or the mailbox that `options` name, at a sandbox or another server. */
export function mailboxAt(server: Address, options: Partial<MailboxOptions> = {}): Mailbox {
  const mailbox = openMailbox({
    ...accessTo(server),
    retry: { attempts: 3, baseMs: 2, capMs: 10 },
    ...options,
  });
  afterThisTest(() => mailbox.close());
  return mailbox;
}

/** Opens a sender's and a receiver's mailbox at one sandbox. */
export function twoMailboxesAt(
  server: Sandbox,
  options: Partial<MailboxOptions> = {},
): { alice: Mailbox; bob: Mailbox } {
  return { alice: mailboxAt(server, options), bob: mailboxAt(server, { ...options, mailboxId: 'X26ABC2' }) };
}

/** Returns the operations that the sandbox has seen, in order; with `operation`, only those. */
export function operations(server: Sandbox, operation?: string): string[] {
  const all = server.requests().map((request) => request.operation);
  return operation === undefined ? all : all.filter((each) => each === operation);
}
