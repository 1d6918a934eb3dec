/**
 * Stored due times are wall times. One that lies further ahead than the schedule of its state ever plans was written
 * before the wall clock was set back, and counts as due: otherwise the message would wait until the clock reached its
 * old time. Each schedule has a limit of its own: a short wait must not become as long as the longest one of another.
 */
import type { OutgoingState } from '../../message-states';

const MINUTE_MS = 60 * 1000;
const HOUR_MS = 60 * MINUTE_MS;

/** The furthest ahead that the next attempt of a queued message is planned: a poison message is set aside (ms). */
export const LONGEST_SEND_WAIT_MS = 20 * MINUTE_MS;
/** The furthest ahead that an unknown message is looked up next (milliseconds). */
export const LONGEST_LOOKUP_WAIT_MS = 20 * MINUTE_MS;
/** The furthest ahead that an accepted message is tracked next (milliseconds). */
export const LONGEST_TRACK_WAIT_MS = 6 * HOUR_MS;

/** A time server sets a clock back by less than this; it makes nothing due before its time (milliseconds). */
const TOLERANCE_MS = MINUTE_MS;

/** Returns the time behind which no attempt is planned at `now` (milliseconds since 1970). */
export const furthestAttempt = (now: number): number => now + LONGEST_SEND_WAIT_MS + TOLERANCE_MS;

/** Returns the time behind which MESH is planned to be asked about no message of this state at `now`. */
export const furthestTracking = (state: OutgoingState, now: number): number =>
  now + (state === 'unknown' ? LONGEST_LOOKUP_WAIT_MS : LONGEST_TRACK_WAIT_MS) + TOLERANCE_MS;

/** Whether it is time to ask MESH about a message. */
export function isTrackingDue(row: { state: OutgoingState; nextTrackAt: number | null }, now: number): boolean {
  const { state, nextTrackAt } = row;
  return nextTrackAt !== null && (nextTrackAt <= now || nextTrackAt > furthestTracking(state, now));
}
