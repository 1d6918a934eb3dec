/**
 * Shared commits, as those of the SQLite back end: what was asked while the last commit was under way is done together, in
 * the order in which it was asked, in one transaction on one connection, the statements sent one behind the other without
 * waiting for answers. So many small operations cost two round trips and one fsync. An answer is given only after the
 * commit.
 *
 * A connection that breaks leaves no doubt: before COMMIT was sent nothing has happened, and all is done again; after it,
 * the number that the transaction wrote is there or not.
 */
import type { Connections } from './connections';
import { asMeshError, closedError, isAway, isCollision } from './failures';
import { isCommitted, numberBatch } from './instances';
import { lockMailboxes, type Written } from './locks';
import { makeMailboxes } from './mailboxes';
import type { Queries } from './queries';

/** One thing to do. */
export interface Operation<T> {
  /** All but its first statement may wait for answers. It may be run again after a failure. */
  run(queries: Queries): Promise<T>;
  /** What it writes to; none for a read. */
  written?: Written;
  /** A mailbox that may not have a number yet. */
  makes?: string;
}

/** How often the disk was made to wait. */
export interface Statistics {
  /** Transactions that wrote. */
  commits: number;
  /** Operations that wrote and were committed. */
  writes: number;
}

// One commit's share: more would make the first of them wait for the last one's work.
const MOST_TOGETHER = 256;

interface Asked {
  operation: Operation<unknown>;
  /** When (performance.now). */
  at: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

type Results = Array<PromiseSettledResult<unknown>>;
/** `lost`: the answer to COMMIT of the transaction of this number. */
type Done = { results: Results; lost?: number } | { spoilt: unknown };

export class SharedCommits {
  readonly statistics: Statistics = { commits: 0, writes: 0 };
  readonly #connections: Connections;
  readonly #instance: string;
  #batch = 0;
  /** Mailboxes that have a number. */
  readonly #made = new Set<string>();
  readonly #waiting: Asked[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  /** `instance` is the id of this process's store. */
  constructor(connections: Connections, instance: string) {
    this.#connections = connections;
    this.#instance = instance;
  }

  /** Does it, after everything that was asked before. */
  ask<T>(operation: Operation<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise<T>((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      this.#waiting.push({ operation, at: performance.now(), resolve: settle, reject });
      this.#running ??= this.#work();
    });
  }

  /** Resolves when all that was asked is answered; nothing more may be asked. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #work(): Promise<void> {
    // What is asked in the same turn comes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#together(this.#waiting.splice(0, MOST_TOGETHER));
    // In the same breath: what is asked from here on begins anew.
    this.#running = undefined;
  }

  /** Never rejects. */
  async #together(asked: readonly Asked[]): Promise<void> {
    let done: Done;
    try {
      done = await this.#connections.use((queries) => this.#transaction(queries, asked), asked[0]?.at);
      const { lost } = 'lost' in done ? done : {};
      if (lost !== undefined && !(await this.#connections.use((q) => isCommitted(q, this.#instance, lost)))) {
        await this.#together(asked);
        return;
      }
    } catch (error) {
      for (const each of asked) each.reject(error);
      return;
    }
    if ('results' in done) {
      answer(asked, done.results);
    } else if (asked.length === 1) {
      asked[0]?.reject(asMeshError(done.spoilt));
    } else {
      // None of them has happened. One by one, only what is at fault fails.
      for (const each of asked) await this.#together([each]);
    }
  }

  async #transaction(queries: Queries, asked: readonly Asked[]): Promise<Done> {
    const writes = asked.flatMap(({ operation: { written } }) => (written ? [written] : []));
    await this.#makeMailboxes(queries, asked);
    const isRead = writes.length === 0;
    const batch = ++this.#batch;
    const begun = isRead
      ? []
      : [
          queries.rows('BEGIN'),
          lockMailboxes(queries, this.#connections.schema, writes),
          numberBatch(queries, this.#instance, batch),
        ];
    const running = Promise.allSettled(asked.map(({ operation }) => operation.run(queries)));
    const beginning = await Promise.allSettled(begun);
    const results = await running;
    const failures = [...beginning, ...results].flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    // The whole transaction is gone then, and what else failed in it did so because of that.
    const broken = failures.find((each) => isAway(each) || isCollision(each));
    if (broken !== undefined) throw broken;
    const spoilt = failures.find((each) => isDatabaseError(each));
    if (spoilt !== undefined) {
      if (!isRead) await queries.rows('ROLLBACK');
      return { spoilt };
    }
    if (isRead) return { results };
    try {
      await queries.rows('COMMIT');
    } catch (error) {
      if (!isAway(error)) return { spoilt: error };
      return { lost: batch, results };
    }
    this.statistics.commits += 1;
    this.statistics.writes += writes.length;
    return { results };
  }

  /** In a commit of its own, so that what is known stays true whatever becomes of the rest. */
  async #makeMailboxes(queries: Queries, asked: readonly Asked[]): Promise<void> {
    const keys = new Set(asked.flatMap(({ operation: { makes } }) => (makes === undefined ? [] : [makes])));
    const fresh = [...keys].filter((key) => !this.#made.has(key));
    if (fresh.length === 0) return;
    await makeMailboxes(queries, fresh);
    for (const key of fresh) this.#made.add(key);
  }
}

function answer(asked: readonly Asked[], results: Results): void {
  for (const [index, each] of asked.entries()) {
    const result = results[index];
    if (result?.status === 'fulfilled') each.resolve(result.value);
    else each.reject(asMeshError(result?.reason));
  }
}

/** Of the database, and not one of ours (a message that is refused): that spoils a transaction for all. */
function isDatabaseError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error;
}
