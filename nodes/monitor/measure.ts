/**
 * Measures a mailbox for monitoring systems and mesh-status. It collects mailbox ids, states, times and counts only.
 */
import { environmentKind, type MailboxHealth, type Observation, type Traffic } from '../../lib/index';
import type { KnownMailbox } from '../mailbox/known-mailboxes';
import { blockedOutputs, type BlockedOutput } from '../mailbox/output-guard';

/** A mailbox that is not open. */
export interface Unmeasured {
  /** Empty if it is not known. */
  mailboxId: string;
  /** Name of the mesh-config node. */
  name: string;
  /** `sandbox` (also one in another process of this machine), `integration`, `live`, a host, or empty when it is wrong. */
  environment: string;
  connection: string;
}

/** An open mailbox. The names of these properties are those of `GET /mesh/health`. */
export interface Measured extends Omit<Unmeasured, 'mailboxId'> {
  mailboxId: string;
  health: MailboxHealth;
  outbox: { waiting: number; held: number; paused: boolean; byState: Record<string, number> };
  /**
   * `redelivered`: of those in flight, at least; delivered again because nothing had ended them. `parkedBytes`: of the payloads that are kept for parked messages. `full`: nothing more is received because
   * of them.
   */
  inbox: {
    waiting: number;
    inFlight: number;
    unclaimed: number;
    redelivered: number;
    parked: number;
    parkedBytes: number;
    full: boolean;
  };
  overdue: number;
  /** Outputs at which something waits because no node that runs is wired to them. */
  blockedOutputs: BlockedOutput[];
  traffic: Traffic;
  /** Free space for large payloads; null when it cannot be read. */
  freeBytes: number | null;
  oldestUnacknowledged: { messageId: string; since: string } | null;
}

/** Measures a mailbox. Rejects when the store cannot be read. */
export async function measure({
  id,
  name,
  environment: setting = '',
  connection,
}: KnownMailbox): Promise<Measured | Unmeasured> {
  const environment = environmentLabel(setting);
  const opened = await connection.opened();
  if (!opened) return { mailboxId: '', name, environment, connection: connection.state.kind };
  const { mailbox, poller } = opened;
  const [{ sent, attention }, redelivered, parkedBytes, freeBytes, oldestUnacknowledged] = await Promise.all([
    mailbox.operator.counts(),
    mailbox.operator.redelivered(),
    mailbox.operator.parkedBytes(),
    mailbox.operator.freeBytes().catch(() => null),
    mailbox.operator.oldestUnacknowledged(),
  ]);
  const { pending, leased, unclaimed, isFull: full } = poller.state();
  const { sending } = connection;
  return {
    mailboxId: mailbox.mailboxId,
    name,
    environment,
    connection: connection.state.kind,
    health: mailbox.health(),
    outbox: {
      waiting: sending?.waiting ?? 0,
      held: sending?.needsDecision ?? 0,
      paused: sending?.paused !== undefined,
      byState: sent.messages,
    },
    inbox: { waiting: pending, inFlight: leased, unclaimed, redelivered, parked: attention.parked, parkedBytes, full },
    overdue: attention.overdue,
    blockedOutputs: blockedOutputs(id),
    traffic: mailbox.traffic(),
    freeBytes,
    oldestUnacknowledged,
  };
}

/** Returns what conditions are found in: the same for mesh-status and the sidebar. `now`: milliseconds since 1970. */
export function observationOf(measured: Measured, now: number, monitoredSince: number): Observation {
  const { health, freeBytes, oldestUnacknowledged, outbox, inbox, overdue, blockedOutputs: blocked } = measured;
  const { unknown = 0 } = outbox.byState;
  const { redelivered, parked, unclaimed } = inbox;
  return {
    now,
    monitoredSince,
    health,
    freeBytes,
    oldestUnacknowledged,
    counts: { held: outbox.held, unknown, overdue, redelivered, parked, unclaimed },
    fullInbox: inbox.full ? { parkedBytes: inbox.parkedBytes } : null,
    blockedOutputs: blocked.map(({ nodeType, nodeId, output }) => `${nodeType} (${nodeId}), ${output}`),
  };
}

/** Returns the name of an environment for monitoring systems: see {@link Unmeasured.environment}. */
export function environmentLabel(setting: string): string {
  const kind = environmentKind(setting);
  return kind === 'other' ? (URL.parse(setting)?.host ?? '') : kind;
}
