/** Says once which mailboxes have messages waiting that no mesh-config opens any more. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Node, NodeAPI } from 'node-red';
import { forgottenMailboxes, type Storage } from '../../lib/index';
import { testClock } from './test-clock';
import { sharedText } from '../shared/texts';

/** A deploy opens its mailboxes one after the other; by then all of them are open. */
const AFTER_MS = 10_000;

/** What has been told, by storage; and the last look that was asked for. */
const told = new WeakMap<Storage, Set<string>>();
const looks = new WeakMap<Storage, object>();

/** Looks in ten seconds, unless another config is opened meanwhile. Warns in the name of `node`, in log and sidebar. */
export async function reportForgottenMailboxes(RED: NodeAPI, node: Node, storage: Storage): Promise<void> {
  const look = {};
  looks.set(storage, look);
  const { clock } = testClock();
  await (clock ? clock.sleep(AFTER_MS, new AbortController().signal) : delay(AFTER_MS, undefined, { ref: false }));
  if (looks.get(storage) !== look) return;
  const known = told.get(storage) ?? new Set();
  told.set(storage, known);
  for (const { url, mailboxId, waiting } of await forgottenMailboxes(storage)) {
    const key = `${url} ${mailboxId}`;
    if (!known.has(key)) node.warn(sharedText(RED, 'log.forgotten', { waiting, mailboxId, url }));
    known.add(key);
  }
}
