/**
 * Follows every sent message of a mailbox to its end: looks for those whose answer was lost, tracks those that were
 * accepted, and says which are overdue. Seldom, and one request at a time: MESH asks not to track often.
 */
import type { MeshClient } from '../client/client';
import {
  AuthenticationError,
  ConfigurationError,
  LocalIdNotUniqueError,
  MeshError,
  NotFoundError,
  TlsError,
} from '../errors';
import { ALWAYS_HELD, type Held } from '../store/mailbox-lease';
import { settleOutcome, type Answer } from '../store/settle-outcome';
import type { Outcome, Outgoing, OutgoingChange, OutgoingState, Store } from '../store/store';
import type { MessageHeaders, Tracking } from '../types';
import type { Clock } from '../clock';
import {
  acceptedChange,
  ASK_AGAIN_MS,
  isAnother,
  isSameMessage,
  nextLookup,
  notYet,
  trackedEnd,
  undeliveredError,
} from './follow-up';
import type { Outbox } from './outbox';
import type { Overdue } from './outbox-types';

/** What a follower is made of. */
export interface FollowerParts {
  client: MeshClient;
  store: Store;
  outbox: Outbox;
  clock: Clock;
  /** Key of the mailbox in the store. */
  mailbox: string;
  /** The sender's: one instance follows. Default: always held. */
  lease?: Held;
}

const MINUTE = 60_000;
/** At most so many requests a minute. */
const BATCH = 60;
/** Unknown messages that are looked at, held ones included. */
const UNKNOWN_READ = 1000;

/** The follower of one mailbox. */
export class Follower {
  readonly #parts: FollowerParts;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** Follows until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /**
   * A REPORT names the message that did not arrive: settles it at once. False if this mailbox's outbox does not have it
   * (sent by another system, or before there was an outbox): then only the flow can tell somebody.
   */
  async settleReport(report: MessageHeaders): Promise<boolean> {
    const { store, mailbox, clock } = this.#parts;
    const messageId = report.linkedMessageId;
    if (messageId === undefined) return false;
    const row = (await store.listOutgoing({ mailbox, messageId }, { limit: 1 }))[0] ?? (await this.#lost(report));
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
    // The same report may come again, and tracking may have been faster: then it has been told already.
    await this.#settle(row, ['sending', 'accepted', 'unknown'], change, 'undelivered', { report: report.messageId });
    return true;
  }

  /**
   * An acknowledgement answers the message that `reference` names: settles its outcome at once, however late. False if this
   * mailbox's outbox does not have it, or has several of that local id.
   */
  async settleOutcome(reference: { messageId: string } | { localId: string }, answer: Answer): Promise<boolean> {
    const { store, outbox, mailbox, clock } = this.#parts;
    const [row, ...others] = await store.listOutgoing({ mailbox, ...reference }, { limit: 2 });
    if (!row || others.length > 0) return false;
    const settled = await settleOutcome(store, row.id, answer, clock.now());
    if (settled) outbox.tell(`${answer.kind} ${answer.outcome}`, settled);
    return true;
  }

  /**
   * Of a message whose answer was lost, or is still awaited, we have no id yet; the report is the proof that MESH had
   * accepted it. Not so of a chunked one: its first chunk may have left an orphan behind, and that may be what is reported.
   */
  async #lost(report: MessageHeaders): Promise<Outgoing | undefined> {
    const { store, mailbox } = this.#parts;
    if (report.localId === undefined) return undefined;
    const found = await store.listOutgoing(
      { mailbox, localId: report.localId, states: ['sending', 'unknown'] },
      { limit: 2 },
    );
    const [lost] = found;
    const isIt = lost?.localIdIsUnique && found.length === 1 && (lost.plan?.totalChunks ?? 1) === 1;
    return isIt ? lost : undefined;
  }

