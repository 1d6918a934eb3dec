/** The processes that share a store: leases of mailboxes, and news of what the others changed. */

/** There is one sender and one poller for each mailbox (docs/design.md, rule 4). */
export type LeaseRole = 'sender' | 'poller';

/**
 * What another instance did with a mailbox: it changed the state of a sent message, finished with a received one, or
 * released its leases. `missed`: the connection was broken for a while, so anything may have happened.
 */
export type RemoteChange =
  { kind: 'out'; id: string } | { kind: 'in'; messageId: string } | { kind: 'lease' } | { kind: 'missed' };

export interface InstancesStore {
  /** Whether other processes may have the store open too. */
  readonly isShared: boolean;
  /** The id of this opening of the store, among those of all processes that share it. */
  readonly id: string;
  /** Returns the ids of the other instances that are alive, or were a minute ago; none if the store has one owner. */
  otherInstances(): Promise<string[]>;
  /**
   * Takes or extends the right to be the one sender or poller of a mailbox, for `ms` milliseconds from now by the
   * store's own clock; false while another instance has it. Always true if the store has one owner. It ends with its
   * time or with `close`.
   */
  lease(mailbox: string, role: LeaseRole, ms: number): Promise<boolean>;
  /** Calls `listener` when another instance has changed something of the mailbox; returns a function that ends this. */
  onRemoteChange(mailbox: string, listener: (change: RemoteChange) => void): () => void;
}
