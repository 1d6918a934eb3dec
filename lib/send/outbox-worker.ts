/**
 * Sends what waits in the outbox of one mailbox, in order, one request at a time. The one sender of its mailbox: whoever
 * runs it has made sure that there is no other (DESIGN.md, rule 3).
 *
 * Before a message goes out its intent is committed, of the next ones too (commit-batcher.ts); and it is marked as begun
 * (send-marks.ts), so that a kill makes one message unknown: the one on the wire. A store that several instances share has no marks:
 * there one intent is ahead, and a kill can make two messages unknown.
 */
import { AbortedError } from '../errors';
import { ALWAYS_HELD, type Held } from '../store/mailbox-lease';
import { RecentRows } from '../store/recent-rows';
import type { LedgerNote, Outgoing, OutgoingChange, OutgoingState, OutgoingTransition, Store } from '../store/store';
import { attempt, PARK_AFTER, type AttemptParts, type Ending } from './attempt';
import { CommitBatcher, type Claimed, type Ended } from './commit-batcher';
import { Interrupted, notBegun } from './interrupted';
import { settleLate } from './late-response';
import { heldUnknown } from './held-unknown';
import { SendQueue } from './send-queue';
import type { Outbox } from './outbox';
import type { OutboxState } from './outbox-types';
import { asideMs, SendBackoff } from './send-backoff';
import { MOST_AHEAD, type SendMarks } from './send-marks';
import { storedError } from './stored-error';
import type { ChunkSent } from './transfer';

