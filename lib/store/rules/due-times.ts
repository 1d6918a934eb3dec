/**
 * Stored due times are wall times. One that lies further ahead than anything that is planned was written before the
 * wall clock was set back, and counts as due: otherwise the message would wait until the clock reached its old time.
 */

const HOUR_MS = 60 * 60 * 1000;

/** The furthest ahead that the next attempt of a queued message is planned (milliseconds). */
export const LONGEST_SEND_WAIT_MS = HOUR_MS;
/** The furthest ahead that a message is looked up or tracked next (milliseconds). */
export const LONGEST_TRACK_WAIT_MS = 6 * HOUR_MS;
