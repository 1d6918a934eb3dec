/**
 * Messages wait under the key of their mailbox, which is its URL and id: where somebody changes either, nobody would ever
 * send what waits under the old one, and nobody would hear of it.
 */
import type { State } from './state';
import { readMailboxKey } from './store/store';

/** A mailbox with messages that wait to be sent, and that nobody has open. */
export interface ForgottenMailbox {
  /** Of the environment. */
  url: string;
  mailboxId: string;
  /** Queued, under way or unknown. */
  waiting: number;
}

/** How often each key is open, by state. */
const open = new WeakMap<State, Map<string, number>>();

/** The mailbox is open from now on; gives what closes it, to be called once. */
export function holdOpen(state: State, storeKey: string): () => void {
  const counts = open.get(state) ?? new Map<string, number>();
  open.set(state, counts);
  const add = (by: number): unknown => counts.set(storeKey, (counts.get(storeKey) ?? 0) + by);
  add(1);
  return () => add(-1);
}

/**
 * Which mailboxes have messages that wait, and are not open in this process, nor in another that shares the state. Ask some seconds after those that are wanted
 * have been opened. What a built-in sandbox had is left out: it went with the sandbox.
 */
export async function forgottenMailboxes(state: State): Promise<ForgottenMailbox[]> {
  const forgotten: ForgottenMailbox[] = [];
  for (const key of await state.store.mailboxes()) {
    const { url, mailboxId } = readMailboxKey(key);
    if ((open.get(state)?.get(key) ?? 0) > 0 || !URL.canParse(url)) continue;
    const { queued, sending, unknown } = (await state.store.countOutgoing(key)).messages;
    const waiting = queued + sending + unknown;
    // Nobody's, if its lease can be had: given back at once.
    if (waiting > 0 && (!state.store.isShared || (await state.store.lease(key, 'sender', 0))))
      forgotten.push({ url, mailboxId, waiting });
  }
  return forgotten;
}
