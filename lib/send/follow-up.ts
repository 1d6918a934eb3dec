/**
 * What happens to a message after its POST: it is looked up if MESH's response was lost, tracked until it is collected
 * or undelivered, and overdue if it is not collected. This file only decides; follower.ts acts.
 */
import { printable } from '../errors';
import { MAX_CLOCK_SKEW_MS } from '../protocol/authorization';
import { LONGEST_LOOKUP_WAIT_MS, LONGEST_TRACK_WAIT_MS } from '../store/rules/due-times';
import type { KnownChange, NewOutgoing, Outcome, Outgoing, OutgoingChange, StoredError } from '../store/store';
import type { Tracking } from '../types';
import { limitsFrom } from './deadlines';
import type { Envelope } from './outbox-types';
import { withoutPassed } from './reply-stages';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/**
 * Waits before each look-up of a message whose response was lost, because MESH's tracking lags by minutes. 40 minutes
 * in all; after that the message needs a decision. The last wait is the longest one.
 */
const LOOKUPS_MS = [MINUTE, 2 * MINUTE, 3 * MINUTE, 4 * MINUTE, 10 * MINUTE, LONGEST_LOOKUP_WAIT_MS];
export const FIRST_LOOKUP_MS = LOOKUPS_MS[0] ?? MINUTE;
const FIRST_TRACK_MS = 5 * MINUTE;
/** Over how long the first look-ups of messages that another client sent are spread (milliseconds). */
const SPREAD_MS = LONGEST_TRACK_WAIT_MS - FIRST_TRACK_MS;
/** MESH deletes a message after 30 days; its tracking ends with it. */
const TRACKED_FOR_MS = 31 * DAY;
/** Clocks differ, and MESH's timestamps have seconds only. */
const CLOCK_TOLERANCE_MS = 5 * MINUTE;
/** The wait after a request that failed. */
export const ASK_AGAIN_MS = 5 * MINUTE;

/** Returns the change of a message that MESH accepted at `now`. */
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
 * Returns the row and the change of a message that another client sent and MESH accepted at `sentAt`. Limits that have
 * passed are not counted; what they are for still settles when it comes. The first look-ups of many are spread over six
 * hours, by the digits of the id, since MESH asks not to be asked often.
 */
export function acceptedElsewhere(
  message: Omit<NewOutgoing, 'payload'>,
  messageId: string,
  sentAt: number,
  now: number,
): { message: Omit<NewOutgoing, 'payload'>; change: KnownChange } {
  const { infrastructure = 'not-asked', business = 'not-asked', envelope } = message;
  const replies = message.stages ? withoutPassed(message.stages, sentAt, now) : undefined;
  const limits = limitsFrom({ envelope, infrastructure, business, stages: replies?.stages ?? null }, sentAt);
  const open = (limit: number | null): number | null => (limit === null || limit <= now ? null : limit);
  const outcome = (by: number | null, asked: Outcome): Outcome => (open(by) === null ? 'not-asked' : asked);
  const spread = (Number.parseInt(message.id.slice(0, 8), 16) / 2 ** 32) * SPREAD_MS;
  return {
    message: {
      ...message,
      infrastructure: outcome(limits.infrastructureBy, infrastructure),
      business: outcome(limits.businessBy, business),
      collectBy: open(limits.collectBy),
      infrastructureBy: open(limits.infrastructureBy),
      businessBy: open(limits.businessBy),
      ...replies,
    },
    change: {
      state: 'accepted',
      messageId,
      attempts: 1,
      firstAttemptAt: sentAt,
      acceptedAt: sentAt,
      nextTrackAt: now + FIRST_TRACK_MS + Math.floor(spread),
      repliesBy: open(limits.repliesBy),
    },
  };
}

/**
 * Whether the message that MESH found by the local id is this one: workflow, recipient and file name agree, and it was
 * uploaded after our attempt. A field that MESH leaves out counts as agreeing.
 */
