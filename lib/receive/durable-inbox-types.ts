/** The options of a durable inbox. */
import type { WorkflowProfiles } from '../acks/profiles';
import type { KeptReply } from '../acks/replies/read';
import type { ReceivedAck, Settled } from '../acks/types';
import type { MeshClient } from '../client/client';
import type { Spool } from '../payload/spool';
import type { Held } from '../store/mailbox-lease';
import type { Store } from '../store/store';
import type { MessageHeaders } from '../types';
import type { Clock } from '../clock';
import type { InboxRules } from './inbox-types';

/** The endpoints that an inbox uses. */
export type InboxClient = Pick<MeshClient, 'listInbox' | 'head' | 'download' | 'acknowledge'>;

/** Settles the sent messages that acknowledgements name; resolves with undefined for each that names none. */
type SettleAcknowledgements = (
  acks: readonly ReceivedAck[],
  by: Pick<MessageHeaders, 'from' | 'messageId'>,
) => Promise<Array<Settled | undefined>>;

/** How to receive durably: the rules of every poller, and where the storage is. */
export interface DurableInboxOptions extends InboxRules {
  client: InboxClient;
  mailboxId: string;
  /** URL of the environment: with `mailboxId` it identifies the inboxes that share one minimum interval. */
  url: string;
  store: Store;
  spool: Spool;
  /** Key of the mailbox in the store. */
  storeKey: string;
  /** Id of the built-in sandbox that is the server. Default: none. */
  instance?: string | null;
  /** A larger payload (bytes) cannot be delivered as a Buffer: its message is parked. */
  maxBufferBytes: number;
  /** As in MailboxOptions. */
  maxExpandedBytes: number;
  maxExpansionRatio: number;
  checkChecksum?: boolean;
  /** Minimum free disk space (bytes): below it, messages stay in MESH. Default 512 MiB. */
  minFreeBytes?: number;
  /**
   * True when this process opens the mailbox for the first time: the leases of an earlier process end at once. False
   * after a redeploy: leases run on.
   */
  freshStart: boolean;
  /**
   * When a message is acknowledged to MESH. `when-spooled` (default): as soon as it is durable here, as MESH wants it.
   * `when-done`: when the flow has finished it; MESH then keeps what the flow does not finish, for five days.
   */
  meshAcknowledge?: 'when-spooled' | 'when-done';
  /**
   * Settles the sent message that a REPORT names, before the REPORT is delivered; also for reports of workflows that
   * are handled elsewhere. May be called again for the same REPORT after a restart.
   */
  settleReport?: (report: MessageHeaders) => Promise<unknown>;
  /**
   * Creates the mailbox's lease, the right to poll and to deliver; without it the inbox only records what the flow has
   * finished. `onChanged` is called whenever it is taken or lost. Default: always held.
   */
  pollerLease?: (onChanged: (held: boolean) => void) => Held & { start(): void; stop(): Promise<void> };
  /** Settles the sent messages that a payload's acknowledgements name, before it is delivered. */
  settleAcknowledgements?: SettleAcknowledgements;
  /** Settles the stages of sent messages that a reply names, before it is delivered. Repeatable. */
  settleReply?: (
    reply: KeptReply,
    by: MessageHeaders,
  ) => Promise<Required<Pick<KeptReply, 'settled' | 'readings'>> & Pick<KeptReply, 'problem'>>;
  /** Called with the payload's size (bytes) as soon as a message is in the store. */
  onStored?: (bytes: number) => void;
  /** Called when MESH offers a message again that it has our acknowledgement of, or another one under its id. */
  onOfferedAgain?: (messageId: string, isDifferent: boolean) => void;
  /** Classifies acknowledgements and requests by workflow. Default: the profiles that this package ships. */
  profiles?: WorkflowProfiles;
  /** Default: the machine's clock. */
  clock?: Clock;
}
