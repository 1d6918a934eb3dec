/** Sandboxes and mailboxes that are closed after the test. Retries come fast, so that tests do. */
import { openMailbox, type Mailbox, type MailboxOptions } from '../../lib/index';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../lib/sandbox/index';
import { afterThisTest } from './cleanup';
import type { HostileMesh } from './hostile-mesh';

/** A sandbox with X26ABC1, X26ABC2 and X26ABC3. Without TLS where the test is not about it. */
export async function sandbox(options: SandboxOptions = { protocol: 'http' }): Promise<Sandbox> {
  const started = await startSandbox(options);
  afterThisTest(() => started.close());
  return started;
}

/** X26ABC1, or what `options` say, at a sandbox or another server. */
export function mailboxAt(
  server: Pick<Sandbox, 'url' | 'ca'> | Pick<HostileMesh, 'url' | 'ca'>,
  options: Partial<MailboxOptions> = {},
): Mailbox {
  const mailbox = openMailbox({
    environment: server.url,
    mailboxId: 'X26ABC1',
    password: 'password',
    sharedKey: 'TestKey',
    ...(server.ca === undefined ? {} : { tls: { ca: server.ca } }),
    retry: { attempts: 3, baseMs: 2, capMs: 10 },
    ...options,
  });
  afterThisTest(() => mailbox.close());
  return mailbox;
}

/** Sender and receiver at one sandbox. */
export function twoMailboxesAt(
  server: Sandbox,
  options: Partial<MailboxOptions> = {},
): { alice: Mailbox; bob: Mailbox } {
  return { alice: mailboxAt(server, options), bob: mailboxAt(server, { ...options, mailboxId: 'X26ABC2' }) };
}

/** The operations that the sandbox has seen, in order. */
export function operations(server: Sandbox, operation?: string): string[] {
  const all = server.requests().map((request) => request.operation);
  return operation === undefined ? all : all.filter((each) => each === operation);
}

/** Waits until `fact` holds; fails after two seconds, saying which. */
export async function until(what: string, fact: () => boolean | Promise<boolean>, patienceMs = 2000): Promise<void> {
  const end = Date.now() + patienceMs;
  while (!(await fact())) {
    if (Date.now() > end) throw new Error(`in vain waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
