/**
 * Finds mailboxes whose queued messages nothing would ever send. A message is queued under its mailbox's key, which
 * consists of URL and id: if either is changed in the configuration, the messages under the old key stay behind
 * unnoticed.
 */
import { DELIVERABLE } from '../message-states';
import type { Storage } from '../storage';
import { readMailboxKey } from '../store/store';

/** A mailbox with messages to send or to deliver that is not open anywhere. */
export interface ForgottenMailbox {
  /** URL of the environment. */
  url: string;
  mailboxId: string;
  /** Messages that are queued, sending or unknown. */
  waiting: number;
  /** Received messages that no flow has finished, up to 1000; missing if there are none. */
  pending?: number;
}

const MAX_PENDING = 1000;

/** How many times each key is open, by storage. */
const openCounts = new WeakMap<Storage, Map<string, number>>();

/** Marks a mailbox as open. Returns a function that ends this, to be called once. */
export function markOpen(storage: Storage, storeKey: string): () => void {
  const counts = openCounts.get(storage) ?? new Map<string, number>();
  openCounts.set(storage, counts);
  const add = (by: number): unknown => counts.set(storeKey, (counts.get(storeKey) ?? 0) + by);
  add(1);
  return () => add(-1);
}

/**
 * Returns the mailboxes with messages to send or to deliver that are open neither in this process nor in another instance on the same
 * storage. Call it some seconds after the configured mailboxes have been opened. Messages of a built-in sandbox do not
 * count: they ended with it.
 */
export async function findForgottenMailboxes(storage: Storage): Promise<ForgottenMailbox[]> {
  const forgotten: ForgottenMailbox[] = [];
  for (const key of await storage.store.mailboxes()) {
    const { url, mailboxId } = readMailboxKey(key);
    if ((openCounts.get(storage)?.get(key) ?? 0) > 0 || !URL.canParse(url)) continue;
    const { queued, sending, unknown } = (await storage.store.countOutgoing(key)).messages;
    const waiting = queued + sending + unknown;
    const pending = (await storage.store.incomingSummaries(key, DELIVERABLE, { limit: MAX_PENDING })).length;
    // If its lease can be taken, no other instance has it open; a lease of 0 ms is returned at once.
    if (waiting + pending > 0 && (!storage.store.isShared || (await storage.store.lease(key, 'sender', 0))))
      forgotten.push({ url, mailboxId, waiting, ...(pending > 0 && { pending }) });
  }
  return forgotten;
}
