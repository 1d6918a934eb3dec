/** How a mailbox stands now, in numbers: for monitoring systems and mesh-status. Mailbox ids, states, times and counts only. */
import type { MailboxHealth, Traffic } from '../../lib/index';
import type { KnownMailbox } from './known-mailboxes';

/** Of a mailbox that is not open only these are known. */
export interface Unmeasured {
  mailboxId: '';
  /** Of its mesh-config node. */
  name: string;
  connection: string;
}

export interface Measured extends Omit<Unmeasured, 'mailboxId'> {
  mailboxId: string;
  health: MailboxHealth;
  outbox: { waiting: number; held: number; paused: boolean; byState: Record<string, number> };
  inbox: { waiting: number; inFlight: number; unclaimed: number; parked: number };
  overdue: number;
  traffic: Traffic;
  /** Null where the disk cannot be asked. */
  freeBytes: number | null;
  oldestUnacknowledged: { messageId: string; since: string } | null;
}

/** Rejects where the store cannot be asked. */
export async function measure({ name, connection }: KnownMailbox): Promise<Measured | Unmeasured> {
  const opened = await connection.opened();
  if (!opened) return { mailboxId: '', name, connection: connection.state.kind };
  const { mailbox, poller } = opened;
  const [{ sent, attention }, freeBytes, oldestUnacknowledged] = await Promise.all([
    mailbox.operator.counts(),
    mailbox.operator.freeBytes().catch(() => null),
    mailbox.operator.oldestUnacknowledged(),
  ]);
  const { waiting, inFlight, unclaimed } = poller.state();
  const { sending } = connection;
  return {
    mailboxId: mailbox.mailboxId,
    name,
    connection: connection.state.kind,
    health: mailbox.health(),
    outbox: {
      waiting: sending?.waiting ?? 0,
      held: sending?.held ?? 0,
      paused: sending?.paused !== undefined,
      byState: sent.messages,
    },
    inbox: { waiting, inFlight, unclaimed, parked: attention.parked },
    overdue: attention.overdue,
    traffic: mailbox.traffic(),
    freeBytes,
    oldestUnacknowledged,
  };
}
