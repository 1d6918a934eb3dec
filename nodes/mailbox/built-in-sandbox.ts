/**
 * The sandbox of every mailbox with environment `sandbox`: one for the process, on loopback, started by the first
 * mailbox that needs it. It stands on globalThis, so that its messages outlive deploys and reloads of this module.
 */
import { randomBytes } from 'node:crypto';
import { startSandbox, type Sandbox, type SandboxMailbox } from '../../lib/sandbox';

const KEY = Symbol.for('@mesh-flows/node-red-nhs-mesh/built-in-sandbox');
const processWide = globalThis as { [KEY]?: Promise<Sandbox> | undefined };

/** Returns the running sandbox. A failed start is forgotten, so that the next deploy tries again. */
export function builtInSandbox(): Promise<Sandbox> {
  processWide[KEY] ??= start().catch((error: unknown) => {
    processWide[KEY] = undefined;
    throw error;
  });
  return processWide[KEY];
}

/** Returns the sandbox's mailbox with this id, and adds it when it is missing. */
export function sandboxMailbox(sandbox: Sandbox, mailboxId: string): SandboxMailbox {
  const known = sandbox.mailboxes.find((mailbox) => mailbox.mailboxId === mailboxId);
  if (known !== undefined) return known;
  const mailbox: SandboxMailbox = { mailboxId, password: randomBytes(12).toString('hex'), name: mailboxId };
  sandbox.addMailbox(mailbox);
  return mailbox;
}

/** Closes the sandbox, for tests: in Node-RED it ends with the process. */
export async function closeBuiltInSandbox(): Promise<void> {
  const running = processWide[KEY];
  processWide[KEY] = undefined;
  const sandbox = await running?.catch(() => undefined);
  await sandbox?.close();
}

async function start(): Promise<Sandbox> {
  const sandbox = await startSandbox({ protocol: 'https' });
  // The sandbox alone does not keep the process alive.
  sandbox.unref();
  return sandbox;
}
