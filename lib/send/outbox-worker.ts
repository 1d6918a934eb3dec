/**
 * Sends the messages in the outbox of one mailbox, in order, one request at a time. It is the only sender of its
 * mailbox: whoever runs it ensures that there is no other (docs/design.md, rule 4).
 *
 * Before a message goes out, its intent is committed, together with those of the next messages (commit-batcher.ts), and
 * it is marked as begun (send-marks.ts). So a kill makes only one message unknown: the one on the wire. A store that
 * several instances share has no marks: there one intent is ahead, and a kill can make two messages unknown.
 */
import { after, steadyTime } from '../clock';
import { AbortedError, UnknownCommitError } from '../errors';
import { LOOKED_FOR, NEEDS_DECISION, WAITING_TO_SEND } from '../message-states';
import { ALWAYS_HELD, type Held } from '../store/mailbox-lease';
import { RecentRows } from '../store/recent-rows';
import type { LedgerNote, Outgoing, OutgoingChange, OutgoingState, OutgoingTransition, Store } from '../store/store';
import { attempt, PARK_AFTER, type AttemptParts, type Ending } from './attempt';
import { CommitBatcher, type Claimed, type Ended } from './commit-batcher';
import { recordForgotten } from './forgotten-messages';
import { InterruptedMessages, notBegun } from './interrupted-messages';
import { settleLate } from './late-response';
import { countUndecided } from './needs-decision';
import { SendQueue } from './send-queue';
import type { Outbox } from './outbox';
import type { OutboxState } from './outbox-types';
import { asideMs, SendBackoff } from './send-backoff';
import { MAX_AHEAD, type SendMarks } from './send-marks';
import { storedError } from './stored-error';
import type { ChunkSent } from './transfer';

