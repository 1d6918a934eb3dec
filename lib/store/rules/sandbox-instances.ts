/** Which messages end with their instance of the sandbox, as conditions in SQL that both back ends understand. */
import { NOT_FINAL, sqlList } from '../../message-states';

/**
 * Messages sent to an instance of the sandbox that are under way or await an acknowledgement. Word for word the
 * condition of the index `outgoing_instance`: SQLite's planner compares the text.
 */
export const SENT_IN_SANDBOX = `instance IS NOT NULL AND (
          state IN ${sqlList(NOT_FINAL)}
          OR (state = 'acknowledged' AND (infrastructure = 'awaited' OR business = 'awaited' OR replies = 'awaited')))`;
/** Those of other instances than `?`, which is the one that lives. */
export const SENT_TO_OTHER = `${SENT_IN_SANDBOX} AND instance <> ?`;

/**
 * Messages received from an instance of the sandbox that the flow has not finished with. Word for word the condition of
 * the index `incoming_instance`.
 */
export const RECEIVED_IN_SANDBOX = `instance IS NOT NULL AND state <> 'done'`;
/** Those of other instances than `?`. */
export const RECEIVED_FROM_OTHER = `${RECEIVED_IN_SANDBOX} AND instance <> ?`;
