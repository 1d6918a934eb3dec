/**
 * The durable state behind one interface, split by role (lib/store/roles). Once a method has resolved, its effect is
 * committed: a kill right after it loses nothing. Every change of a message is one transition, checked against the
 * state that it was in, with one line in the ledger in the same commit.
 *
 * Times are milliseconds since 1970, UTC. A `mailbox` is the key of one mailbox in one environment (mailboxKey).
 */
import type { IncomingStore } from './roles/incoming-store';
import type { InstancesStore } from './roles/instances-store';
import type { LedgerStore } from './roles/ledger-store';
import type { MaintenanceStore } from './roles/maintenance-store';
import type { OutgoingStore } from './roles/outgoing-store';
import type { OverviewStore } from './roles/overview-store';
import type { PayloadSlices } from './roles/payload-slices';

export type { IncomingState, OutgoingState } from '../message-states';
export type { IncomingStore } from './roles/incoming-store';
export type { InstancesStore, LeaseRole, RemoteChange } from './roles/instances-store';
export type { LedgerStore } from './roles/ledger-store';
export type { Retention, SpoolFolder } from './roles/maintenance-store';
export type { OutgoingStore } from './roles/outgoing-store';
export type { Activity, Attention } from './roles/overview-store';
export type { PayloadSlices } from './roles/payload-slices';
export type { StoredError } from './types/error';
export type { Incoming, IncomingChange, IncomingSummary, NewIncoming } from './types/incoming';
export type { LedgerEntry, LedgerNote } from './types/ledger';
export type {
  KnownChange,
  NewOutgoing,
  OutcomeCondition,
  Outcome,
  Outgoing,
  OutgoingChange,
  OutgoingCounts,
  OutgoingFilter,
  OutgoingTransition,
  ReplacedOutgoing,
  SendPlan,
  SettledReply,
  StageState,
} from './types/outgoing';
export type { SendingProgress } from './types/sending';
export type { Page, RecentPage } from './types/pages';
export type { StoredPayload } from './types/payload';

/** The state of all mailboxes of one Node-RED (SQLite), or of several (PostgreSQL). */
export interface Store
  extends OutgoingStore, IncomingStore, LedgerStore, OverviewStore, InstancesStore, MaintenanceStore {
  /** Large payloads in the store itself, if it can keep them. `purge` removes those that no row has named for a day. */
  readonly slices?: PayloadSlices;
}

/** The key of a mailbox: two environments may have mailboxes of the same id. */
export function mailboxKey(url: string, mailboxId: string): string {
  return `${url} ${mailboxId}`;
}

/** The parts of a key. */
export function readMailboxKey(key: string): { url: string; mailboxId: string } {
  const at = key.lastIndexOf(' ');
  return { url: key.slice(0, at), mailboxId: key.slice(at + 1) };
}
