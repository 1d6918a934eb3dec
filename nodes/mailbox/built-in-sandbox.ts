/**
 * The sandbox that a mailbox with environment `sandbox` uses: one for the whole process, started by the first that needs
 * it, on loopback. It is kept on globalThis, so that its messages outlive deploys, and reloads of this module.
 */
import { randomBytes } from 'node:crypto';
import { startSandbox, type Sandbox, type SandboxMailbox } from '../../lib/sandbox';

const KEY = Symbol.for('@mesh-flows/node-red-nhs-mesh/built-in-sandbox');
const processWide = globalThis as { [KEY]?: Promise<Sandbox> | undefined };

/** The running sandbox. A failed start is forgotten, so that the next deploy tries again. */
export function builtInSandbox(): Promise<Sandbox> {
  processWide[KEY] ??= start().catch((error: unknown) => {
    processWide[KEY] = undefined;
    throw error;
  });
  return processWide[KEY];
}

/** The sandbox's mailbox of that id, made if it is not there yet. */
export function sandboxMailbox(sandbox: Sandbox, mailboxId: string): SandboxMailbox {
  const known = sandbox.mailboxes.find((mailbox) => mailbox.mailboxId === mailboxId);
  if (known !== undefined) return known;
  const mailbox: SandboxMailbox = { mailboxId, password: randomBytes(12).toString('hex'), name: mailboxId };
  sandbox.addMailbox(mailbox);
  return mailbox;
}

/** For tests: in Node-RED the sandbox ends with the process. */
export async function closeBuiltInSandbox(): Promise<void> {
  const running = processWide[KEY];
  processWide[KEY] = undefined;
  const sandbox = await running?.catch(() => undefined);
  await sandbox?.close();
}

async function start(): Promise<Sandbox> {
  const sandbox = await startSandbox({ protocol: 'https' });
  // No reason by itself to keep a process alive that has nothing else to do.
  sandbox.unref();
  return sandbox;
}
