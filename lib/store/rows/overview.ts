/** What both back ends say alike of a mailbox at a glance. */
import type { Activity, Attention } from '../overview';
import type { Row } from './parse';

/** Of a message that is overdue, word for word as its index has it: the planner compares the text. */
export const IS_OVERDUE = `state IN ('accepted', 'acknowledged') AND (infrastructure = 'overdue' OR business = 'overdue'
    OR (state = 'accepted' AND collect_by IS NULL))`;

/** Received states that are counted. */
export const ATTENTION_STATES = ['spooled', 'acknowledged', 'delivered', 'parked'] as const;

/** The sums of `activity`, over lines `l` and the sent messages `o` that they belong to; `bytes` is the line's own number. */
export const activitySums = (bytes: string): string => {
  const accepted = `l.direction = 'out' AND l.event IN ('accepted', 'adopted')`;
  const spooled = `l.direction = 'in' AND l.event = 'spooled'`;
  const collected = `l.direction = 'out' AND l.event = 'acknowledged' AND o.accepted_at IS NOT NULL`;
  const latency = `CASE WHEN ${collected} THEN l.time - o.accepted_at END`;
  return `count(CASE WHEN ${accepted} THEN 1 END) AS sent, sum(CASE WHEN ${accepted} THEN o.size END) AS sent_bytes,
    count(CASE WHEN ${spooled} THEN 1 END) AS received, sum(CASE WHEN ${spooled} THEN ${bytes} END) AS received_bytes,
    count(${latency}) AS collected, sum(${latency}) AS total_ms, max(${latency}) AS longest_ms`;
};

export function activityOf(row: Row | undefined): Activity {
  const number = (column: string): number => Number(row?.[column] ?? 0);
  return {
    sent: { messages: number('sent'), bytes: number('sent_bytes') },
    received: { messages: number('received'), bytes: number('received_bytes') },
    // A clock that was set back between the two makes no negative time.
    collected: {
      messages: number('collected'),
      totalMs: Math.max(0, number('total_ms')),
      longestMs: Math.max(0, number('longest_ms')),
    },
  };
}

export const NO_ATTENTION: Attention = { overdue: 0, spooled: 0, acknowledged: 0, delivered: 0, parked: 0 };
