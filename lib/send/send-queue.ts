/**
 * What the worker sends next: read from the store a few rows at a time, and the first of them with their plans, so that an
 * intent can be committed together with the end of another message.
 */
import { AbortedError } from '../errors';
import type { RecentRows } from '../store/recent-rows';
import type { Outgoing, OutgoingTransition, SendPlan, Store } from '../store/store';
import type { Clock } from '../clock';
import { isUnsendable, planOf, type AttemptParts, type Ending } from './attempt';
import type { SendBackoff } from './send-backoff';
import { MOST_AHEAD } from './send-marks';
import { storedError } from './stored-error';

/** A row that may be sent, and how. */
export interface Candidate {
  row: Outgoing;
  plan: SendPlan;
}

/** What it needs. */
export interface SendQueueParts extends AttemptParts {
  store: Store;
  clock: Clock;
  mailbox: string;
  backoff: SendBackoff;
  /** Rows that need not be read. Undefined where others send too: one of them may have tried it meanwhile. */
  justQueued: RecentRows<Outgoing> | undefined;
  /** No more is begun. */
  stopping: AbortSignal;
  /** Commits how a queued message ended that cannot be sent at all. */
  end: (row: Outgoing, ending: Ending) => Promise<unknown>;
}

/** Rows that are read at once, up to 64 KiB of payload each. */
const BATCH = 64;
/** More than the worker has under way: what a read may still show as queued although it was taken. */
const TAKEN = 3 * MOST_AHEAD;

/** The queue's head, in memory. */
export class SendQueue {
  readonly #parts: SendQueueParts;
  #rows: Outgoing[] = [];
  readonly #ready: Candidate[] = [];
  /** The ids that were taken last. */
  #taken: string[] = [];
  #preparing: Promise<void> | undefined;
  /** Candidates that are to be ready: while the intents of some are committed, the next are not waited for. */
  #wanted = 2;

  constructor(parts: SendQueueParts) {
    this.#parts = parts;
  }

  /** Forgets what was read: the store may say otherwise by now. */
  async clear(): Promise<void> {
    await this.#preparing?.catch(() => undefined);
    this.#rows = [];
    this.#ready.length = 0;
    this.#taken = [];
  }

  /** Whether there is a candidate by now. */
  get isReady(): boolean {
    return this.#ready.length > 0;
  }

  /** The next candidate, if it is ready by now. */
  takeReady(): Candidate | undefined {
    const first = this.#ready.shift();
    if (first && this.#taken.push(first.row.id) > TAKEN) this.#taken.shift();
    return first;
  }

  /** Has the next candidate ready when it resolves, unless there is nothing to send. Throws what the store throws. */
  async prepare(): Promise<void> {
    if (!this.isReady) await this.#prepare();
  }

  /** Begins to have so many ready. What fails is tried again by whoever needs it. */
  prepareAhead(wanted: number): void {
    this.#wanted = wanted;
    if (this.#ready.length < wanted) this.#prepare().catch(() => undefined);
  }

  #prepare(): Promise<void> {
    this.#preparing ??= this.#fill().finally(() => (this.#preparing = undefined));
    return this.#preparing;
  }

  async #fill(): Promise<void> {
    // While sending fails, each is chosen anew.
    while (this.#ready.length < (this.#parts.backoff.isFailing ? 1 : this.#wanted)) {
      const candidate = await this.#next();
      if (!candidate) return;
      this.#ready.push(candidate);
    }
  }

  async #next(): Promise<Candidate | undefined> {
    const { stopping, end } = this.#parts;
    while (!stopping.aborted) {
      if (this.#rows.length === 0) this.#rows = await this.#read();
      const row = this.#rows.shift();
      if (!row) return undefined;
      try {
        return { row, plan: await planOf(row, this.#parts, stopping) };
      } catch (error) {
        if (error instanceof AbortedError) return undefined;
        if (!isUnsendable(error)) {
          // Nobody overtakes it meanwhile.
          this.#rows.unshift(row);
          throw error;
        }
        const stored = storedError(error);
        await end(row, {
          change: { state: 'parked', error: stored },
          event: 'parked',
          detail: { code: stored.code },
        });
      }
    }
    return undefined;
  }

  /** While sending fails, one at a time, and in a suspect's place the one behind it. */
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

/** The intent to send: committed before anything goes over the wire. */
export function intent({ row, plan }: Candidate, now: number): OutgoingTransition {
  const attempt = row.attempts + 1;
  return {
    id: row.id,
    from: ['queued'],
    change: { state: 'sending', plan, attempts: attempt, firstAttemptAt: row.firstAttemptAt ?? now, error: null },
    note: { event: 'attempt', time: now, detail: { attempt } },
  };
}
