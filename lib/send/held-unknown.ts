/** Messages of which nobody knows whether they were sent. */
import type { Store } from '../store/store';

/** Of what is unknown, how many a person has to decide about: the rest is being looked for. Counted up to 1,000. */
export async function heldUnknown(store: Store, mailbox: string): Promise<number> {
  const unknown = await store.listOutgoing({ mailbox, states: ['unknown'] }, { limit: 1000 });
  return unknown.filter(({ nextTrackAt }) => nextTrackAt === null).length;
}
