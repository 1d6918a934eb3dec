/**
 * What the triggers on `outgoing` keep true, as SQL that both back ends understand; OLD and NEW are the changed row.
 */
import { PENDING, sqlList } from '../../message-states';

/** The states that hold up strict order. */
export const PENDING_LIST = sqlList(PENDING);

/** Bytes of the row of this name that count towards the outbox's limit: a user's own file does not. */
export const countedBytes = (row: string): string =>
  `CASE WHEN ${row}.payload_kind IN ('inline', 'spool') THEN ${row}.size ELSE 0 END`;

/**
 * Two statements that set `blocked` in the lane of a message that has become pending: a strict message may go only when
 * it is the first pending one of its lane, and `blocked` says so ahead of the question. `orderOf` returns the order of
 * messages as the indexes have it, of the table with this alias and a dot.
 */
export const blockLater = (orderOf: (table?: string) => string): string => `
    UPDATE outgoing SET blocked = 1
      WHERE seq = NEW.seq AND strict_order = 1 AND EXISTS (
        SELECT 1 FROM outgoing AS earlier WHERE earlier.mailbox = NEW.mailbox AND earlier.lane = NEW.lane
          AND earlier.state IN ${PENDING_LIST} AND ${orderOf('earlier.')} < NEW.seq);
    UPDATE outgoing SET blocked = 1
      WHERE mailbox = NEW.mailbox AND lane = NEW.lane AND state IN ${PENDING_LIST} AND ${orderOf()} > NEW.seq
        AND strict_order = 1 AND blocked = 0;`;
