/** When a sent message is overdue, as conditions in SQL that both back ends understand. */
import { ENDED_UNCOLLECTED, MAY_BE_OVERDUE, sqlList } from '../../message-states';

/** Nothing of such a message is overdue any more. */
export const NEVER_OVERDUE = `state IN ${sqlList(ENDED_UNCOLLECTED)}`;

/**
 * The limits of a message, and while which condition each one counts. The earliest of those that count is its
 * `overdue_at`.
 */
export const LIMITS = [
  { limit: 'collect_by', counts: `state <> 'acknowledged'` },
  { limit: 'infrastructure_by', counts: `infrastructure = 'awaited'` },
  { limit: 'business_by', counts: `business = 'awaited'` },
  { limit: 'replies_by', counts: 'replies_by IS NOT NULL' },
] as const;

/**
 * A message that is overdue now: what `dueOverdue` has reported stands in its outcomes, or as a `collect_by` that is
 * gone. Word for word the condition of the index `outgoing_is_overdue`: SQLite's planner compares the text.
 */
export const IS_OVERDUE = `state IN ${sqlList(MAY_BE_OVERDUE)} AND (infrastructure = 'overdue' OR business = 'overdue'
    OR replies = 'overdue' OR (state = 'accepted' AND collect_by IS NULL))`;
