/** The last day of a mailbox in half hours. Only the last two can change, so only they are read again. */
import { systemClock, type Activity, type DurableMailbox } from '../../lib/index';

const SLOT_MS = 30 * 60 * 1000;
const SLOTS = 48;

/** The half hours that are over, by mailbox and by their start. */
const known = new WeakMap<DurableMailbox, Map<number, Activity>>();

/** Returns the half hours, oldest first; the last one is still running. */
export async function dayOf(
  mailbox: DurableMailbox,
): Promise<{ slotMs: number; slots: Array<{ from: string } & Activity> }> {
  const kept = known.get(mailbox) ?? new Map<number, Activity>();
  known.set(mailbox, kept);
  const last = Math.floor(systemClock.now() / SLOT_MS) * SLOT_MS;
  const first = last - (SLOTS - 1) * SLOT_MS;
  for (const from of kept.keys()) if (from < first) kept.delete(from);
  const slots: Array<{ from: string } & Activity> = [];
  for (let from = first; from <= last; from += SLOT_MS) {
    const activity = kept.get(from) ?? (await mailbox.operator.activity({ from, to: from + SLOT_MS }));
    // Another instance may still add to the one before the last.
    if (from < last - SLOT_MS) kept.set(from, activity);
    slots.push({ from: new Date(from).toISOString(), ...activity });
  }
  return { slotMs: SLOT_MS, slots };
}
