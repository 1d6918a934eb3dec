/** What the retention removes, as expressions in SQL that both back ends understand, and the slices it works in. */
import { ENDED_UNCOLLECTED, FINAL, sqlList } from '../../message-states';
import type { MaintenanceStore } from '../roles/maintenance-store';

/** A payload that may have to be resent is kept at least this long, whatever the setting says. */
export const MIN_UNSETTLED_MS = 30 * 24 * 60 * 60 * 1000;

/** Whose payload may go: after Retention.settledPayloadMs (1), after unsettledPayloadMs (2), not at all (NULL). */
export const PAYLOAD_RULE = `CASE
        WHEN payload_kind IS NULL THEN NULL
        WHEN settled_at IS NULL OR state NOT IN ${sqlList(FINAL)} THEN NULL
        WHEN business = 'positive' AND replies IN ('not-asked', 'positive') THEN 1
        WHEN state <> 'acknowledged' THEN 2
        WHEN replies = 'awaited' THEN NULL
        WHEN replies IN ('partial', 'negative', 'overdue') THEN 2
        WHEN business IN ('partial', 'negative', 'overdue') THEN 2
        WHEN infrastructure IN ('partial', 'negative', 'overdue') AND business = 'not-asked' THEN 2
        WHEN infrastructure IN ('not-asked', 'positive') AND business = 'not-asked' THEN 1
      END`;

/** The time that a payload's rule counts from. */
export const PAYLOAD_SINCE = 'coalesce(settled_at, first_attempt_at, queued_at)';

/**
 * The time since which the row of a sent message has had no use: settled, its payload gone, nothing awaited. Else NULL.
 */
export const ROW_SINCE = `CASE WHEN payload_kind IS NULL AND (
        state IN ${sqlList(ENDED_UNCOLLECTED)}
        OR (state = 'acknowledged' AND infrastructure <> 'awaited' AND business <> 'awaited' AND replies <> 'awaited')
      ) THEN settled_at END`;

/** A received message whose payload may go after Retention.settledPayloadMs, counted from `settled_at`. */
export const RECEIVED_PAYLOAD_DUE = `state = 'done' AND payload_kind IS NOT NULL AND settled_at IS NOT NULL`;
/** A received message whose row may go after Retention.rowsMs, counted from `settled_at`. */
export const RECEIVED_ROW_DUE = `state = 'done' AND payload_kind IS NULL AND settled_at IS NOT NULL`;

/** A received message that is parked, with its payload: the retention never removes it. */
export const PARKED_PAYLOAD = `state = 'parked' AND payload_kind IS NOT NULL`;

/** What one slice of a purge has removed. */
export interface PurgedSlice {
  /** Names that no row names any more. */
  spoolNames: string[];
  rows: number;
  ledgerEntries: number;
  /** There is more to remove. */
  more: boolean;
}

/** Purges slice by slice, so that operations which come in between are served in between. */
export async function purgeAll(slice: () => Promise<PurgedSlice>): ReturnType<MaintenanceStore['purge']> {
  const spoolNames = new Set<string>();
  let rows = 0;
  let ledgerEntries = 0;
  for (let more = true; more;) {
    const purged = await slice();
    purged.spoolNames.forEach((name) => spoolNames.add(name));
    rows += purged.rows;
    ledgerEntries += purged.ledgerEntries;
    more = purged.more;
  }
  return { spoolNames: [...spoolNames], rows, ledgerEntries };
}