export function isSameMessage(row: Outgoing, found: Tracking): boolean {
  const sent = row.envelope as unknown as Envelope;
  const uploaded = found.uploadTimestamp === undefined ? Number.NaN : Date.parse(found.uploadTimestamp);
  const agrees = (wanted: string | undefined, got: string | undefined): boolean =>
    got === undefined || wanted === undefined || wanted === '' || wanted.toUpperCase() === got.toUpperCase();
  // A local id that we generated names no other message, so the clocks may differ as far as MESH's authorization
  // allows.
  const tolerance = row.localId === row.id ? MAX_CLOCK_SKEW_MS : CLOCK_TOLERANCE_MS;
  return (
    agrees(row.workflowId, found.workflowId) &&
    // MESH resolves a routing address to a mailbox that we do not know.
    (sent.to.includes('_') || agrees(sent.to, found.recipient)) &&
    agrees(sent.fileName, found.fileName) &&
    !(uploaded < (row.firstAttemptAt ?? 0) - tolerance)
  );
}

/**
 * Whether the tracking of a row's message id describes another message of ours. Then that id came in a response to
 * another request (from a proxy that caches responses), and nothing settles this message: it becomes overdue.
 */
export function isAnother(row: Outgoing, found: Tracking): boolean {
  if (!row.localIdIsUnique || found.localId === undefined) return false;
  return found.localId.toUpperCase() !== row.localId.toUpperCase();
}

/** Returns when to look a message up again that MESH does not know (yet); undefined when it needs a decision. */
export function nextLookup(row: Outgoing, now: number): number | undefined {
  const wait = LOOKUPS_MS[row.tracked + 1];
  return wait === undefined ? undefined : now + wait;
}

/** Returns the wait before a message of this age is tracked next (milliseconds). */
const trackAfterMs = (age: number): number => Math.min(LONGEST_TRACK_WAIT_MS, Math.max(FIRST_TRACK_MS, age));

/**
 * Returns the next look-up or tracking of a row, if it lies further ahead than it would be planned at `now`, set to
 * that.
 */
export function earlierTracking(row: Outgoing, now: number): OutgoingChange {
  if (row.nextTrackAt === null) return {};
  const wait =
    row.state === 'unknown'
      ? (LOOKUPS_MS[row.tracked] ?? LONGEST_LOOKUP_WAIT_MS)
      : trackAfterMs(now - (row.acceptedAt ?? now));
  return row.nextTrackAt > now + wait ? { nextTrackAt: now + wait } : {};
}

/**
 * Returns the change of an accepted message that has not ended: the next tracking, which gets rarer as the message
 * ages. `trusted` is the time that its age may trust (store/trusted-time.ts): a clock that is ahead closes nothing.
 */
export function notYet(row: Outgoing, now: number, trusted = now): { event?: string; change: OutgoingChange } {
  const age = trusted - (row.acceptedAt ?? trusted);
  if (age <= TRACKED_FOR_MS) return { change: { nextTrackAt: now + trackAfterMs(age), tracked: row.tracked + 1 } };
  const error: StoredError = {
    code: 'MESH_NO_OUTCOME',
    message:
      'MESH accepted the message, and in 31 days did not say whether it was collected. MESH has deleted it by now.',
    advice: 'Ask the recipient; if it never arrived, resend it.',
  };
  const change: OutgoingChange = { state: 'closed', error, settledAt: now, nextTrackAt: null, collectBy: null };
  return { event: 'no outcome', change };
}

/**
 * Returns how long after its acceptance a message was collected, as MESH's own two times say (milliseconds); undefined
 * where it does not say. Tracking asks rarely, so that we learn of it hours later.
 */
export function collectedAfterMs(found: Tracking): number | undefined {
  const { uploadTimestamp, downloadTimestamp, statusTimestamp } = found;
  if (found.status !== 'acknowledged' || uploadTimestamp === undefined) return undefined;
  // Version 2 of the API has only the time of the status.
  const ms = Date.parse(downloadTimestamp ?? statusTimestamp ?? '') - Date.parse(uploadTimestamp);
  return ms >= 0 ? ms : undefined;
}

/** Returns the end that tracking reports for a message; undefined while there is none. */
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

/** Returns the error of a message that did not arrive, with MESH's code if there is one. */
export function undeliveredError(
  meshCode: string | undefined,
  event: string | undefined,
  description: string | undefined,
  advice = 'Ring the recipient, then resend it, or ask the national service desk to place it in their inbox again.',
): StoredError {
  return {
    code: 'MESH_UNDELIVERED',
    message: `The message did not arrive${meshCode ? ` (MESH code ${printable(meshCode)})` : ''}.`,
    advice,
    ...(meshCode ? { meshCode: printable(meshCode) } : {}),
    ...(event ? { event: printable(event) } : {}),
    ...(description ? { description: printable(description) } : {}),
  };
}
