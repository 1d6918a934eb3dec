/**
 * Messages wait under the key of their mailbox, which is its URL and id: where somebody changes either, nobody would ever
 * send what waits under the old one, and nobody would hear of it.
 */
import type { Storage } from '../storage';
import { readMailboxKey } from '../store/store';

/** A mailbox with messages that wait to be sent, and that nobody has open. */
export interface ForgottenMailbox {
  /** Of the environment. */
  url: string;
  mailboxId: string;
  /** Queued, under way or unknown. */
  waiting: number;
}

/** How often each key is open, by storage. */
const open = new WeakMap<Storage, Map<string, number>>();

/** The mailbox is open from now on; gives what closes it, to be called once. */
export function holdOpen(storage: Storage, storeKey: string): () => void {
  const counts = open.get(storage) ?? new Map<string, number>();
  open.set(storage, counts);
  const add = (by: number): unknown => counts.set(storeKey, (counts.get(storeKey) ?? 0) + by);
  add(1);
  return () => add(-1);
}

/**
 * Which mailboxes have messages that wait, and are not open in this process, nor in another that shares the storage. Ask some seconds after those that are wanted
 * have been opened. What a built-in sandbox had is left out: it went with the sandbox.
 */
export async function forgottenMailboxes(storage: Storage): Promise<ForgottenMailbox[]> {
  const forgotten: ForgottenMailbox[] = [];
  for (const key of await storage.store.mailboxes()) {
    const { url, mailboxId } = readMailboxKey(key);
    if ((open.get(storage)?.get(key) ?? 0) > 0 || !URL.canParse(url)) continue;
    const { queued, sending, unknown } = (await storage.store.countOutgoing(key)).messages;
    const waiting = queued + sending + unknown;
    // Nobody's, if its lease can be had: given back at once.
    if (waiting > 0 && (!storage.store.isShared || (await storage.store.lease(key, 'sender', 0))))
      forgotten.push({ url, mailboxId, waiting });
  }
  return forgotten;
}
