/** Which messages end with their instance of the sandbox, as conditions in SQL that both back ends understand. */
import { NOT_FINAL, sqlList } from '../../message-states';

/** `?` is the instance that lives. */
const OTHER_INSTANCE = 'instance IS NOT NULL AND instance <> ?';

/** Sent messages that are under way or await an acknowledgement. */
export const SENT_TO_OTHER = `${OTHER_INSTANCE} AND (
          state IN ${sqlList(NOT_FINAL)}
          OR (state = 'acknowledged' AND (infrastructure = 'awaited' OR business = 'awaited')))`;

/** Received messages that the flow has not finished with. */
export const RECEIVED_FROM_OTHER = `${OTHER_INSTANCE} AND state <> 'done'`;
