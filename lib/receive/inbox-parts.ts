/** What the parts of one mailbox's inbox share. */
import type { Clock } from '../clock';
import type { Held } from '../store/mailbox-lease';
import type { DeliveryLeases } from './deliver/delivery-leases';
import type { DurableInboxOptions } from './durable-inbox-types';
import type { InboxListeners } from './inbox-listeners';
import type { InboxConsumer } from './inbox-types';
import type { IncomingRows } from './incoming-rows';
import type { InboxRouter } from './poll/inbox-router';
import type { ProblemNotifier } from './problem-notifier';

/** One of each for every mailbox. */
export interface InboxParts {
  options: DurableInboxOptions;
  clock: Clock;
  rows: IncomingRows;
  router: InboxRouter<InboxConsumer>;
  /** The mailbox's lease: the right of this instance to poll and to deliver. */
  pollerLease: Held;
  /** The leases of delivered messages. */
  leases: DeliveryLeases;
  problems: ProblemNotifier;
  listeners: InboxListeners;
  /** Aborts when the inbox is closed. */
  closing: AbortSignal;
}
