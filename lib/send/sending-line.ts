/**
 * The line out, for one mailbox: messages go to MESH in order, one request at a time.
 *
 * 1. Take the next message: its intent to be sent is committed.
 * 2. Mark it as begun.
 * 3. Attempt: what is left of it goes to MESH.
 * 4. Mark how the attempt ended.
 * 5. Commit the outcome, together with the next intents, while the next message is on the wire.
 *
 * Intents and outcomes share commits (intents-ahead.ts says how many). A kill makes only one message unknown, the one
 * on the wire: the marks (send-marks.ts) say of the others that they were not begun. A store that several instances
 * share has no marks: there one intent is ahead, and a kill can make two messages unknown.
 */
import { AbortedError, UnknownCommitError } from '../errors';
import { after, steadyTime } from '../clock';
import type { Held } from '../store/mailbox-lease';
import type { RecentRows } from '../store/recent-rows';
import type { LedgerStore, Outgoing, OutgoingStore, OutgoingTransition, SendPlan } from '../store/store';
import { attempt, PARK_AFTER, type AttemptParts, type Ending } from './attempt';
import { IntentsAhead } from './intents-ahead';
import { notBegun, type InterruptedMessages } from './interrupted-messages';
import { settleLate } from './late-response';
import type { Outbox } from './outbox';
import { changed, endingOf, transitionOf, type RowChanges } from './row-changes';
import { asideMs, type SendBackoff } from './send-backoff';
import { MAX_AHEAD, type SendMarks } from './send-marks';
import { intent, SendQueue, type Candidate, type Unsendable } from './send-queue';
import type { StateReport } from './state-report';
import type { ChunkSent } from './transfer';

/** A row whose intent is committed. */
type Claimed = Outgoing & { plan: SendPlan };

/** A row and how its attempt ended. */
interface Ended {
  row: Claimed;
  ending: Ending;
}

/** What the line needs. */
export interface SendingLineParts extends AttemptParts {
  store: OutgoingStore & LedgerStore;
  outbox: Outbox;
  /** Key of the mailbox in the store. */
  mailbox: string;
  /** Rows that need not be read from the store; undefined where other instances send too. */
  justQueued: RecentRows<Outgoing> | undefined;
  /** The right to send from this mailbox. */
  lease: Held;
  backoff: SendBackoff;
  changes: RowChanges;
  interrupted: InterruptedMessages;
  report: StateReport;
  /** Aborts when no attempt may begin any more. */
  stopping: AbortSignal;
  /** Aborts the attempt in progress. */
  aborting: AbortSignal;
}

/**
 * An outcome is committed within this time (milliseconds), whatever is left ahead: the message on the wire may be a
 * large one.
 */
const COMMIT_WITHIN_MS = 10;

/**
 * Candidates made ready beyond the intents ahead, where several share a commit: reading the next rows waits for a
 * commit.
 */
const READ_AHEAD = 8;

/**
 * Without marks a kill makes the messages ahead unknown. With marks only a power cut does, so more can share a commit.
 */
const AHEAD_WITHOUT_MARKS = 1;

/** The line out of one mailbox. */
export class SendingLine {
  readonly #parts: SendingLineParts;
  readonly #queue: SendQueue;
  #ahead = new IntentsAhead(AHEAD_WITHOUT_MARKS);
  #marks: SendMarks | undefined;
  /** Intents that are committed and not yet begun, in the order of sending. */
  #claimed: Claimed[] = [];
  /** Outcomes that are not committed yet. */
  #ended: Ended[] = [];
  #committing: Promise<void> | undefined;
  #isScheduled = false;
  /** Set only while no commit runs: each commit clears it. */
  #cancelCommit: (() => void) | undefined;
  /** The error of a failed commit, until the sender has received it. */
  #failed: { error: unknown } | undefined;

  constructor(parts: SendingLineParts) {
    this.#parts = parts;
    this.#queue = new SendQueue(parts);
  }

  /** Uses these marks from now on; without them, no intent is committed beyond the next. */
  useMarks(marks: SendMarks): void {
    this.#marks = marks;
    this.#ahead = new IntentsAhead(MAX_AHEAD);
  }

