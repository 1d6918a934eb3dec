/** The overview of a mailbox, as both back ends read it. */
import { UNFINISHED } from '../../message-states';
import type { Activity, Attention } from '../store';
import type { Row } from './parse';

/**
 * Returns the sums of `activity`, over lines `l` of the ledger and the sent messages `o` that they belong to; `number`
 * is the number of a name in the line's own detail. The time to collection is MESH's, where it has told it: we notice a
 * collection when tracking asks, which may be hours later.
 */
export const activitySums = (number: (name: string) => string): string => {
  const accepted = `l.direction = 'out' AND l.event IN ('accepted', 'adopted')`;
  const spooled = `l.direction = 'in' AND l.event = 'spooled'`;
  const collected = `l.direction = 'out' AND l.event = 'acknowledged' AND o.accepted_at IS NOT NULL`;
  const latency = `CASE WHEN ${collected} THEN coalesce(${number('collectedAfterMs')}, l.time - o.accepted_at) END`;
  return `count(CASE WHEN ${accepted} THEN 1 END) AS sent, sum(CASE WHEN ${accepted} THEN o.size END) AS sent_bytes,
    count(CASE WHEN ${spooled} THEN 1 END) AS received, sum(CASE WHEN ${spooled} THEN ${number('bytes')} END) AS received_bytes,
    count(${latency}) AS collected, sum(${latency}) AS total_ms, max(${latency}) AS longest_ms`;
};

export function activityOf(row: Row | undefined): Activity {
  const number = (column: string): number => Number(row?.[column] ?? 0);
  return {
    sent: { messages: number('sent'), bytes: number('sent_bytes') },
    received: { messages: number('received'), bytes: number('received_bytes') },
    // A clock that was set back between the two does not make the time negative.
    collected: {
      messages: number('collected'),
      totalMs: Math.max(0, number('total_ms')),
      longestMs: Math.max(0, number('longest_ms')),
    },
  };
}

/** Returns the counts of `attention`: each received state that is not final, and what is overdue. */
export function attentionOf(count: (what: keyof Attention) => number): Attention {
  const received = UNFINISHED.map((state) => [state, count(state)] as const);
  return { overdue: count('overdue'), ...(Object.fromEntries(received) as Omit<Attention, 'overdue'>) };
}
