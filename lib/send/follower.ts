/**
 * Follows every sent message of a mailbox to its end: looks up the unknown ones at MESH, tracks the accepted ones, and
 * reports the overdue ones. Rarely, and one request at a time, because MESH asks clients not to track often.
 */
import type { MeshClient } from '../client/client';
import {
  AuthenticationError,
  ConfigurationError,
  InvalidMessageError,
  LocalIdNotUniqueError,
  MeshError,
  NotFoundError,
  TlsError,
} from '../errors';
import { LOOKED_FOR, MAY_BE_OVERDUE, REPORTABLE, RESPONSE_MISSING, SENT_STATES } from '../message-states';
import { ALWAYS_HELD, type Held } from '../store/mailbox-lease';
import type { Outcome, Outgoing, OutgoingChange, OutgoingState, OutgoingStore } from '../store/store';
import type { MessageHeaders, Tracking } from '../types';
import { momentAfter, stepSince, type Clock, type Moment } from '../clock';
import type { TrustedTime } from '../store/trusted-time';
import { isTrackingDue } from '../store/rules/due-times';
import {
  acceptedChange,
  ASK_AGAIN_MS,
  collectedAfterMs,
  earlierTracking,
  isAnother,
  isSameMessage,
  nextLookup,
  notYet,
  trackedEnd,
  undeliveredError,
} from './follow-up';
import { earlierLimits } from './deadlines';
import type { Outbox } from './outbox';
import { dueTimeOf } from './reply-stages';
import { planStagesAgain, reportOverdueStages } from './settle-reply';
import { notThere } from './outbox-errors';
import type { Overdue } from './outbox-types';

/** What a follower needs. */
export interface FollowerParts {
  client: MeshClient;
  store: OutgoingStore;
  outbox: Outbox;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  /** The time that limits and ages may trust. Default: the clock's. */
  trusted?: Pick<TrustedTime, 'now' | 'alarmTime' | 'behindMs'>;
  /** The sender's lease: only one instance follows. Default: always held. */
  lease?: Held;
}

const MINUTE = 60_000;
/** Requests a minute at most. */
const BATCH = 60;
/** Unknown messages read at once, including those that need a decision. */
const UNKNOWN_READ = 1000;

/** The follower of one mailbox. */
export class Follower {
  readonly #parts: FollowerParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  /** When the limits were last looked at. */
  #looked: Moment | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** Starts following, until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /**
   * Settles the message that a REPORT says did not arrive. Returns false if this mailbox's outbox does not have it
   * (another system sent it, or it was sent before there was an outbox): then only the flow can report it.
   */
  async settleReport(report: MessageHeaders): Promise<boolean> {
    const { store, mailbox, clock } = this.#parts;
    const messageId = report.linkedMessageId;
    if (messageId === undefined) return false;
    const row = (await store.listOutgoing({ mailbox, messageId }, { limit: 1 }))[0] ?? (await this.#withoutId(report));
    if (!row) return false;
    const now = clock.now();
    const error = undeliveredError(report.statusCode, report.statusEvent, report.statusDescription, report.advice);
    const change: OutgoingChange = {
      state: 'undelivered',
      messageId,
      error,
      settledAt: now,
      nextTrackAt: null,
      collectBy: null,
    };
    // The same report may come again, and tracking may have been faster: then this changes nothing.
    await this.#settle(row, REPORTABLE, change, 'undelivered', { report: report.messageId });
    return true;
  }

  /**
   * Finds the message of a report by its local id. A message whose response was lost or is still awaited has no message
   * id yet, and the report proves that MESH accepted it. That is not so for a chunked message: its first chunk may have
   * left an orphan, and the report may be about that.
   */
  async #withoutId(report: MessageHeaders): Promise<Outgoing | undefined> {
    const { store, mailbox } = this.#parts;
    if (report.localId === undefined) return undefined;
    const found = await store.listOutgoing(
      { mailbox, localId: report.localId, states: RESPONSE_MISSING },
      { limit: 2 },
    );
    const [lost] = found;
    const isIt = lost?.localIdIsUnique && found.length === 1 && (lost.plan?.totalChunks ?? 1) === 1;
    return isIt ? lost : undefined;
  }

