/** The last day of a mailbox in half hours. What is over does not change: only the last two are asked for again. */
import type { Activity, DurableMailbox } from '../../lib/index';

const SLOT_MS = 30 * 60 * 1000;
const SLOTS = 48;

/** By mailbox, then by the start of the half hour. */
const known = new WeakMap<DurableMailbox, Map<number, Activity>>();

/** Half hours, the oldest first; the last one is under way. */
export async function dayOf(
  mailbox: DurableMailbox,
): Promise<{ slotMs: number; slots: Array<{ from: string } & Activity> }> {
  const kept = known.get(mailbox) ?? new Map<number, Activity>();
  known.set(mailbox, kept);
  const last = Math.floor(Date.now() / SLOT_MS) * SLOT_MS;
  const first = last - (SLOTS - 1) * SLOT_MS;
  for (const from of kept.keys()) if (from < first) kept.delete(from);
  const slots: Array<{ from: string } & Activity> = [];
  for (let from = first; from <= last; from += SLOT_MS) {
    const activity = kept.get(from) ?? (await mailbox.operator.activity({ from, to: from + SLOT_MS }));
    // The one before the last may still get a line of another instance's.
    if (from < last - SLOT_MS) kept.set(from, activity);
    slots.push({ from: new Date(from).toISOString(), ...activity });
  }
  return { slotMs: SLOT_MS, slots };
}
