/**
 * The messages that the worker sends next: a few rows read from the store at a time, the first of them with their
 * plans, so that an intent can be committed together with the ending of another message.
 */
import { AbortedError } from '../errors';
import type { RecentRows } from '../store/recent-rows';
import type { Outgoing, OutgoingStore, OutgoingTransition, SendPlan } from '../store/store';
import type { Clock } from '../clock';
import { isUnsendable, planOf, type AttemptParts, type Ending } from './attempt';
import type { SendBackoff } from './send-backoff';
import { MAX_AHEAD } from './send-marks';
import { storedError } from './stored-error';

/** A row that may be sent, with its plan. */
export interface Candidate {
  row: Outgoing;
  plan: SendPlan;
}

/** A row that cannot be sent at all, and how it ends. */
export interface Unsendable {
  row: Outgoing;
  ending: Ending;
}

/** What a queue needs. */
export interface SendQueueParts extends AttemptParts {
  store: OutgoingStore;
  clock: Clock;
  mailbox: string;
  backoff: SendBackoff;
  /**
   * Rows that need not be read again. Undefined where other instances send too: one of them may have tried a row
   * meanwhile.
   */
  justQueued: RecentRows<Outgoing> | undefined;
  /** Aborts when no attempt may begin any more. */
  stopping: AbortSignal;
}

/** Rows in one read, with up to 64 KiB of payload each. */
const BATCH = 64;
/** Ids that are remembered: more than the worker has in progress. A read may still show a taken row as queued. */
const TAKEN = 3 * MAX_AHEAD;

/** The head of the outbox's queue, in memory. */
export class SendQueue {
  readonly #parts: SendQueueParts;
  #rows: Outgoing[] = [];
  readonly #ready: (Candidate | Unsendable)[] = [];
  /** Ids of the rows that were taken last. */
  #taken: string[] = [];
  #preparing: Promise<void> | undefined;
  /** Rows to have ready, so that the next intents need not wait for a read. */
  #wanted = 2;

  constructor(parts: SendQueueParts) {
    this.#parts = parts;
  }

  /** Forgets the rows that were read: the store may have changed since. */
  async clear(): Promise<void> {
    await this.#preparing?.catch(() => undefined);
    this.#rows = [];
    this.#ready.length = 0;
    this.#taken = [];
  }

  /** True if a row is ready. */
  get isReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Returns the next row; undefined if none is ready. */
  takeReady(): Candidate | Unsendable | undefined {
    const first = this.#ready.shift();
    if (first && this.#taken.push(first.row.id) > TAKEN) this.#taken.shift();
    return first;
  }

  /**
   * Resolves when a row is ready, or there is nothing to send.
   * @throws what the store throws
   */
  async prepare(): Promise<void> {
    if (!this.isReady) await this.#prepare();
  }

  /** Starts to make this many rows ready. After a failure, `prepare` tries again. */
  prepareAhead(wanted: number): void {
    this.#wanted = wanted;
    if (this.#ready.length < wanted) this.#prepare().catch(() => undefined);
  }

  #prepare(): Promise<void> {
    this.#preparing ??= this.#fill().finally(() => (this.#preparing = undefined));
    return this.#preparing;
  }

  async #fill(): Promise<void> {
    // While sending fails, each row is chosen when it is needed.
    while (this.#ready.length < (this.#parts.backoff.isFailing ? 1 : this.#wanted)) {
      const next = await this.#next();
      if (!next) return;
      this.#ready.push(next);
    }
  }

  async #next(): Promise<Candidate | Unsendable | undefined> {
    const { stopping } = this.#parts;
    if (stopping.aborted) return undefined;
    if (this.#rows.length === 0) this.#rows = await this.#read();
    const row = this.#rows.shift();
    if (!row) return undefined;
    try {
      return { row, plan: await planOf(row, this.#parts, stopping) };
    } catch (thrown) {
      if (thrown instanceof AbortedError) return undefined;
      if (!isUnsendable(thrown)) {
        // Back to the front, so that no other message overtakes it.
        this.#rows.unshift(row);
        throw thrown;
      }
      const error = storedError(thrown);
      return { row, ending: { change: { state: 'parked', error }, event: 'parked', detail: { code: error.code } } };
    }
  }

  /** Reads the next rows. While sending fails: one row, and the one behind the poison candidate in its place. */
  async #read(): Promise<Outgoing[]> {
    const { store, mailbox, clock, backoff, justQueued } = this.#parts;
    const { isFailing, passOver } = backoff;
    const isNew = (id: string): boolean => !this.#taken.includes(id) && !this.#ready.some(({ row }) => row.id === id);
    const limit = isFailing ? 2 : BATCH + this.#ready.length;
    if (justQueued && !isFailing) {
      const ids = (await store.idsToSend(mailbox, clock.now(), limit + TAKEN)).filter(isNew);
      const rows = justQueued.takeFirst(ids);
      if (rows.length > 0 || ids.length === 0) return rows;
    }
    const read = await store.nextToSend(mailbox, clock.now(), limit);
    const due = read.filter(({ id }) => isNew(id));
    if (!isFailing) return due;
    const chosen = (passOver === undefined ? undefined : due.find(({ id }) => id !== passOver)) ?? due[0];
    return chosen ? [chosen] : [];
  }
}

/** Returns the intent to send a candidate, to be committed before anything goes over the wire. */
export function intent({ row, plan }: Candidate, now: number): OutgoingTransition {
  const attempt = row.attempts + 1;
  return {
    id: row.id,
    from: ['queued'],
    change: { state: 'sending', plan, attempts: attempt, firstAttemptAt: row.firstAttemptAt ?? now, error: null },
    note: { event: 'attempt', time: now, detail: { attempt } },
  };
}