  async #run(): Promise<void> {
    const stopping = this.#stopping.signal;
    while (!stopping.aborted) {
      // A failure here (MESH unavailable, store busy) is retried in a minute: the rows still say when they are due.
      await this.#followAll().catch(() => undefined);
      if (!stopping.aborted) await this.#parts.clock.sleep(MINUTE, stopping);
    }
  }

  async #followAll(): Promise<void> {
    const { clock, lease = ALWAYS_HELD } = this.#parts;
    if (!lease.held) return;
    const behindMs = this.#looked ? stepSince(clock, this.#looked) : -(this.#parts.trusted?.behindMs ?? 0);
    this.#looked = momentAfter(clock);
    if (behindMs < 0) await this.#planAgain();
    const alarmTime = this.#parts.trusted?.alarmTime() ?? clock.now();
    await this.#reportAllOverdue(alarmTime);
    for (const row of await this.#due()) {
      if (this.#stopping.signal.aborted || !lease.held) return;
      if (!(await this.#follow(row))) return;
    }
  }

  /**
   * Plans sent messages anew after the clock was set back. A limit that lies further ahead than if MESH accepted the
   * message now was counted from a clock that was ahead, and so was a tracking further ahead than the message's age asks
   * for: both would come late by as much.
   */
  async #planAgain(): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    const states = [...LOOKED_FOR, ...MAY_BE_OVERDUE];
    let after = '';
    for (let more = true; more && !this.#stopping.signal.aborted;) {
      const rows = await store.listOutgoing({ mailbox, states }, { limit: UNKNOWN_READ, after });
      more = rows.length === UNKNOWN_READ;
      after = rows.at(-1)?.id ?? after;
      for (const row of rows) {
        await planStagesAgain(this.#parts, row);
        const change = { ...earlierLimits(row, clock.now()), ...earlierTracking(row, clock.now()) };
        if (Object.keys(change).length > 0) await store.changeOutgoing(row.id, [row.state], change);
      }
    }
  }

  /**
   * Returns the messages to ask MESH about now. Unknown messages get half of the requests: they wait for the result,
   * and would wait for hours behind thousands of accepted ones that are only tracked.
   */
  async #due(): Promise<Outgoing[]> {
    const { store, mailbox, clock } = this.#parts;
    const now = clock.now();
    const unknown = await store.listOutgoing({ mailbox, states: LOOKED_FOR }, { limit: UNKNOWN_READ });
    const lost = unknown.filter((row) => isTrackingDue(row, now)).slice(0, BATCH / 2);
    const due = await store.dueTracking(mailbox, now, BATCH);
    return [...new Map([...lost, ...due].map((row) => [row.id, row])).values()].slice(0, BATCH);
  }

  /**
   * Asks MESH now, at a person's request, about a message that is unknown, also one that needs a decision, or that is
   * not collected yet. What MESH says settles it; otherwise it stays as it is, and so does the next look-up.
   * @throws NotFoundError when MESH does not say that it has the message, or the outbox does not have it;
   *   InvalidMessageError when it is in another state; what the request to MESH throws
   */
  async ask(id: string): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    const row = await store.getOutgoing(id);
    if (row?.mailbox !== mailbox) throw notThere(id);
    if (row.state === 'accepted') return this.#track(row);
    if (row.state !== 'unknown') {
      throw new InvalidMessageError(`MESH is not asked about message ${id}: it is ${SENT_STATES[row.state].label}.`, {
        advice: 'MESH can be asked about a message that is unknown, or accepted and not collected yet.',
      });
    }
    const answer = await this.#askByLocalId(row);
    if ('messageId' in answer) return this.#adopt(row, answer, clock.now());
    throw new NotFoundError(`MESH does not say that it has message ${id}. ${answer.why}`, {
      advice: answer.isFinal
        ? 'Ask the recipient or the MESH service desk; then resend it or drop it.'
        : 'Its tracking may lag by minutes: ask again later. If it stays so, the message was probably not sent.',
    });
  }

  /** Asks MESH about a message. Returns false if MESH cannot be asked now. */
  async #follow(row: Outgoing): Promise<boolean> {
    try {
      if (row.state === 'unknown') await this.#lookUp(row);
      else if (row.state === 'accepted') await this.#track(row);
      // The message has ended another way, e.g. by a resend.
      else await this.#settle(row, [row.state], { nextTrackAt: null });
      return true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      // Other messages come first next time: one that MESH fails over must not hold up the rest.
      const nextTrackAt = this.#parts.clock.now() + ASK_AGAIN_MS;
      await this.#settle(row, [row.state], { nextTrackAt });
      return isAboutMessage(error);
    }
  }

  /**
   * Looks an unknown message up: the same message is adopted; one not found for 40 minutes needs a decision
   * (docs/design.md, rule 1).
   */
  async #lookUp(row: Outgoing): Promise<void> {
    const now = this.#parts.clock.now();
    const answer = await this.#askByLocalId(row);
    if ('messageId' in answer) await this.#adopt(row, answer, now);
    else if (answer.isFinal) await this.#requireDecision(row, answer.why);
    else {
      const next = nextLookup(row, now);
      if (next === undefined)
        await this.#requireDecision(row, 'MESH does not know it after 40 minutes: probably it was not sent.');
      else await this.#settle(row, ['unknown'], { nextTrackAt: next, tracked: row.tracked + 1 });
    }
  }

  /** Asks MESH by the local id: returns the message if it is this one, otherwise why not, and whether that may change. */
  async #askByLocalId(row: Outgoing): Promise<Tracking | { why: string; isFinal: boolean }> {
    if (await this.#isShared(row)) {
      const why = 'Another message was sent with the same local id, so MESH cannot be asked by it.';
      return { why, isFinal: true };
    }
    try {
      const found = await this.#parts.client.trackByLocalId(row.localId, this.#stopping.signal);
      // MESH has some of its chunks only.
      if (found.status === 'uploading') return { why: 'MESH has only a part of it.', isFinal: false };
      if (isSameMessage(row, found)) return found;
      return { why: 'MESH has another message with its local id.', isFinal: true };
    } catch (error) {
      if (error instanceof NotFoundError) return { why: 'MESH does not know it.', isFinal: false };
      if (!(error instanceof LocalIdNotUniqueError)) throw error;
      const why = 'MESH has several messages with its local id, so it cannot say whether this is one.';
      return { why, isFinal: true };
    }
  }

  async #adopt(row: Outgoing, { messageId }: Tracking, now: number): Promise<void> {
    await this.#settle(row, ['unknown'], acceptedChange(row, messageId, now), 'adopted', { messageId });
  }

  /** Whether MESH may know another message of ours by this local id: callers may use a local id more than once. */
  async #isShared({ id, localId }: Outgoing): Promise<boolean> {
    if (id === localId) return false;
    const { store, mailbox } = this.#parts;
    const same = await store.listOutgoing({ mailbox, localId }, { limit: 100 });
    return same.some((other) => other.id !== id && other.attempts > 0 && other.state !== 'rejected');
  }

  /** Ends the look-up: from now on the message needs a decision. */
  async #requireDecision(row: Outgoing, why: string): Promise<void> {
    const error = {
      code: 'MESH_UNKNOWN_OUTCOME',
      message: `It is not known whether MESH accepted the message. ${why}`,
      advice: 'Ask the recipient or the MESH service desk; then resend it or drop it.',
    };
    await this.#settle(row, ['unknown'], { nextTrackAt: null, error }, 'held');
  }

  async #track(row: Outgoing): Promise<void> {
    const { client, clock } = this.#parts;
    const now = clock.now();
    let found: Tracking | undefined;
    try {
      if (row.messageId !== null) found = await client.track(row.messageId, this.#stopping.signal);
    } catch (error) {
      // MESH does not know the message: tracking lags the acceptance by minutes, and ends after 30 days.
      if (!isAboutMessage(error)) throw error;
    }
    if (found && isAnother(row, found)) found = undefined;
    const { change, event } = (found && trackedEnd(found, now)) ?? notYet(row, now, this.#parts.trusted?.now());
    const collected = found && event === 'acknowledged' ? collectedAfterMs(found) : undefined;
    await this.#settle(
      row,
      ['accepted'],
      change,
      event,
      collected === undefined ? {} : { collectedAfterMs: collected },
    );
  }

  /**
   * Reports all that is overdue: no request to MESH is made for it, and thousands of requests that were sent together,
   * say over a night, are overdue together.
   */
  async #reportAllOverdue(alarmTime: number): Promise<void> {
    const { store, mailbox } = this.#parts;
    const looked = new Set<string>();
    for (;;) {
      const rows = (await store.dueOverdue(mailbox, alarmTime, BATCH)).filter(({ id }) => !looked.has(id));
      // What another process changes meanwhile is looked at again in a minute.
      if (rows.length === 0 || this.#stopping.signal.aborted) return;
      for (const row of rows) {
        looked.add(row.id);
        await this.#reportOverdue(row, alarmTime);
      }
    }
  }

  /** Reports each missed deadline once, and only if the message is still waiting for it. */
  async #reportOverdue(row: Outgoing, alarmTime: number): Promise<void> {
    const { store, outbox, clock } = this.#parts;
    const now = clock.now();
    const report = async (
      what: Overdue,
      change: OutgoingChange,
      awaited: Record<string, Outcome[]> = {},
    ): Promise<void> => {
      const note = { event: 'overdue', time: now, detail: { what } };
      const changed = await store.changeOutgoing(row.id, [row.state], change, note, awaited);
      if (changed) outbox.emit('overdue', changed, { overdue: what });
    };
    const isPast = (limit: number | null): boolean => limit !== null && limit <= alarmTime;
    if (isPast(row.collectBy) && row.state !== 'acknowledged') await report('collection', { collectBy: null });
    if (isPast(row.repliesBy)) {
      await reportOverdueStages(this.#parts, row, (stage, { acceptedAt }) =>
        isPast(dueTimeOf(stage, acceptedAt) ?? null),
      );
    }
    for (const kind of ['infrastructure', 'business'] as const) {
      if (row[kind] !== 'awaited' || !isPast(row[`${kind}By`])) continue;
      await report(kind, { [kind]: 'overdue', [`${kind}By`]: null }, { [kind]: ['awaited'] });
    }
  }

  async #settle(
    row: Outgoing,
    from: readonly OutgoingState[],
    change: OutgoingChange,
    event?: string,
    detail: Record<string, string | number> = {},
  ): Promise<void> {
    const { store, outbox, clock } = this.#parts;
    const note = event === undefined ? undefined : { event, time: clock.now(), detail };
    const settled = await store.changeOutgoing(row.id, from, change, note);
    if (settled && event !== undefined) outbox.emit(event, settled);
  }
}

/** Whether the error is MESH's response about this message, and not a fault that keeps MESH from being asked at all. */
function isAboutMessage(error: unknown): boolean {
  if (error instanceof AuthenticationError || error instanceof TlsError || error instanceof ConfigurationError)
    return false;
  return error instanceof MeshError && error.retry === 'never';
}
