/**
 * What becomes of a message after its POST: found again if the answer was lost, tracked until it is collected or is not,
 * overdue if nobody collects it. Decisions only; follower.ts acts on them.
 */
import { MAX_CLOCK_SKEW_MS } from '../protocol/authorization';
import type { Outgoing, OutgoingChange, StoredError } from '../store/store';
import type { Tracking } from '../types';
import { limitsFrom } from './deadlines';
import type { Envelope } from './outbox-types';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * When MESH is asked whether it has a message whose answer was lost, after the first time: its tracking lags by minutes.
 * Together 40 minutes; then a person has to decide.
 */
const LOOKUPS_MS = [1, 2, 3, 4, 10, 20].map((minutes) => minutes * MINUTE);
export const FIRST_LOOKUP_MS = LOOKUPS_MS[0] ?? MINUTE;
const FIRST_TRACK_MS = 5 * MINUTE;
const LONGEST_TRACK_MS = 6 * HOUR;
/** MESH deletes a message after 30 days; its tracking ends with it. */
const TRACKED_FOR_MS = 31 * DAY;
/** Clocks differ, and MESH writes seconds only. */
const CLOCK_TOLERANCE_MS = 5 * MINUTE;
/** MESH could not be asked, or did not say: again after this. */
export const ASK_AGAIN_MS = 5 * MINUTE;

/** The change of a message that MESH has accepted. */
export function acceptedChange(row: Outgoing, messageId: string, now: number): OutgoingChange {
  return {
    state: 'accepted',
    messageId,
    chunksSent: row.plan?.totalChunks ?? 1,
    acceptedAt: now,
    nextAttemptAt: 0,
    nextTrackAt: now + FIRST_TRACK_MS,
    tracked: 0,
    ...limitsFrom(row, now),
    error: null,
  };
}

/**
 * Whether what MESH found by the local id is this message: workflow, recipient, file name, and uploaded after our attempt.
 * What MESH does not say is not held against it.
 */
export function isSameMessage(row: Outgoing, found: Tracking): boolean {
  const sent = row.envelope as unknown as Envelope;
  const uploaded = found.uploadTimestamp === undefined ? Number.NaN : Date.parse(found.uploadTimestamp);
  const agrees = (wanted: string | undefined, got: string | undefined): boolean =>
    got === undefined || wanted === undefined || wanted === '' || wanted.toUpperCase() === got.toUpperCase();
  // An id that we have generated names no other message: then the clocks may differ as far as MESH lets us in at all.
  const tolerance = row.localId === row.id ? MAX_CLOCK_SKEW_MS : CLOCK_TOLERANCE_MS;
  return (
    agrees(row.workflowId, found.workflowId) &&
    // A routing address is resolved by MESH to a mailbox that we do not know.
    (sent.to.includes('_') || agrees(sent.to, found.recipient)) &&
    agrees(sent.fileName, found.fileName) &&
    !(uploaded < (row.firstAttemptAt ?? 0) - tolerance)
  );
}

/**
 * Whether what MESH says of the message id that it gave is about another message of ours: then that id came with an answer that
 * was not for this one (a proxy that keeps answers), and nothing of it settles this one. It becomes overdue.
 */
export function isAnother(row: Outgoing, found: Tracking): boolean {
  if (!row.localIdIsUnique || found.localId === undefined) return false;
  return found.localId.toUpperCase() !== row.localId.toUpperCase();
}

/** When to look again for a message that MESH does not know (yet); undefined: often enough, it is held. */
export function nextLookup(row: Outgoing, now: number): number | undefined {
  const wait = LOOKUPS_MS[row.tracked + 1];
  return wait === undefined ? undefined : now + wait;
}

/** What becomes of an accepted message that has no end yet: tracked again, the longer it waits the seldomer. */
export function notYet(row: Outgoing, now: number): { event?: string; change: OutgoingChange } {
  const age = now - (row.acceptedAt ?? now);
  if (age <= TRACKED_FOR_MS) {
    const wait = Math.min(LONGEST_TRACK_MS, Math.max(FIRST_TRACK_MS, age));
    return { change: { nextTrackAt: now + wait, tracked: row.tracked + 1 } };
  }
  const error: StoredError = {
    code: 'MESH_NO_OUTCOME',
    message:
      'MESH accepted the message, and in 31 days never said whether it was collected. MESH has deleted it by now.',
    advice: 'Ask the recipient; if it never arrived, resend it.',
  };
  const change: OutgoingChange = { state: 'closed', error, settledAt: now, nextTrackAt: null, collectBy: null };
  return { event: 'no outcome', change };
}

/** What tracking says of a message: its end, or undefined while there is none. */
export function trackedEnd(found: Tracking, now: number): { event: string; change: OutgoingChange } | undefined {
  const settled = { settledAt: now, nextTrackAt: null, collectBy: null };
  if (found.status === 'acknowledged') return { event: 'acknowledged', change: { state: 'acknowledged', ...settled } };
  if (found.status !== 'undeliverable' && found.status !== 'error') return undefined;
  return {
    event: 'undelivered',
    change: {
      state: 'undelivered',
      error: undeliveredError(found.statusCode, found.statusEvent, found.statusDescription),
      ...settled,
    },
  };
}

/** The error of a message that did not arrive, with MESH's own code if it gave one. */
export function undeliveredError(
  meshCode: string | undefined,
  event: string | undefined,
  description: string | undefined,
  advice = 'Ring the recipient, then resend it, or ask the national service desk to place it in their inbox again.',
): StoredError {
  return {
    code: 'MESH_UNDELIVERED',
    message: `The message did not arrive${meshCode ? ` (MESH code ${meshCode})` : ''}.`,
    advice,
    ...(meshCode ? { meshCode } : {}),
    ...(event ? { event } : {}),
    ...(description ? { description } : {}),
  };
}
