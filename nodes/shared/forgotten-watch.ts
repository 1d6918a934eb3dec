/** Says once which mailboxes have messages waiting that no mesh-config opens any more. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Node, NodeAPI } from 'node-red';
import { forgottenMailboxes, type State } from '../../lib/index';
import { testClock } from './test-clock';
import { sharedText } from './texts';

/** A deploy opens its mailboxes one after the other; by then all of them are open. */
const AFTER_MS = 10_000;

/** What has been told, by state; and the last look that was asked for. */
const told = new WeakMap<State, Set<string>>();
const looks = new WeakMap<State, object>();

/** Looks in ten seconds, unless another config is opened meanwhile. Warns in the name of `node`, in log and sidebar. */
export async function lookForForgotten(RED: NodeAPI, node: Node, state: State): Promise<void> {
  const look = {};
  looks.set(state, look);
  const { clock } = testClock();
  await (clock ? clock.sleep(AFTER_MS, new AbortController().signal) : delay(AFTER_MS, undefined, { ref: false }));
  if (looks.get(state) !== look) return;
  const known = told.get(state) ?? new Set();
  told.set(state, known);
  for (const { url, mailboxId, waiting } of await forgottenMailboxes(state)) {
    const key = `${url} ${mailboxId}`;
    if (!known.has(key)) node.warn(sharedText(RED, 'log.forgotten', { waiting, mailboxId, url }));
    known.add(key);
  }
}