  /**
   * Sends everything that may be sent now.
   * @throws what the store throws, once nothing is in progress any more
   */
  async sendAll(): Promise<void> {
    if (!this.#maySend || !(await this.#isMeshAvailable())) return;
    await this.#queue.clear();
    try {
      for (let row = await this.#takeNext(); row; row = await this.#takeNext()) {
        this.#markBegun(row);
        const ending = await this.#attempt(row);
        this.#marks?.ended(row, ending, this.#parts.clock.now());
        this.#commitOutcome({ row, ending });
      }
    } finally {
      await this.#commitRest();
    }
  }

  get #maySend(): boolean {
    const { stopping, lease, clock, backoff } = this.#parts;
    return !stopping.aborted && lease.held && steadyTime(clock) >= backoff.pausedUntil;
  }

  /** After a failure, sends a handshake first: it may be repeated, unlike a message, and no message can be at fault. */
  async #isMeshAvailable(): Promise<boolean> {
    const { client, store, mailbox, clock, backoff, stopping } = this.#parts;
    if (!backoff.isFailing) return true;
    const due = await store.nextSendTime(mailbox, clock.now());
    if (due === undefined || due > clock.now()) return false;
    try {
      await client.handshake(stopping);
      return true;
    } catch (error) {
      if (!stopping.aborted) backoff.meshUnavailable(error, steadyTime(clock));
      return false;
    }
  }

  /**
   * Returns the next row to send, its intent committed; undefined if there is none, or none may be sent.
   * @throws what the store throws
   */
  async #takeNext(): Promise<Claimed | undefined> {
    if (this.#claimed.length === 0 && this.#committing && !this.#parts.backoff.isFailing) this.#ahead.senderWaited();
    while (this.#claimed.length === 0 && !this.#failed && this.#maySend) {
      if (!this.#committing) await this.#queue.prepare();
      if (!this.#maySend || !(this.#committing || this.#queue.isReady)) break;
      await this.#commit();
    }
    if (this.#failed) throw this.#failed.error;
    if (!this.#maySend) return undefined;
    const row = this.#claimed.shift();
    if (row) this.#commitSoon();
    return row;
  }

  /**
   * Marks the row as begun; without the mark it must not go out.
   * @throws StorageError
   */
  #markBegun(row: Claimed): void {
    try {
      this.#marks?.begun(row, this.#parts.clock.now());
    } catch (error) {
      this.#commitOutcome({ row, ending: notBegun(row) });
      throw error;
    }
  }

  /** Sends what is left of the row. Never rejects. */
  #attempt(row: Claimed): Promise<Ending> {
    const { outbox, changes, stopping, lease, backoff, aborting } = this.#parts;
    outbox.emit('sending', row);
    const onChunk: ChunkSent = async ({ chunk, totalChunks, messageId }) => {
      const change = { chunksSent: chunk, messageId };
      const isSaved = await changes.changeAttempt(row, { change, event: 'chunk', detail: { chunk, totalChunks } });
      if (stopping.aborted) throw new AbortedError('The outbox was stopped between two chunks.');
      if (!isSaved || !lease.held) throw new AbortedError('Another instance goes on with the chunks.');
    };
    return attempt(this.#parts, backoff, row, aborting, onChunk);
  }

  /** Adds the outcome of an attempt to the next commit. */
  #commitOutcome(ended: Ended): void {
    this.#ended.push(ended);
    this.#commitSoon();
  }

  /** Commits every outcome, and that the intents left over were not begun. Never rejects. */
  async #commitRest(): Promise<void> {
    while (this.#committing || this.#ended.length > 0) await this.#commit();
    this.#failed = undefined;
    for (const row of this.#claimed.splice(0)) await this.#parts.changes.changeAttempt(row, notBegun(row));
  }

  /**
   * Goes on with commits once the next message is on the wire (undici writes it in an immediate): there is time until
   * its response comes.
   */
  #commitSoon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() =>
      setImmediate(() => {
        this.#isScheduled = false;
        this.#goOn();
      }),
    );
  }

  /** Begins a commit, unless one runs or enough intents are ahead to wait for more outcomes. */
  #goOn(): void {
    if (this.#committing) return;
    const { isFailing } = this.#parts.backoff;
    const isOneWanted = this.#claimed.length === 0 && !this.#failed && !isFailing && this.#maySend;
    if (this.#ended.length === 0 && !(isOneWanted && this.#queue.isReady)) return;
    if (isFailing || this.#claimed.length <= this.#ahead.count / 2) void this.#commit();
    else this.#cancelCommit ??= after(COMMIT_WITHIN_MS, () => void this.#commit());
  }

  /** Never rejects: `#takeNext` throws what failed. */
  #commit(): Promise<void> {
    this.#committing ??= this.#commitAll()
      .catch((error: unknown) => void (this.#failed = { error }))
      .finally(() => {
        this.#committing = undefined;
        this.#goOn();
      });
    return this.#committing;
  }

  /** Commits the outcomes so far, the messages that cannot be sent at all, and the next intents. */
  async #commitAll(): Promise<void> {
    const { clock, store, mailbox, interrupted, changes } = this.#parts;
    this.#cancelCommit?.();
    this.#cancelCommit = undefined;
    const ended = this.#ended.splice(0);
    const { begun, unsendable } = this.#nextCandidates(ended.length > 0);
    const now = clock.now();
    const intents = begun.map((candidate) => intent(candidate, now));
    const transitions: OutgoingTransition[] = [
      ...ended.map(({ row, ending }) => endingOf(row, ending, now)),
      ...unsendable.map(({ row, ending }) => transitionOf(row, ['queued'], ending, now)),
      ...intents,
    ];
    if (transitions.length === 0) return;
    let made: boolean[];
    interrupted.intended(begun);
    try {
      const progress = this.#marks && { mailbox, ...this.#marks.committing() };
      made = await store.changeBatch(transitions, progress);
      this.#marks?.committed();
    } catch (error) {
      // MESH's responses must not be lost with the batch.
      for (const { row, ending } of ended) {
        const isMade = await changes.commit(endingOf(row, ending, now), error instanceof UnknownCommitError);
        await this.#settled(row, ending, isMade);
      }
      throw error;
    }
    interrupted.confirmed(begun);
    this.#ahead.committed(this.#claimed.length);
    const settled = [...ended, ...unsendable];
    for (const [i, { row, plan }] of begun.entries()) {
      // A row that was not changed was dropped meanwhile. Any other was still `queued`, so no one else had changed it:
      // it is what was read, with our change.
      if (made[settled.length + i]) this.#claimed.push({ ...row, ...intents[i]?.change, plan });
    }
    for (const [i, { row, ending }] of settled.entries()) await this.#settled(row, ending, made[i] ?? false);
  }

  /** What is committed now of what is ready. While sending fails: one intent, in a commit of its own. */
  #nextCandidates(isSettling: boolean): { begun: Candidate[]; unsendable: Unsendable[] } {
    const { isFailing } = this.#parts.backoff;
    const begun: Candidate[] = [];
    const unsendable: Unsendable[] = [];
    if (!this.#maySend || this.#failed || (isFailing && isSettling)) return { begun, unsendable };
    const missing = (isFailing ? 1 : this.#ahead.count) - this.#claimed.length;
    while (begun.length < missing) {
      const next = this.#queue.takeReady();
      if (!next) break;
      if ('ending' in next) unsendable.push(next);
      else begun.push(next);
    }
    if (!isFailing) this.#queue.prepareAhead(this.#ahead.count + (this.#ahead.count > 1 ? READ_AHEAD : 1));
    return { begun, unsendable };
  }

  /**
   * Reports an ending whose commit is decided: `isMade` is false where another instance had changed the row. Never
   * rejects.
   */
  async #settled(row: Outgoing, ending: Ending, isMade: boolean): Promise<void> {
    const { outbox, scratch, backoff, report } = this.#parts;
    if (isMade) outbox.emit(ending.event, changed(row, ending));
    else await this.#settleLate(row, ending);
    this.#marks?.settled(row);
    if (ending.change.state !== 'queued') await scratch.remove(row.id);
    const poisonMessage = backoff.takePoisonMessage();
    if (poisonMessage !== undefined) await this.#setAside(poisonMessage);
    if (report.dueInMs <= 0) await report.now().catch(() => undefined);
  }

  /** Records MESH's response to a message that another instance has recovered meanwhile. */
  async #settleLate(row: Outgoing, ending: Ending): Promise<void> {
    const { store, outbox, clock, changes, stopping } = this.#parts;
    if (stopping.aborted) return;
    const late = await changes.persist(() => settleLate(store, row, ending, clock.now()));
    if (late) outbox.emit(late.event, late.row);
  }

  /** Sets a poison message aside for a while, or parks it after too many attempts. */
  async #setAside(id: string): Promise<void> {
    const { store, clock, changes } = this.#parts;
    const row = await changes.persist(() => store.getOutgoing(id));
    if (!row) return;
    const isHopeless = row.attempts >= PARK_AFTER;
    await changes.change(row, ['queued'], {
      change: isHopeless ? { state: 'parked' } : { nextAttemptAt: clock.now() + asideMs(row.attempts) },
      event: isHopeless ? 'parked' : 'set aside',
      detail: { attempts: row.attempts },
    });
  }
}
