/**
 * When the outbox of one mailbox sends: at its start it recovers what an earlier process left, then it runs the line
 * (sending-line.ts) whenever something may be due. It is the only sender of its mailbox: whoever runs it ensures that
 * there is no other (docs/design.md, rule 4).
 */
import { after, steadyTime } from '../clock';
import { ALWAYS_HELD, type Held } from '../store/mailbox-lease';
import type { RecentRows } from '../store/recent-rows';
import type { Outgoing, Store } from '../store/store';
import type { AttemptParts } from './attempt';
import { recordForgotten } from './forgotten-messages';
import { InterruptedMessages } from './interrupted-messages';
import type { Outbox } from './outbox';
import type { OutboxState } from './outbox-types';
import { RowChanges, STORE_WAIT_MS } from './row-changes';
import { SendBackoff } from './send-backoff';
import type { SendMarks } from './send-marks';
import { SendingLine } from './sending-line';
import { StateReport } from './state-report';

/** What a worker needs. */
export interface WorkerParts extends AttemptParts {
  store: Store;
  outbox: Outbox;
  /** Key of the mailbox in the store. */
  mailbox: string;
  /** Id of the sandbox that the mailbox belongs to; null for a real MESH. */
  instance: string | null;
  /** The outbox's rows that were just queued; undefined where other instances send too. */
  justQueued: RecentRows<Outgoing> | undefined;
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

/** The sender of one mailbox. */
export class OutboxWorker {
  readonly #parts: WorkerParts;
  readonly #lease: Held;
  readonly #settleWaitMs: number;
  readonly #backoff = new SendBackoff();
  readonly #report: StateReport;
  readonly #changes: RowChanges;
  readonly #interrupted: InterruptedMessages;
  readonly #line: SendingLine;
  readonly #stopListening: () => void;
  #marks: SendMarks | undefined;
  /** Aborts when no attempt may begin any more. */
  readonly #stopping = new AbortController();
  /** Aborts the attempt in progress. */
  readonly #aborting = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;

  constructor(parts: WorkerParts) {
    const { store, mailbox, outbox, scratch, lease = ALWAYS_HELD, settleWaitMs = 0 } = parts;
    this.#parts = parts;
    this.#lease = lease;
    this.#settleWaitMs = settleWaitMs;
    this.#report = new StateReport({ ...parts, backoff: this.#backoff });
    const stopping = this.#stopping.signal;
    this.#changes = new RowChanges({ ...parts, report: this.#report, stopping });
    this.#interrupted = new InterruptedMessages(parts, settleWaitMs);
    this.#line = new SendingLine({
      ...parts,
      lease,
      backoff: this.#backoff,
      changes: this.#changes,
      interrupted: this.#interrupted,
      report: this.#report,
      stopping,
      aborting: this.#aborting.signal,
    });
    const stopOwn = outbox.onEvent(({ event, message }) => {
      if (event === 'dropped') void scratch.remove(message.id);
      this.#wakeUp();
    });
    const stopRemote = store.onRemoteChange(mailbox, ({ kind }) => {
      if (kind === 'out' || kind === 'missed') this.#wakeUp();
    });
    this.#stopListening = () => {
      stopOwn();
      stopRemote();
    };
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
    this.#wakeUp();
  }

  /**
   * Stops: begins no more attempts, and gives the one in progress `graceMs` (milliseconds) to end, because aborting the
   * POST of a whole message makes it unknown. Messages that are left go on at the next start.
   */
  async stop(graceMs = 5000): Promise<void> {
    this.#stopping.abort();
    this.#wakeUp();
    const cancel = after(graceMs, () => this.#aborting.abort());
    await this.#running;
    cancel();
    this.#stopListening();
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
          await this.#line.sendAll();
        }
        wait = await this.#untilNext();
      } catch (error) {
        // The store failed: the disk is full, or it was closed. It may have an intent whose commit we did not see.
        isRecovered = false;
        if (!this.#isStopping) this.#report.storeFailed(error);
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
    const marks = await this.#openMarks();
    const isStoreBehind = marks ? await this.#recordForgotten(marks) : false;
    const isOver = (): boolean => this.#isStopping || !this.#lease.held;
    for await (const { row, ending } of this.#interrupted.due(marks, isStoreBehind)) {
      if (isOver()) return;
      await this.#changes.changeAttempt(row, ending);
    }
    if (isOver() || !marks) return;
    const generation = await store.generation();
    const progress = marks.renewing({ ...(await store.sendingProgress(mailbox)), generation });
    if (progress) await store.changeBatch([], { mailbox, ...progress });
    await marks.renew({ generation, commits: progress?.commits ?? 0 });
  }

  async #openMarks(): Promise<SendMarks | undefined> {
    if (this.#marks) return this.#marks;
    this.#marks = await this.#parts.openMarks?.();
    if (this.#marks) this.#line.useMarks(this.#marks);
    return this.#marks;
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

  /** Called for every event of a message: checking first, and a reason, save an error with its stack for each of them. */
  #wakeUp(): void {
    if (!this.#wake.signal.aborted) this.#wake.abort('woken');
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** Returns how long there is nothing to do (milliseconds), and reports the state. */
  async #untilNext(): Promise<number> {
    const { store, mailbox, clock } = this.#parts;
    // Every change of another instance wakes this one. Counting each time would count for every message, on every
    // instance.
    const reportInMs = store.isShared ? this.#report.dueInMs : 0;
    if (reportInMs <= 0) await this.#report.now();
    const longest = reportInMs > 0 ? reportInMs : store.isShared ? SHARED_WAIT_MS : LONGEST_WAIT_MS;
    if (!this.#lease.held) return longest;
    const pausedMs = this.#backoff.pausedUntil - steadyTime(clock);
    const sendMs =
      pausedMs > 0 ? pausedMs : ((await store.nextSendTime(mailbox, clock.now())) ?? Infinity) - clock.now();
    const recoverMs = (this.#interrupted.nextTime ?? Infinity) - steadyTime(clock);
    return Math.min(longest, Math.max(0, Math.min(sendMs, recoverMs)));
  }
}
