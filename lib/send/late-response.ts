/**
 * MESH's response to an instance that was paused for so long that another instance has recovered its message. MESH has
 * no fencing, so this can only be noticed: what the other instance did not know is recorded, and a message that was
 * sent twice is reported.
 */
import { UNSENT } from '../message-states';
import type { LedgerStore, Outgoing, OutgoingStore } from '../store/store';
import type { Ending } from './attempt';

/**
 * Records a late response. Returns the event to report: `accepted` where the outcome was open; `duplicate` where MESH
 * has also accepted the message under another id, or where it was dropped or sent again meanwhile; undefined where
 * nothing is new.
 */
export async function settleLate(
  store: OutgoingStore & LedgerStore,
  row: Outgoing,
  { change, detail }: Ending,
  now: number,
): Promise<{ event: string; row: Outgoing } | undefined> {
  const { messageId } = change;
  if (change.state !== 'accepted' || typeof messageId !== 'string') return undefined;
  const present = await store.getOutgoing(row.id);
  // The row is past its retention, or has the same id already, e.g. found at MESH by the local id.
  if (!present || present.messageId === messageId) return undefined;
  if (present.messageId === null && UNSENT.includes(present.state)) {
    const note = { event: 'accepted', time: now, ...(detail ? { detail } : {}) };
    const accepted = await store.changeOutgoing(row.id, UNSENT, change, note);
    if (accepted) return { event: 'accepted', row: accepted };
    return settleLate(store, row, { change, event: 'accepted', ...(detail ? { detail } : {}) }, now);
  }
  const event = 'duplicate';
  await store.note({
    time: now,
    mailbox: row.mailbox,
    direction: 'out',
    reference: row.id,
    messageId,
    event,
    detail: { accepted: messageId, before: present.messageId, state: present.state },
  });
  return { event, row: present };
}
