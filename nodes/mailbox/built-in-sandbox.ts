/**
 * The sandbox of every mailbox with environment `sandbox`: one for the process, on loopback, started by the first
 * mailbox that needs it. It stands on globalThis, so that its messages outlive deploys and reloads of this module. It
 * refuses what MESH's Integration would refuse: a workflow id that nobody has registered, a recipient not in capitals.
 */
import { randomBytes } from 'node:crypto';
import { SHIPPED_PROFILES, type WorkflowProfile } from '../../lib/index';
import { BUILT_IN_SANDBOX, processWide, startSandbox, type Sandbox, type SandboxMailbox } from '../../lib/sandbox';

/** National workflows without a profile of their own (docs/mesh.md, Workflow ids). */
const NATIONAL_WORKFLOWS = [
  'TOC_DISCH_DMS',
  'PDSRECORDCHANGE_1',
  'CHANGEOFGP_1',
  'CHANGEOFADDRESS_1',
  'BIRTHNOTIFICATION_1',
  'DEATHNOTIFICATION_1',
  'BLOODSPOTTESTOUTCOME_1',
  'NEWBORNHEARING_1',
  'NIPEOUTCOME_1',
  'PROFESSIONALCONTACTS_1',
  'VACCINATIONS_1',
];

/** Returns the running sandbox. A failed start is forgotten, so that the next deploy tries again. */
export function builtInSandbox(): Promise<Sandbox> {
  processWide[BUILT_IN_SANDBOX] ??= start().catch((error: unknown) => {
    processWide[BUILT_IN_SANDBOX] = undefined;
    throw error;
  });
  return processWide[BUILT_IN_SANDBOX];
}

/** Returns the sandbox's mailbox with this id, and adds it when it is missing. It is no service's any more. */
export function sandboxMailbox(sandbox: Sandbox, mailboxId: string): SandboxMailbox {
  const known = sandbox.mailboxes.find((mailbox) => mailbox.mailboxId === mailboxId);
  if (known !== undefined) {
    sandbox.endService(mailboxId);
    return known;
  }
  const mailbox: SandboxMailbox = { mailboxId, password: randomBytes(12).toString('hex'), name: mailboxId };
  sandbox.addMailbox(mailbox);
  return mailbox;
}

/**
 * Registers workflows, and those of their acknowledgements, for every mailbox.
 * @param workflowIds ids without a workflow profile; `*` stands for any
 */
export function registerWorkflows(
  sandbox: Sandbox,
  profiles: readonly Pick<WorkflowProfile, 'workflowId' | 'ackWorkflowId' | 'replies'>[],
  workflowIds: readonly string[] = [],
): void {
  sandbox.registerWorkflows(
    profiles.flatMap(({ workflowId, ackWorkflowId, replies = [] }) => [
      workflowId,
      ...(ackWorkflowId === null ? [] : [ackWorkflowId]),
      ...replies.flatMap(({ when }) => when.workflowId ?? []),
    ]),
  );
  sandbox.registerWorkflows(workflowIds.flatMap((id) => (id === '*' ? id : [id, `${id}_ACK`])));
}

/** Closes the sandbox, for tests: in Node-RED it ends with the process. */
export async function closeBuiltInSandbox(): Promise<void> {
  const running = processWide[BUILT_IN_SANDBOX];
  processWide[BUILT_IN_SANDBOX] = undefined;
  const sandbox = await running?.catch(() => undefined);
  await sandbox?.close();
}

async function start(): Promise<Sandbox> {
  const sandbox = await startSandbox({ protocol: 'https', strict: true, nationalServices: true });
  registerWorkflows(sandbox, SHIPPED_PROFILES, NATIONAL_WORKFLOWS);
  // The sandbox alone does not keep the process alive.
  sandbox.unref();
  return sandbox;
}