  async #run(): Promise<void> {
    const stopping = this.#stopping.signal;
    while (!stopping.aborted) {
      // What fails here (MESH away, store busy) is tried again in a minute; the rows still say when they are due.
      await this.#followAll().catch(() => undefined);
      if (!stopping.aborted) await this.#parts.clock.sleep(MINUTE, stopping);
    }
  }

  async #followAll(): Promise<void> {
    const { store, mailbox, clock, lease = ALWAYS_HELD } = this.#parts;
    if (!lease.held) return;
    for (const row of await store.dueOverdue(mailbox, clock.now(), BATCH)) await this.#overdue(row);
    for (const row of await this.#due()) {
      if (this.#stopping.signal.aborted || !lease.held) return;
      if (!(await this.#follow(row))) return;
    }
  }

  /**
   * What is asked about now. Lost answers have half of the requests: those messages wait for it, and would wait for hours
   * behind some thousands that were accepted and are only watched.
   */
  async #due(): Promise<Outgoing[]> {
    const { store, mailbox, clock } = this.#parts;
    const now = clock.now();
    const unknown = await store.listOutgoing({ mailbox, states: ['unknown'] }, { limit: UNKNOWN_READ });
    const lost = unknown.filter(({ nextTrackAt }) => nextTrackAt !== null && nextTrackAt <= now).slice(0, BATCH / 2);
    const due = await store.dueTracking(mailbox, now, BATCH);
    return [...new Map([...lost, ...due].map((row) => [row.id, row])).values()].slice(0, BATCH);
  }

  /** False if MESH cannot be asked now. */
  async #follow(row: Outgoing): Promise<boolean> {
    try {
      if (row.state === 'unknown') await this.#lookFor(row);
      else if (row.state === 'accepted') await this.#track(row);
      // Ended otherwise, e.g. resent.
      else await this.#settle(row, [row.state], { nextTrackAt: null });
      return true;
    } catch (error) {
      if (this.#stopping.signal.aborted) return false;
      // Another one is asked about first next time: one that MESH stumbles over must not hold up the rest.
      const nextTrackAt = this.#parts.clock.now() + ASK_AGAIN_MS;
      await this.#settle(row, [row.state], { nextTrackAt });
      return isAnswer(error);
    }
  }

  /** DESIGN.md, rule 1: found and the same, it is adopted; not found after a while, a person decides. */
  async #lookFor(row: Outgoing): Promise<void> {
    const { client, clock } = this.#parts;
    const now = clock.now();
    if (await this.#isShared(row)) {
      await this.#hold(row, 'Another message was sent with the same local id, so MESH cannot be asked by it.');
      return;
    }
    let found: Tracking;
    try {
      found = await client.trackByLocalId(row.localId, this.#stopping.signal);
      // Of several chunks, and not all of them are there.
      if (found.status === 'uploading') throw new NotFoundError('MESH has only a part of it.');
    } catch (error) {
      if (error instanceof NotFoundError) {
        const next = nextLookup(row, now);
        if (next === undefined)
          await this.#hold(row, 'MESH does not know it after 40 minutes: probably it was not sent.');
        else await this.#settle(row, ['unknown'], { nextTrackAt: next, tracked: row.tracked + 1 });
        return;
      }
      if (error instanceof LocalIdNotUniqueError) {
        await this.#hold(row, 'MESH has several messages with its local id, so it cannot say whether this is one.');
        return;
      }
      throw error;
    }
    if (isSameMessage(row, found)) {
      await this.#settle(row, ['unknown'], acceptedChange(row, found.messageId, now), 'adopted', {
        messageId: found.messageId,
      });
    } else {
      await this.#hold(row, 'MESH has another message with its local id.');
    }
  }

  /** Whether MESH may know another message of ours by this local id. Callers give their own local ids as they like. */
  async #isShared({ id, localId }: Outgoing): Promise<boolean> {
    if (id === localId) return false;
    const { store, mailbox } = this.#parts;
    const same = await store.listOutgoing({ mailbox, localId }, { limit: 100 });
    return same.some((other) => other.id !== id && other.attempts > 0 && other.state !== 'rejected');
  }

  async #hold(row: Outgoing, why: string): Promise<void> {
    const error = {
      code: 'MESH_UNKNOWN_OUTCOME',
      message: `It is not known whether MESH accepted the message. ${why}`,
      advice: 'Ask the recipient, or MESH’s service desk; then resend it or drop it.',
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
      // Tracking lags by minutes after the acceptance, and ends after 30 days.
      if (!isAnswer(error)) throw error;
    }
    if (found && isAnother(row, found)) found = undefined;
    const { change, event } = (found && trackedEnd(found, now)) ?? notYet(row, now);
    await this.#settle(row, ['accepted'], change, event);
  }

  /** Each limit is told once, and only of what has not come meanwhile. */
  async #overdue(row: Outgoing): Promise<void> {
    const { store, outbox, clock } = this.#parts;
    const now = clock.now();
    const tell = async (
      what: Overdue,
      change: OutgoingChange,
      awaited: Record<string, Outcome[]> = {},
    ): Promise<void> => {
      const note = { event: 'overdue', time: now, detail: { what } };
      const told = await store.changeOutgoing(row.id, [row.state], change, note, awaited);
      if (told) outbox.tell('overdue', told, { overdue: what });
    };
    const isPast = (limit: number | null): boolean => limit !== null && limit <= now;
    if (isPast(row.collectBy) && row.state !== 'acknowledged') await tell('collection', { collectBy: null });
    for (const kind of ['infrastructure', 'business'] as const) {
      if (row[kind] !== 'awaited' || !isPast(row[`${kind}By`])) continue;
      await tell(kind, { [kind]: 'overdue', [`${kind}By`]: null }, { [kind]: ['awaited'] });
    }
  }

  async #settle(
    row: Outgoing,
    from: OutgoingState[],
    change: OutgoingChange,
    event?: string,
    detail: Record<string, string> = {},
  ): Promise<void> {
    const { store, outbox, clock } = this.#parts;
    const note = event === undefined ? undefined : { event, time: clock.now(), detail };
    const settled = await store.changeOutgoing(row.id, from, change, note);
    if (settled && event !== undefined) outbox.tell(event, settled);
  }
}

/** Whether MESH has said something about this message, and not only that nothing can be asked now. */
function isAnswer(error: unknown): boolean {
  if (error instanceof AuthenticationError || error instanceof TlsError || error instanceof ConfigurationError)
    return false;
  return error instanceof MeshError && error.retry === 'never';
}
