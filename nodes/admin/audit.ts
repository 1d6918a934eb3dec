/** What people do with messages in the sidebar: into the ledger first, then to the mesh-alert nodes that forward it. */
import type { AuditedUse } from '../../lib/index';
import type { OpenedMailbox } from '../mailbox/connection';

const listeners = new Set<(use: AuditedUse) => void>();

/** Calls `listener` for each use that this process records from now on. Returns the function that ends that. */
export function onUse(listener: (use: AuditedUse) => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Records in the ledger what a person did with a message, and passes it on. Rejects if the ledger cannot be written. */
export async function recordUse(mailbox: OpenedMailbox['mailbox'], use: Omit<AuditedUse, 'mailboxId'>): Promise<void> {
  await mailbox.operator.note(use.direction, use.reference, use.event, use.user);
  for (const listener of listeners) listener({ mailboxId: mailbox.mailboxId, ...use });
}