/** What a worker needs. */
export interface WorkerParts extends AttemptParts {
  store: Store;
  outbox: Outbox;
  /** Key of the mailbox in the store. */
  mailbox: string;
  /** Id of the sandbox that the mailbox belongs to; null for a real MESH. */
  instance: string | null;
  /** The right to send from this mailbox; without it the worker waits. Default: always held. */
  lease?: Held;
  /**
   * For how long a `sending` message that is not ours has to stay unchanged before it is recovered (milliseconds):
   * longer than the lease and the time-out of a request, while another instance may still receive MESH's response.
   * Default 0, for a store with one owner.
   */
  settleWaitMs?: number;
  /** Opens the marks (send-marks.ts). Default: no marks, as for a store with several owners. */
  openMarks?: () => Promise<SendMarks>;
  /** Called when the store has forgotten what the marks remember; with the number of messages. */
  onStoreBehind?: (messages: number) => void;
  /** Called when the state of the sending changes. */
  changed: (state: OutboxState) => void;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Longest sleep, in case a change was missed. */
const LONGEST_WAIT_MS = 10 * MINUTE;
/** Longest sleep where other instances add messages: their notifications may be missed. */
const SHARED_WAIT_MS = 30 * SECOND;
/** Wait after the store failed. */
const STORE_WAIT_MS = 10 * SECOND;
/** Shortest time between two reports of the state while messages go out. */
const REPORT_EVERY_MS = SECOND;

/**
 * Without marks a kill makes the messages ahead unknown. With marks only a power cut does, so more can share a commit.
 */
const AHEAD_WITHOUT_MARKS = 1;

/** The sender of one mailbox. */
export class OutboxWorker {
  readonly #parts: WorkerParts;
  readonly #lease: Held;
  readonly #settleWaitMs: number;
  readonly #backoff = new SendBackoff();
  readonly #interrupted: InterruptedMessages;
  readonly #justQueued: RecentRows<Outgoing> | undefined;
  readonly #queue: SendQueue;
  readonly #batcher: CommitBatcher;
  #marks: SendMarks | undefined;
  /** Aborts when no attempt may begin any more. */
  readonly #stopping = new AbortController();
  /** Aborts the attempt in progress. */
  readonly #aborting = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  #state: OutboxState = { waiting: 0, needsDecision: 0 };
  /** When the state was last reported (milliseconds of the steady clock). */
  #reportedAt = -Infinity;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#lease = parts.lease ?? ALWAYS_HELD;
    this.#settleWaitMs = parts.settleWaitMs ?? 0;
    this.#interrupted = new InterruptedMessages(parts, this.#settleWaitMs, (row, ending) =>
      this.#changeAttempt(row, ending),
    );
    this.#justQueued = parts.store.isShared ? undefined : new RecentRows();
    this.#queue = new SendQueue({
      ...parts,
      backoff: this.#backoff,
      justQueued: this.#justQueued,
      stopping: this.#stopping.signal,
      end: (row, ending) => this.#change(row, ['queued'], ending),
    });
    this.#batcher = new CommitBatcher({
      ...parts,
      queue: this.#queue,
      interrupted: this.#interrupted,
      marks: () => this.#marks,
      maxAhead: parts.openMarks ? MAX_AHEAD : AHEAD_WITHOUT_MARKS,
      mayNotSend: () => this.#mayNotSend,
      isFailing: () => this.#backoff.isFailing,
      transition: (ended) => this.#transition(ended),
      settled: (ended, isMade) => this.#settled(ended, isMade),
      settleAlone: (ended, isPerhapsMade) => this.#settleAlone(ended, isPerhapsMade),
    });
    parts.outbox.onChange = () => this.#wakeUp();
    parts.outbox.onQueued = (row) => this.#justQueued?.add(row.id, row);
    parts.outbox.onEvent(({ event, message }) => {
      if (event !== 'queued') this.#justQueued?.forget(message.id);
      if (event === 'dropped') void parts.scratch.remove(message.id);
    });
  }

  /** Recovers the messages that an earlier process was sending, then sends until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Call it when the lease is taken or lost. */
  leaseChanged(): void {
    this.#interrupted.forgetUnconfirmed();
    this.#wakeUp();
  }

  /** Call it when the wall clock was set: what the store plans by it is looked at again. */
  clockSet(): void {
    this.#wakeUp();
  }

  /** Ends a pause and tries again at once. */
  resume(): void {
    this.#backoff.resume();
    this.#wake.abort();
  }

  /**
   * Stops: begins no more attempts, and gives the one in progress `graceMs` (milliseconds) to end, because aborting the
   * POST of a whole message makes it unknown. Messages that are left go on at the next start.
   */
  async stop(graceMs = 5000): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    const cancel = after(graceMs, () => this.#aborting.abort());
    await this.#running;
    cancel();
    await this.#marks?.close();
    this.#marks = undefined;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    let isRecovered = false;
    while (!this.#isStopping) {
      // From here on a wake-up skips the sleep below.
      this.#wake = new AbortController();
      let wait = STORE_WAIT_MS;
      try {
        if (this.#lease.held) {
          // Where other instances send, one of their messages may be interrupted at any time.
          if (!isRecovered || this.#settleWaitMs > 0) await this.#recover();
          isRecovered = true;
          await this.#sendAll();
        }
        wait = await this.#untilNext();
      } catch (error) {
        // The store failed: the disk is full, or it was closed. It may have an intent whose commit we did not see.
        isRecovered = false;
        this.#reportStoreError(error);
      }
      if (!this.#isStopping) await this.#parts.clock.sleep(wait, this.#wake.signal);
    }
  }

  /**
   * Recovers the `sending` messages. Nothing is on the wire here, so a kill left them: a whole message may have
   * arrived.
   */
  async #recover(): Promise<void> {
    const { store, mailbox, clock, instance } = this.#parts;
    if (instance !== null) {
      await store.closeOtherInstances(mailbox, instance, { event: 'sandbox restarted', time: clock.now() });
    }
    this.#marks ??= await this.#parts.openMarks?.();
    const isStoreBehind = this.#marks ? await this.#recordForgotten(this.#marks) : false;
    const isOver = (): boolean => this.#isStopping || !this.#lease.held;
    await this.#interrupted.recoverInterrupted(isOver, this.#marks);
    if (isOver() || !this.#marks) return;
    // An older copy goes on as a store of its own: what is noted from now on is about it alone.
    const generation = isStoreBehind ? await store.renewGeneration() : await store.generation();
    const { commits } = await store.sendingProgress(mailbox);
    await this.#marks.renew(clock.now(), { generation, commits });
  }

  /** Records what the marks know and the store has forgotten. Returns whether the store is behind. */
  async #recordForgotten(marks: SendMarks): Promise<boolean> {
    const { store, mailbox, outbox } = this.#parts;
    const known = { ...(await store.sendingProgress(mailbox)), generation: await store.generation() };
    const comparison = await marks.compare(known, (id) => store.getOutgoing(id));
    const forgotten = await recordForgotten(this.#parts, comparison);
    for (const { event, row } of forgotten) outbox.emit(event, row);
    if (comparison.isStoreBehind) this.#parts.onStoreBehind?.(forgotten.length);
    return comparison.isStoreBehind;
  }

  /**
   * Sends everything that may be sent now.
   * @throws what the store throws, once nothing is in progress any more
   */
  async #sendAll(): Promise<void> {
    if (this.#mayNotSend || !(await this.#isMeshAvailable())) return;
    await this.#queue.clear();
    try {
      for (let row = await this.#batcher.next(); row; row = await this.#batcher.next()) {
        this.#markBegun(row);
        const ending = await this.#attempt(row);
        this.#marks?.ended(row, ending, this.#parts.clock.now());
        this.#batcher.ended({ row, ending });
      }
    } finally {
      for (const row of await this.#batcher.finish()) await this.#changeAttempt(row, notBegun(row));
    }
  }

  /** Called for every event of a message: checking first saves an AbortError for each of them. */
  #wakeUp(): void {
    if (!this.#wake.signal.aborted) this.#wake.abort();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  get #mayNotSend(): boolean {
    return this.#isStopping || !this.#lease.held || steadyTime(this.#parts.clock) < this.#backoff.pausedUntil;
  }

  /** After a failure, sends a handshake first: it may be repeated, unlike a message, and no message can be at fault. */
  async #isMeshAvailable(): Promise<boolean> {
    const { client, store, mailbox, clock } = this.#parts;
    if (!this.#backoff.isFailing) return true;
    const due = await store.nextSendTime(mailbox, clock.now());
    if (due === undefined || due > clock.now()) return false;
    try {
      await client.handshake(this.#stopping.signal);
      return true;
    } catch (error) {
      if (!this.#isStopping) this.#backoff.meshUnavailable(error, steadyTime(clock));
      return false;
    }
  }

  /**
   * Marks the row as begun; without the mark it must not go out.
   * @throws StorageError
   */
  #markBegun(row: Claimed): void {
    try {
      this.#marks?.begun(row, this.#parts.clock.now());
    } catch (error) {
      this.#batcher.ended({ row, ending: notBegun(row) });
      throw error;
    }
  }

  #attempt(row: Claimed): Promise<Ending> {
    this.#parts.outbox.emit('sending', row);
    const onChunk: ChunkSent = async ({ chunk, totalChunks, messageId }) => {
      const change: OutgoingChange = { chunksSent: chunk, messageId };
      const saved = await this.#changeAttempt(row, { change, event: 'chunk', detail: { chunk, totalChunks } });
      if (this.#isStopping) throw new AbortedError('The outbox was stopped between two chunks.');
      if (!saved || !this.#lease.held) throw new AbortedError('Another instance goes on with the chunks.');
    };
    return attempt(this.#parts, this.#backoff, row, this.#aborting.signal, onChunk);
  }

  async #settleAlone({ row, ending }: Ended, isPerhapsMade: boolean): Promise<void> {
    await this.#settled({ row, ending }, await this.#commit(this.#transition({ row, ending }), isPerhapsMade));
  }

  /** Applies only to the row's latest attempt: another instance may have recovered it and begun the next one. */
  #transition({ row, ending }: Ended): OutgoingTransition {
    const note = noteOf(ending, this.#parts.clock.now());
    return { id: row.id, from: ['sending'], attempt: row.attempts, change: ending.change, note };
  }

  /** Reports an ending whose commit is decided. Never rejects. */
  async #settled({ row, ending }: Ended, isMade: boolean): Promise<void> {
    if (isMade) this.#parts.outbox.emit(ending.event, changed(row, ending));
    else await this.#settleLate(row, ending);
    this.#marks?.settled(row);
    if (ending.change.state !== 'queued') await this.#parts.scratch.remove(row.id);
    const poisonMessage = this.#backoff.takePoisonMessage();
    if (poisonMessage !== undefined) await this.#setAside(poisonMessage);
    if (steadyTime(this.#parts.clock) - this.#reportedAt >= REPORT_EVERY_MS)
      await this.#reportState().catch(() => undefined);
  }

  /** Records MESH's response to a message that another instance has recovered meanwhile. */
  async #settleLate(row: Outgoing, ending: Ending): Promise<void> {
    const { store, outbox, clock } = this.#parts;
    if (this.#isStopping) return;
    const late = await this.#persist(() => settleLate(store, row, ending, clock.now()));
    if (late) outbox.emit(late.event, late.row);
  }

  /** Sets a poison message aside for a while, or parks it after too many attempts. */
  async #setAside(id: string): Promise<void> {
    const { clock } = this.#parts;
    const row = await this.#persist(() => this.#parts.store.getOutgoing(id));
    if (!row) return;
    const isHopeless = row.attempts >= PARK_AFTER;
    await this.#change(row, ['queued'], {
      change: isHopeless ? { state: 'parked' } : { nextAttemptAt: clock.now() + asideMs(row.attempts) },
      event: isHopeless ? 'parked' : 'set aside',
      detail: { attempts: row.attempts },
    });
  }

  /** Changes the row only if this attempt is still its latest. Never rejects. */
  #changeAttempt(row: Outgoing, ending: Ending): Promise<boolean> {
    return this.#change(row, ['sending'], ending, row.attempts);
  }

  /** Changes a row. Returns false if the message was in another state. Never rejects. */
  async #change(row: Outgoing, from: OutgoingState[], ending: Ending, attempt?: number): Promise<boolean> {
    const { outbox, clock } = this.#parts;
    const { change } = ending;
    const note = noteOf(ending, clock.now());
    const isMade = await this.#commit({
      id: row.id,
      from,
      change,
      note,
      ...(attempt === undefined ? {} : { attempt }),
    });
    if (isMade) outbox.emit(ending.event, changed(row, ending));
    return isMade;
  }

  /**
   * Commits a transition, trying as often as it takes. Returns false if it did not apply, or after `stop`.
   * `isPerhapsMade`: an earlier commit of it may have been made; then a row that is as it says counts as changed. Never
   * rejects.
   */
  async #commit(transition: OutgoingTransition, isPerhapsMade = false): Promise<boolean> {
    const { store } = this.#parts;
    let isUncertain = isPerhapsMade;
    const [isMade = false] =
      (await this.#persist(() =>
        store.changeBatch([transition]).catch((error: unknown) => {
          isUncertain ||= error instanceof UnknownCommitError;
          throw error;
        }),
      )) ?? [];
    if (isMade || !isUncertain) return isMade;
    const { id, attempt, change } = transition;
    const row = await this.#persist(() => store.getOutgoing(id));
    return row?.state === change.state && row?.attempts === (change.attempts ?? attempt ?? row?.attempts);
  }

  /**
   * Runs a store operation until it succeeds, so that a full disk does not lose MESH's response. Returns undefined
   * after `stop`; the next start then finds the row `sending`, and asks MESH. Never rejects.
   */
  async #persist<T>(operation: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await operation();
      } catch (error) {
        if (this.#isStopping) return undefined;
        this.#reportStoreError(error);
        await this.#parts.clock.sleep(STORE_WAIT_MS, this.#stopping.signal);
      }
    }
  }

  /** Returns how long there is nothing to do (milliseconds), and reports the state. */
  async #untilNext(): Promise<number> {
    const { store, mailbox, clock } = this.#parts;
    // Every change of another instance wakes this one. Counting each time would count for every message, on every
    // instance.
    const reportIn = store.isShared ? REPORT_EVERY_MS - (steadyTime(clock) - this.#reportedAt) : 0;
    if (reportIn <= 0) await this.#reportState();
    const longest = reportIn > 0 ? reportIn : store.isShared ? SHARED_WAIT_MS : LONGEST_WAIT_MS;
    if (!this.#lease.held) return longest;
    const pausedMs = this.#backoff.pausedUntil - steadyTime(clock);
    const sendMs =
      pausedMs > 0 ? pausedMs : ((await store.nextSendTime(mailbox, clock.now())) ?? Infinity) - clock.now();
    const recoverMs = (this.#interrupted.nextTime ?? Infinity) - steadyTime(clock);
    return Math.min(longest, Math.max(0, Math.min(sendMs, recoverMs)));
  }

  async #reportState(): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    this.#reportedAt = steadyTime(clock);
    const { messages } = await store.countOutgoing(mailbox);
    const sum = (states: readonly OutgoingState[]): number =>
      states.reduce((count, state) => count + messages[state], 0);
    const waiting = sum(WAITING_TO_SEND);
    const { reason } = this.#backoff;
    this.#report({
      waiting,
      needsDecision: sum(NEEDS_DECISION) + (sum(LOOKED_FOR) === 0 ? 0 : await countUndecided(store, mailbox)),
      ...(reason && waiting > 0
        ? {
            paused: {
              error: reason.error,
              until: new Date(clock.now() + reason.until - steadyTime(clock)).toISOString(),
            },
          }
        : {}),
    });
  }

  #reportStoreError(thrown: unknown): void {
    const { waiting, needsDecision } = this.#state;
    if (!this.#isStopping) this.#report({ waiting, needsDecision, storeError: storedError(thrown) });
  }

  #report(state: OutboxState): void {
    this.#state = state;
    try {
      this.#parts.changed(state);
    } catch {
      // A listener that fails must not stop the sending.
    }
  }
}

/**
 * Returns the row with the ending's change. An outcome that an acknowledgement settled meanwhile is emitted where it
 * was settled.
 */
const changed = (row: Outgoing, { change }: Ending): Outgoing => ({ ...row, ...change });

function noteOf({ event, detail }: Ending, time: number): LedgerNote {
  return { event, time, ...(detail ? { detail } : {}) };
}
