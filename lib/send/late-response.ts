/**
 * MESH's answer to an instance that was paused for so long that others have judged its message. MESH has no fencing, so this
 * can only be noticed: what others did not know is recorded, and what was sent twice is told.
 */
import type { Outgoing, OutgoingState, Store } from '../store/store';
import type { Ending } from './attempt';

/** Nothing has become of it elsewhere that the answer would contradict. */
const OPEN: readonly OutgoingState[] = ['queued', 'unknown', 'parked'];

/**
 * Records an answer that comes late. Gives what is to be told: `accepted` where nobody knew, `duplicate` where MESH has
 * accepted it under another id as well, or it was given up or sent again meanwhile; undefined where nothing is new.
 */
export async function settleLate(
  store: Store,
  row: Outgoing,
  { change, detail }: Ending,
  now: number,
): Promise<{ event: string; row: Outgoing } | undefined> {
  const { messageId } = change;
  if (change.state !== 'accepted' || typeof messageId !== 'string') return undefined;
  const present = await store.getOutgoing(row.id);
  // Gone with its retention; or it is the same, e.g. found at MESH by its local id.
  if (!present || present.messageId === messageId) return undefined;
  if (present.messageId === null && OPEN.includes(present.state)) {
    const note = { event: 'accepted', time: now, ...(detail ? { detail } : {}) };
    const accepted = await store.changeOutgoing(row.id, OPEN, change, note);
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
