/**
 * The events of the ledger that are shown as a condition for a day after they happened (lib/monitor/health.ts): it is
 * read for them when a mailbox is opened, so that a restart or a deploy hides none.
 */

/** MESH offered a message again after our acknowledgement; `different` in its detail: another one under its id. */
export const OFFERED_AGAIN = 'offered again';
/** The send marks knew of messages that the store had forgotten: so many in its detail. */
export const STORE_BEHIND = 'store behind';

/** Condition in SQL that a line of the ledger is such an event. */
export const IS_CONDITION_EVENT = `event IN ('${OFFERED_AGAIN}', '${STORE_BEHIND}')`;

/** Lines that are read at most. */
export const CONDITION_EVENTS = 1000;
