/**
 * Messages that the store has forgotten and the send marks remember: its write-ahead log was lost, or a backup is in
 * its place. Nothing of them is sent: one that MESH has accepted is settled if its row is still there, and every other
 * one needs a decision, or is looked up at MESH first.
 */
import type { Clock } from '../clock';
import { PENDING } from '../message-states';
import { STORE_BEHIND } from '../store/rules/condition-events';
import type { KnownChange, NewOutgoing, Outgoing, Store, StoredError } from '../store/store';
import { unknown } from './attempt';
import { acceptedChange } from './follow-up';
import type { Comparison, Forgotten, Mark } from './send-marks';

interface ForgottenParts {
  store: Store;
  mailbox: string;
  instance: string | null;
  clock: Clock;
}

const PAGE = 100;

/**
 * Records what the marks know, before anything is sent. Returns the messages that changed, each with its event.
 * @throws what the store throws: then it is done again at the next start
 */
export async function recordForgotten(
  parts: ForgottenParts,
  { isStoreBehind, forgotten, isMoreForgotten }: Comparison,
): Promise<Array<{ event: string; row: Outgoing }>> {
  if (!isStoreBehind) return [];
  const { store, mailbox, clock } = parts;
  const changed: Array<{ event: string; row: Outgoing }> = [];
  for (const one of forgotten) {
    const found = one.row ? await settle(parts, one.row, one.mark) : await addLost(parts, one);
    if (found) changed.push(found);
  }
  // More attempts were forgotten than there are marks: any message that is queued may be among them.
  for (let after = '', more = isMoreForgotten; more;) {
    const rows = await store.listOutgoing({ mailbox, states: ['queued'] }, { limit: PAGE, after });
    more = rows.length === PAGE;
    after = rows.at(-1)?.id ?? after;
    for (const row of rows) {
      const { change, event } = unknown(row, PERHAPS_SENT, clock.now());
      const note = { event, time: clock.now(), detail: { forgotten: true } };
      const firstAttemptAt = row.firstAttemptAt ?? row.queuedAt;
      const now = await store.changeOutgoing(row.id, ['queued'], { ...change, firstAttemptAt }, note);
      if (now) changed.push({ event, row: now });
    }
  }
  const detail = { messages: changed.length, more: isMoreForgotten };
  const line = { direction: 'out', reference: 'store', messageId: null, event: STORE_BEHIND, detail } as const;
  await store.note({ ...line, time: clock.now(), mailbox });
  return changed;
}

/** Settles a message whose row is from before an attempt that was made. */
async function settle(
  { store, clock }: ForgottenParts,
  row: Outgoing,
  { is, attempt, messageId, at }: Mark,
): Promise<{ event: string; row: Outgoing } | undefined> {
  // MESH does not have it: it may go out, as the row says.
  if (is === 'free') return undefined;
  const { change, event } =
    is === 'accepted' && messageId !== undefined
      ? { change: acceptedChange(row, messageId, at), event: 'accepted' }
      : unknown(row, BEGUN, clock.now());
  const attempted = { ...change, attempts: attempt, firstAttemptAt: row.firstAttemptAt ?? at };
  const note = { event, time: clock.now(), detail: { forgotten: true, ...(messageId && { messageId }) } };
  const now = await store.changeOutgoing(row.id, PENDING, attempted, note);
  return now && { event, row: now };
}

/** Adds a row for a message that the store has lost, so that a person sees it. */
async function addLost(
  { store, mailbox, instance, clock }: ForgottenParts,
  { mark }: Forgotten,
): Promise<{ event: string; row: Outgoing } | undefined> {
  const { id, attempt, messageId = null, at } = mark;
  const message: Omit<NewOutgoing, 'payload'> = {
    id,
    mailbox,
    instance,
    onceKey: null,
    onceDigest: null,
    lane: 'forgotten',
    strictOrder: false,
    // Its own may have been another one: MESH is not asked by it.
    localId: id,
    localIdIsUnique: false,
    workflowId: '',
    envelope: { to: '', workflowId: '', localId: id, contentType: '' },
    size: 0,
    queuedAt: at,
    resendOf: null,
    acknowledgementReference: null,
  };
  const change: KnownChange = {
    state: 'unknown',
    attempts: attempt,
    firstAttemptAt: at,
    messageId,
    nextTrackAt: null,
    error: lostError(mark),
  };
  const event = 'held';
  const row = await store.addWithoutPayload(message, change, { event, time: clock.now(), detail: { forgotten: true } });
  return row && { event, row };
}

const CODE = 'MESH_FORGOTTEN';

const BEGUN: StoredError = {
  code: CODE,
  message: 'The store has lost its last changes. The message was being sent then.',
};
const PERHAPS_SENT: StoredError = {
  code: CODE,
  message: 'The store has lost its last changes, or a backup is in its place. The message may have been sent since.',
};

function lostError({ is, messageId, at }: Mark): StoredError {
  const lost = 'The store has lost this message together with its last changes.';
  const when = new Date(at).toISOString();
  if (is === 'accepted') {
    return {
      code: CODE,
      message: `${lost} MESH had accepted it as ${messageId} (${when}).`,
      advice: 'The recipient has it or can collect it: ask MESH or the recipient by its id. Then drop it here.',
    };
  }
  const advice = 'Send it again from where it came from, if the recipient does not have it. Then drop it here.';
  const message = is === 'free' ? `${lost} MESH did not have it (${when}).` : `${lost} It was being sent (${when}).`;
  return { code: CODE, message, advice };
}
