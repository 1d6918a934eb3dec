/** The senders and receivers of workflows, for the restriction of send_message and for the two lookups. */
import type { Mailboxes, RegisteredMailbox } from './mailboxes';
import { rejected } from './refusal';
import type { SandboxWorkflow } from './types';

/** The workflows by id. */
export class Workflows {
  readonly #byId = new Map<string, { senders: Set<string>; receivers: Set<string> }>();
  /** Registered for every mailbox. */
  readonly #registered = new Set<string>();
  readonly #mailboxes: Mailboxes;

  constructor(workflows: readonly SandboxWorkflow[], mailboxes: Mailboxes) {
    this.#mailboxes = mailboxes;
    for (const workflow of workflows) {
      this.#byId.set(workflow.workflowId, { senders: ids(workflow.senders), receivers: ids(workflow.receivers) });
    }
  }

  /** Returns the mailboxes that receive a workflow, in the order of its list. */
  receivers(workflowId: string): RegisteredMailbox[] {
    const found: RegisteredMailbox[] = [];
    for (const mailboxId of this.#byId.get(workflowId)?.receivers ?? []) {
      const mailbox = this.#mailboxes.get(mailboxId);
      if (mailbox) found.push(mailbox);
    }
    return found;
  }

  /** Registers workflows for every mailbox; `*` registers whatever is sent. */
  register(workflowIds: Iterable<string>): void {
    for (const workflowId of workflowIds) this.#registered.add(workflowId);
  }

  /** @throws Refusal 417 with code 17 when the workflow is not registered at all (mesh-api.yaml, "Error codes") */
  checkRegistered(workflowId: string): void {
    const isKnown = this.#byId.has(workflowId) || this.#registered.has(workflowId) || this.#registered.has('*');
    if (!isKnown) throw rejected('SEND', '17', 'Workflow ID not registered for mailbox');
  }

  /** @throws Refusal 417 with code 17 or 16 when the pair is not allowed (mesh-api.yaml, "Error codes") */
  checkAllowed(workflowId: string, sender: string, recipient: string): void {
    const workflow = this.#byId.get(workflowId);
    if (!workflow?.receivers.has(recipient)) throw rejected('SEND', '17', 'Workflow ID not registered for mailbox');
    if (!workflow.senders.has(sender)) {
      throw rejected('SEND', '16', 'Sender is not allowed to send messages of this type');
    }
  }
}

function ids(mailboxIds: readonly string[]): Set<string> {
  return new Set(mailboxIds.map((mailboxId) => mailboxId.trim().toUpperCase()));
}
