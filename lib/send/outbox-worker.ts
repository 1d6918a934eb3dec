/**
 * Sends what waits in the outbox of one mailbox, in order, one request at a time. The one sender of its mailbox: whoever
 * runs it has made sure that there is no other (DESIGN.md, rule 3).
 *
 * At most two intents are committed ahead: while one message is on the wire, the next one's row already says `sending`. A
 * kill can therefore make two messages unknown, and no more.
 */
import { AbortedError } from '../errors';
import { ALWAYS_HELD, type Held } from '../store/mailbox-lease';
import type { Outgoing, OutgoingChange, OutgoingState, Store } from '../store/store';
import { attempt, PARK_AFTER, planOf, type AttemptParts, type Ending } from './attempt';
import { Interrupted } from './interrupted';
import { settleLate } from './late-answer';
import type { Outbox } from './outbox';
import type { OutboxState } from './outbox-types';
import { asideMs, SendBackoff } from './send-backoff';
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

/** The sender of one mailbox. */
export class OutboxWorker {
  readonly #parts: WorkerParts;
  readonly #lease: Held;
  readonly #settleWaitMs: number;
  readonly #backoff = new SendBackoff();
  readonly #interrupted: Interrupted;
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
    this.#interrupted = new Interrupted(parts, this.#settleWaitMs, (row, ending) =>
      this.#change(row.id, ['sending'], ending),
    );
    parts.outbox.onChange = () => this.#wake.abort();
  }

  /** Picks up what an earlier process left, then sends until `stop`. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** The lease was taken or lost: looks at once. */
  leaseChanged(): void {
    this.#interrupted.forgetClaims();
    this.#wake.abort();
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
    await this.#interrupted.judge(() => this.#isStopping || !this.#lease.held);
  }

  /** Sends everything that may be sent now. Throws what the store throws, once nothing is under way any more. */
  async #sendAll(): Promise<void> {
    if (this.#mayNotSend || !(await this.#isMeshThere())) return;
    let settling: Promise<void> = Promise.resolve();
    try {
      let row = await this.#claim();
      while (row) {
        if (this.#mayNotSend) {
          await this.#giveBack(row);
          return;
        }
        // The intent after this one, but no third: the one before has to be settled first.
        const ahead = this.#backoff.isFailing ? undefined : this.#claimAfter(settling);
        const ending = await this.#attempt(row);
        settling = this.#settle(row, ending);
        row = await (ahead ?? this.#claimAfter(settling));
      }
    } finally {
      await settling;
    }
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

  /** What is claimed ahead may fail while nobody awaits it yet. */
  #claimAfter(settling: Promise<void>): Promise<Outgoing | undefined> {
    const claimed = settling.then(() => this.#claim());
    claimed.catch(() => undefined);
    return claimed;
  }

  /** The next row, its intent and plan committed; undefined if there is nothing to send, or nothing may be sent. */
  async #claim(): Promise<Outgoing | undefined> {
    const { store, mailbox, clock, config } = this.#parts;
    while (!this.#mayNotSend) {
      const now = clock.now();
      const { passOver } = this.#backoff;
      const due = await store.nextToSend(mailbox, now, passOver === undefined ? 1 : 2);
      const row = due.find(({ id }) => id !== passOver) ?? due[0];
      if (!row || this.#mayNotSend) return undefined;
      const number = row.attempts + 1;
      this.#interrupted.claiming(row.id, number);
      const claimed = await store.changeOutgoing(
        row.id,
        ['queued'],
        {
          state: 'sending',
          plan: planOf(row, config),
          attempts: number,
          firstAttemptAt: row.firstAttemptAt ?? now,
          error: null,
        },
        { event: 'attempt', time: now, detail: { attempt: number } },
      );
      this.#interrupted.claimed(row.id);
      // Not there any more: dropped in between.
      if (claimed) return claimed;
    }
    return undefined;
  }

  async #giveBack(row: Outgoing): Promise<void> {
    const change: OutgoingChange = { state: 'queued', attempts: row.attempts - 1 };
    await this.#change(row.id, ['sending'], { change, event: 'not begun' });
  }

  #attempt(row: Outgoing): Promise<Ending> {
    this.#parts.outbox.tell('sending', row);
    const onChunk: ChunkSent = async ({ chunk, totalChunks, messageId }) => {
      const change: OutgoingChange = { chunksSent: chunk, messageId };
      await this.#change(row.id, ['sending'], { change, event: 'chunk', detail: { chunk, totalChunks } });
      if (this.#isStopping) throw new AbortedError('The outbox was stopped between two chunks.');
    };
    return attempt(this.#parts, this.#backoff, row, this.#breaking.signal, onChunk);
  }

  /** Never rejects. */
  async #settle(row: Outgoing, ending: Ending): Promise<void> {
    if (!(await this.#change(row.id, ['sending'], ending))) await this.#settleLate(row, ending);
    const trouble = this.#backoff.takeConvicted();
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
    await this.#change(id, ['queued'], {
      change: isHopeless ? { state: 'parked' } : { nextAttemptAt: clock.now() + asideMs(row.attempts) },
      event: isHopeless ? 'parked' : 'set aside',
      detail: { attempts: row.attempts },
    });
  }

  /** The row as it is then; undefined if it was in another state. */
  async #change(id: string, from: OutgoingState[], { change, event, detail }: Ending): Promise<Outgoing | undefined> {
    const { store, outbox, clock } = this.#parts;
    const note = { event, time: clock.now(), ...(detail ? { detail } : {}) };
    const changed = await this.#persist(() => store.changeOutgoing(id, from, change, note));
    if (changed) outbox.tell(event, changed);
    return changed;
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
    await this.#tellState();
    const now = clock.now();
    const longest = store.isShared ? SHARED_WAIT_MS : LONGEST_WAIT_MS;
    if (!this.#lease.held) return longest;
    const until = now < this.#backoff.pausedUntil ? this.#backoff.pausedUntil : await store.nextSendTime(mailbox);
    const next = Math.min(until ?? Infinity, this.#interrupted.nextTime ?? Infinity);
    return Math.min(longest, Math.max(0, next - now));
  }

  async #tellState(): Promise<void> {
    const now = this.#parts.clock.now();
    this.#toldAt = now;
    const { messages } = await this.#parts.store.countOutgoing(this.#parts.mailbox);
    const reason = this.#backoff.reason(now);
    this.#tell({
      waiting: messages.queued + messages.sending,
      held: messages.unknown + messages.parked,
      ...(reason ? { paused: { error: reason.error, until: new Date(reason.until).toISOString() } } : {}),
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
