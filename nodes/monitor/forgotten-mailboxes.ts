/** Warns about mailboxes with queued messages that no mesh-config opens any more. */
import type { Node, NodeAPI } from 'node-red';
import { findForgottenMailboxes, systemClock, type Storage } from '../../lib/index';
import { sharedText } from '../shared/texts';

/** A deploy opens its mailboxes one after the other; after this time all are open. */
const AFTER_MS = 10_000;

/** Mailboxes that a warning has named, by storage. */
const reported = new WeakMap<Storage, Set<string>>();
/** The last check that was requested, by storage. */
const latest = new WeakMap<Storage, object>();
const NEVER = new AbortController().signal;

/** Checks after ten seconds, unless another mailbox opens meanwhile. Warns once for each mailbox, as `node`. */
export async function reportForgottenMailboxes(RED: NodeAPI, node: Node, storage: Storage): Promise<void> {
  const check = {};
  latest.set(storage, check);
  await systemClock.sleep(AFTER_MS, NEVER);
  if (latest.get(storage) !== check) return;
  const known = reported.get(storage) ?? new Set();
  reported.set(storage, known);
  for (const { url, mailboxId, waiting } of await findForgottenMailboxes(storage)) {
    const key = `${url} ${mailboxId}`;
    if (!known.has(key)) node.warn(sharedText(RED, 'log.forgotten', { waiting, mailboxId, url }));
    known.add(key);
  }
}
