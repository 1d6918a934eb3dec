/** Warns about mailboxes with queued messages that no mesh-config opens any more. */
import type { Node, NodeAPI } from 'node-red';
import {
  findForgottenMailboxes,
  systemClock,
  type Condition,
  type ForgottenMailbox,
  type Storage,
} from '../../lib/index';
import { keptStorage } from '../mailbox/storage-place';
import { sharedText } from '../shared/texts';

/** A deploy opens its mailboxes one after the other; after this time all are open. */
const AFTER_MS = 10_000;

/** When a mesh-config was made or closed last (milliseconds of the steady clock). */
let changedAt = performance.now();

/** Notes that a mesh-config was made or has closed: its mailbox may be about to open. */
export function mailboxesChanged(): void {
  changedAt = performance.now();
}

/**
 * Returns the mailboxes for which messages wait in the storage although no mesh-config opens them; none within ten
 * seconds of a deploy, when they may be about to open.
 */
export async function forgottenMailboxes(RED: NodeAPI): Promise<ForgottenMailbox[]> {
  if (performance.now() - changedAt < AFTER_MS) return [];
  // A storage that cannot be opened is reported by the mailboxes.
  const storage = await keptStorage(RED).catch(() => undefined);
  return storage === undefined ? [] : findForgottenMailboxes(storage);
}

/** Returns the condition of such a mailbox. */
export function forgottenCondition({ url, mailboxId, waiting, pending = 0 }: ForgottenMailbox): Condition {
  return {
    kind: 'forgotten',
    stage: 'some',
    severity: 'critical',
    text: `No mesh-config opens mailbox ${mailboxId} at ${url}: ${waiting} messages to send and ${pending} received ones wait.`,
    advice:
      'Its URL or id was changed, or its mesh-config was removed, is disabled or is not used: add one that opens it, and ' +
      'deploy.',
    count: waiting + pending,
  };
}

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
    if (waiting === 0) continue;
    const key = `${url} ${mailboxId}`;
    if (!known.has(key)) node.warn(sharedText(RED, 'log.forgotten', { waiting, mailboxId, url }));
    known.add(key);
  }
}
