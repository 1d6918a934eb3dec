/** What a durable inbox is made of. */
import type { WorkflowProfiles } from '../acks/profiles';
import type { MeshClient } from '../client/client';
import type { Spool } from '../payload/spool';
import type { Held } from '../store/mailbox-lease';
import type { Store } from '../store/store';
import type { MessageHeaders } from '../types';
import type { Clock } from '../clock';
import type { SettleAcknowledgement } from './acknowledgement-settler';
import type { InboxRules } from './inbox-types';

/** The endpoints that an inbox uses. */
export type InboxClient = Pick<MeshClient, 'listInbox' | 'head' | 'download' | 'acknowledge'>;

/** How to receive durably: the rules of every poller, and where the state is. */
export interface DurableInboxOptions extends InboxRules {
  client: InboxClient;
  mailboxId: string;
  /** Of the environment: with `mailboxId` it says which inboxes share their minimum interval. */
  url: string;
  store: Store;
  spool: Spool;
  /** Key of the mailbox in the store. */
  storeKey: string;
  /** Of the sandbox, if it is one. Default: none. */
  instance?: string | null;
  /** A larger payload (bytes) cannot be delivered as a Buffer: it is parked. */
  maxBufferBytes: number;
  /** As the mailbox's (MailboxOptions). */
  maxExpandedBytes: number;
  checkChecksum?: boolean;
  /** Bytes that have to stay free on the disk: with less, messages stay in MESH. Default 512 MiB. */
  minFreeBytes?: number;
  /**
   * True at the first opening of this mailbox in this process: what an earlier process had in flight is due at once. False
   * after a redeploy: it is still in flight, until its lease ends.
   */
  freshStart: boolean;
  /**
   * When MESH is told that a message was collected. `when-spooled` (default): as soon as it is safe here, as MESH wants it.
   * `when-done`: when the flow is done with it; MESH then keeps what the flow does not finish, for five days.
   */
  meshAcknowledge?: 'when-spooled' | 'when-done';
  /**
   * Settles the sent message that a REPORT names, before the REPORT is delivered; also for reports of workflows that are
   * left to other systems. May be called again for the same REPORT after a restart.
   */
  settleReport?: (report: MessageHeaders) => Promise<unknown>;
  /**
   * The right to poll the mailbox and to deliver what was received; without it the inbox only takes what the flow is done
   * with. Made by the inbox, which is told by `changed`. Default: always held.
   */
  lease?: (changed: (held: boolean) => void) => Held & { start(): void; stop(): Promise<void> };
  /** Settles the sent message that an acknowledgement answers, before it is delivered. */
  settleAcknowledgement?: SettleAcknowledgement;
  /** Told of each message, with its bytes, as soon as it is in the store. */
  stored?: (bytes: number) => void;
  /** Tells acknowledgements and requests by workflow. Default: the shipped ones. */
  profiles?: WorkflowProfiles;
  /** Default: the machine's. */
  clock?: Clock;
}