/** What a worker is made of. */
export interface WorkerParts extends AttemptParts {
  store: Store;
  outbox: Outbox;
  /** Key of the mailbox in the store. */
  mailbox: string;
  /** Of the sandbox, if it is one. */
  instance: string | null;
  /** The right to send from this mailbox; without it the worker waits. Default: always held. */
  lease?: Held;
  /**
   * What is `sending` and not ours is judged after so long (milliseconds): longer than the lease and the time-out of a
   * request, in which another instance may still get MESH's answer. Default 0, for a store that has one owner.
   */
  settleWaitMs?: number;
  /** Opens the marks of what is being sent (send-marks.ts). Default: there are none, as for a store that has several owners. */
  openMarks?: () => Promise<SendMarks>;
  /** Told whenever waiting, held or paused change. */
  changed: (state: OutboxState) => void;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** Looks again at least so often, in case something was missed. */
const LONGEST_WAIT_MS = 10 * MINUTE;
/** The same where other instances add messages: what they tell may be missed. */
const SHARED_WAIT_MS = 30 * SECOND;
/** A store that failed is tried again after so long. */
const STORE_WAIT_MS = 10 * SECOND;
/** While messages go out one after the other, the state is told at most so often. */
const TELL_EVERY_MS = SECOND;

/** Without marks a kill makes unknown what is ahead. With them only a power cut does: more ahead share a commit. */
const AHEAD_WITHOUT_MARKS = 1;

/** The sender of one mailbox. */
export class OutboxWorker {
  readonly #parts: WorkerParts;
  readonly #lease: Held;
  readonly #settleWaitMs: number;
  readonly #backoff = new SendBackoff();
  readonly #interrupted: Interrupted;
  readonly #justQueued: RecentRows<Outgoing> | undefined;
  readonly #next: SendQueue;
  readonly #inHand: CommitBatcher;
  #marks: SendMarks | undefined;
  /** No more is begun. */
  readonly #stopping = new AbortController();
  /** What is under way is broken off. */
  readonly #breaking = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  #state: OutboxState = { waiting: 0, held: 0 };
  #toldAt = 0;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#lease = parts.lease ?? ALWAYS_HELD;
    this.#settleWaitMs = parts.settleWaitMs ?? 0;
    this.#interrupted = new Interrupted(parts, this.#settleWaitMs, (row, ending) => this.#changeAttempt(row, ending));
    this.#justQueued = parts.store.isShared ? undefined : new RecentRows();
    this.#next = new SendQueue({
      ...parts,
      backoff: this.#backoff,
      justQueued: this.#justQueued,
      stopping: this.#stopping.signal,
      end: (row, ending) => this.#change(row, ['queued'], ending),
    });
    this.#inHand = new CommitBatcher({
      ...parts,
      next: this.#next,
      interrupted: this.#interrupted,
      most: parts.openMarks ? MOST_AHEAD : AHEAD_WITHOUT_MARKS,
      mayNotSend: () => this.#mayNotSend,
      isFailing: () => this.#backoff.isFailing,
      transition: (ended) => this.#transition(ended),
      settled: (ended, isMade) => this.#settled(ended, isMade),
      settleAlone: (ended) => this.#settleAlone(ended),
    });
    parts.outbox.onChange = () => this.#wakeUp();
    parts.outbox.onQueued = (row) => this.#justQueued?.add(row.id, row);
    parts.outbox.onEvent(({ event, message }) => {
      if (event !== 'queued') this.#justQueued?.forget(message.id);
      if (event === 'dropped') void parts.scratch.remove(message.id);
    });
  }

  /** Picks up what an earlier process left, then sends until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** The lease was taken or lost: looks at once. */
  leaseChanged(): void {
    this.#interrupted.forgetClaims();
    this.#wakeUp();
  }

  /** Tries again at once, whatever the pause: the mailbox has been mended. */
  resume(): void {
    this.#backoff.resume();
    this.#wake.abort();
  }

  /**
   * Begins nothing more and gives what is under way `graceMs` (milliseconds) to end: breaking off a whole message's POST
   * makes it unknown. Whatever is left goes on at the next start.
   */
  async stop(graceMs = 5000): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    const timer = setTimeout(() => this.#breaking.abort(), graceMs);
    await this.#running;
    clearTimeout(timer);
    await this.#marks?.close();
    this.#marks = undefined;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    let isRecovered = false;
    while (!this.#isStopping) {
      // Woken from here on, it does not sleep at the end.
      this.#wake = new AbortController();
      let wait = STORE_WAIT_MS;
      try {
        if (this.#lease.held) {
          // Where others send, one of theirs may be found interrupted at any time.
          if (!isRecovered || this.#settleWaitMs > 0) await this.#recover();
          isRecovered = true;
          await this.#sendAll();
        }
        wait = await this.#untilNext();
      } catch (error) {
        // The store: disk full, or closed under us. It may hold an intent of which we know nothing.
        isRecovered = false;
        this.#tellStoreError(error);
      }
      if (!this.#isStopping) await this.#parts.clock.sleep(wait, this.#wake.signal);
    }
  }

  /** Nothing is under way here, so what is `sending` was left by a kill: a whole message may have arrived. */
  async #recover(): Promise<void> {
    const { store, mailbox, clock, instance } = this.#parts;
    if (instance !== null) {
      await store.closeOtherInstances(mailbox, instance, { event: 'sandbox restarted', time: clock.now() });
    }
    this.#marks ??= await this.#parts.openMarks?.();
    await this.#marks?.compare((id) => store.getOutgoing(id));
    const isOver = (): boolean => this.#isStopping || !this.#lease.held;
    await this.#interrupted.recoverInterrupted(isOver, this.#marks);
    if (!isOver()) await this.#marks?.renew(clock.now());
  }

  /** Sends everything that may be sent now. Throws what the store throws, once nothing is under way any more. */
  async #sendAll(): Promise<void> {
    if (this.#mayNotSend || !(await this.#isMeshThere())) return;
    await this.#next.clear();
    try {
      for (let row = await this.#inHand.next(); row; row = await this.#inHand.next()) {
        this.#markBegun(row);
        const ending = await this.#attempt(row);
        this.#marks?.ended(row, ending, this.#parts.clock.now());
        this.#inHand.ended({ row, ending });
      }
    } finally {
      for (const row of await this.#inHand.finish()) await this.#changeAttempt(row, notBegun(row));
    }
  }

  /** Told of everything that happens to a message: an abort that has been given is not made anew, with an error of its own. */
  #wakeUp(): void {
    if (!this.#wake.signal.aborted) this.#wake.abort();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  get #mayNotSend(): boolean {
    return this.#isStopping || !this.#lease.held || this.#parts.clock.now() < this.#backoff.pausedUntil;
  }

  /** After a failure a handshake goes first: unlike a message it may be repeated, and no message's fault. */
  async #isMeshThere(): Promise<boolean> {
    const { client, store, mailbox, clock } = this.#parts;
    if (!this.#backoff.isFailing) return true;
    const due = await store.nextSendTime(mailbox);
    if (due === undefined || due > clock.now()) return false;
    try {
      await client.handshake(this.#stopping.signal);
      return true;
    } catch (error) {
      if (!this.#isStopping) this.#backoff.away(error, clock.now());
      return false;
    }
  }

  /** Without the mark nothing goes out. Throws StorageError. */
  #markBegun(row: Claimed): void {
    try {
      this.#marks?.begun(row, this.#parts.clock.now());
    } catch (error) {
      this.#inHand.ended({ row, ending: notBegun(row) });
      throw error;
    }
  }

  #attempt(row: Claimed): Promise<Ending> {
    this.#parts.outbox.tell('sending', row);
    const onChunk: ChunkSent = async ({ chunk, totalChunks, messageId }) => {
      const change: OutgoingChange = { chunksSent: chunk, messageId };
      const saved = await this.#changeAttempt(row, { change, event: 'chunk', detail: { chunk, totalChunks } });
      if (this.#isStopping) throw new AbortedError('The outbox was stopped between two chunks.');
      if (!saved || !this.#lease.held) throw new AbortedError('Another instance goes on with the chunks.');
    };
    return attempt(this.#parts, this.#backoff, row, this.#breaking.signal, onChunk);
  }

  async #settleAlone({ row, ending }: Ended): Promise<void> {
    await this.#settled({ row, ending }, await this.#make(this.#transition({ row, ending })));
  }

  /** Only if this attempt is the last: another instance may have judged it, and begun the next one. */
  #transition({ row, ending }: Ended): OutgoingTransition {
    const note = noteOf(ending, this.#parts.clock.now());
    return { id: row.id, from: ['sending'], attempt: row.attempts, change: ending.change, note };
  }

  /** Never rejects. */
  async #settled({ row, ending }: Ended, isMade: boolean): Promise<void> {
    if (isMade) this.#parts.outbox.tell(ending.event, changed(row, ending));
    else await this.#settleLate(row, ending);
    this.#marks?.settled(row);
    if (ending.change.state !== 'queued') await this.#parts.scratch.remove(row.id);
    const trouble = this.#backoff.takePoisonMessage();
    if (trouble !== undefined) await this.#setAside(trouble);
    if (Math.abs(this.#parts.clock.now() - this.#toldAt) >= TELL_EVERY_MS)
      await this.#tellState().catch(() => undefined);
  }

  /** Another instance has judged it meanwhile, and here is MESH's answer. */
  async #settleLate(row: Outgoing, ending: Ending): Promise<void> {
    const { store, outbox, clock } = this.#parts;
    if (this.#isStopping) return;
    const late = await this.#persist(() => settleLate(store, row, ending, clock.now()));
    if (late) outbox.tell(late.event, late.row);
  }

  /** It failed again and again while others went: for a while, and in the end for a person. */
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

  /** Only if this attempt is the last: another instance may have judged it, and begun the next one. */
  #changeAttempt(row: Outgoing, ending: Ending): Promise<boolean> {
    return this.#change(row, ['sending'], ending, row.attempts);
  }

  /** Whether it was made: false if the message was in another state. Never rejects. */
  async #change(row: Outgoing, from: OutgoingState[], ending: Ending, attempt?: number): Promise<boolean> {
    const { outbox, clock } = this.#parts;
    const { change } = ending;
    const note = noteOf(ending, clock.now());
    const isMade = await this.#make({
      id: row.id,
      from,
      change,
      note,
      ...(attempt === undefined ? {} : { attempt }),
    });
    if (isMade) outbox.tell(ending.event, changed(row, ending));
    return isMade;
  }

  /** As often as it takes. Whether it was made; false where this is stopped meanwhile. Never rejects. */
  async #make(transition: OutgoingTransition): Promise<boolean> {
    const [isMade = false] = (await this.#persist(() => this.#parts.store.changeBatch([transition]))) ?? [];
    return isMade;
  }

  /**
   * What MESH has answered may not be forgotten because a disk is full: tried until the store takes it. Gives up only when
   * stopped; the next start finds the row as `sending`, and asks MESH. Never rejects.
   */
  async #persist<T>(operation: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      try {
        return await operation();
      } catch (error) {
        if (this.#isStopping) return undefined;
        this.#tellStoreError(error);
        await this.#parts.clock.sleep(STORE_WAIT_MS, this.#stopping.signal);
      }
    }
  }

  /** How long there is nothing to do (milliseconds). */
  async #untilNext(): Promise<number> {
    const { store, mailbox, clock } = this.#parts;
    // Every change that another instance tells wakes this one: were each counted, every message would be, on every instance.
    const tellIn = store.isShared ? TELL_EVERY_MS - Math.abs(clock.now() - this.#toldAt) : 0;
    if (tellIn <= 0) await this.#tellState();
    const now = clock.now();
    const longest = tellIn > 0 ? tellIn : store.isShared ? SHARED_WAIT_MS : LONGEST_WAIT_MS;
    if (!this.#lease.held) return longest;
    const until = now < this.#backoff.pausedUntil ? this.#backoff.pausedUntil : await store.nextSendTime(mailbox);
    const next = Math.min(until ?? Infinity, this.#interrupted.nextTime ?? Infinity);
    return Math.min(longest, Math.max(0, next - now));
  }

  async #tellState(): Promise<void> {
    const { store, mailbox, clock } = this.#parts;
    this.#toldAt = clock.now();
    const { messages } = await store.countOutgoing(mailbox);
    const waiting = messages.queued + messages.sending;
    const { reason } = this.#backoff;
    this.#tell({
      waiting,
      held: messages.parked + (messages.unknown === 0 ? 0 : await heldUnknown(store, mailbox)),
      ...(reason && waiting > 0
        ? { paused: { error: reason.error, until: new Date(reason.until).toISOString() } }
        : {}),
    });
  }

  #tellStoreError(thrown: unknown): void {
    const { waiting, held } = this.#state;
    if (!this.#isStopping) this.#tell({ waiting, held, storeError: storedError(thrown) });
  }

  #tell(state: OutboxState): void {
    this.#state = state;
    try {
      this.#parts.changed(state);
    } catch {
      // Whoever listens cannot stop the mail.
    }
  }
}

/** The row with what the attempt has made of it. What an answer has settled meanwhile is told where it was settled. */
const changed = (row: Outgoing, { change }: Ending): Outgoing => ({ ...row, ...change });

function noteOf({ event, detail }: Ending, time: number): LedgerNote {
  return { event, time, ...(detail ? { detail } : {}) };
}
