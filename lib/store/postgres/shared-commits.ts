/**
 * Shared commits, like those of the SQLite back end: the operations that came while the last commit was under way run
 * in one transaction on one connection, in the order of the calls, the statements sent one behind the other without
 * waiting for their results. So many small operations cost two round trips and one fsync. Operations of one kind that
 * were called one behind the other share a statement as well, where they can. An operation resolves only after the
 * commit.
 *
 * A connection that breaks before COMMIT was sent leaves no doubt: nothing has happened, and the batch runs again. After
 * it, the number that the transaction wrote is there or not. If the database cannot be asked until the patience ends,
 * the outcome is not known. COMMIT is therefore sent only when the results of the statements are there: the transaction
 * then holds its number's row, and whoever asks for the number waits for its end. Sent along with them, COMMIT could
 * still be on its way when the answer is "not made", and the batch would be made twice.
 */
import { type CommitStatistics, MAX_BATCH } from '../rules/batches';
import { closedError, unknownCommitError } from '../rules/errors';
import type { Connections } from './connections';
import { asMeshError, isAway, isCollision } from './failures';
import { isCommitted, numberBatch } from './instances';
import { lockMailboxes, type Written } from './locks';
import { makeMailboxes } from './mailboxes';
import type { Queries } from './queries';

/** What an operation of the store writes to. */
interface Effect {
  /** The mailboxes that it writes to; none for a read. */
  written?: Written;
  /** The key of a mailbox that may not have a number yet. */
  makes?: string;
}

/** One operation of the store. */
export interface Operation<T> extends Effect {
  /** Only its first statement must not wait for the result of another. It may run again after a failure. */
  run(queries: Queries): Promise<T>;
}

/**
 * Makes operations of one kind together. Returns a result for each, in their order; what it throws is the failure of
 * all. As with `Operation.run`, only its first statement must not wait, and it may run again after a failure.
 */
type RunAll<Item, T> = (queries: Queries, items: readonly Item[]) => Promise<Array<PromiseSettledResult<T>>>;

/** One operation that shares statements with those of the same `runAll` that were called right before or after it. */
interface SharedOperation<Item, T> extends Effect {
  runAll: RunAll<Item, T>;
  item: Item;
}

interface Call extends Effect {
  runAll: RunAll<unknown, unknown>;
  item: unknown;
  /** When it was called (performance.now). */
  at: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

type Results = Array<PromiseSettledResult<unknown>>;
/**
 * The end of a transaction. `uncertain`: its COMMIT got no response, and this is its number. `failure`: an operation
 * failed in the database, and nothing of the transaction has happened.
 */
type End = { results: Results; uncertain?: number } | { failure: unknown };

export class SharedCommits {
  readonly statistics: CommitStatistics = { commits: 0, writes: 0 };
  readonly #connections: Connections;
  readonly #instance: string;
  #batch = 0;
  /** Mailboxes that have a number. */
  readonly #made = new Set<string>();
  readonly #waiting: Call[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  /** `instance` is the id of this process's store. */
  constructor(connections: Connections, instance: string) {
    this.#connections = connections;
    this.#instance = instance;
  }

  /** Runs an operation after those that were called before. */
  run<T>(operation: Operation<T>): Promise<T> {
    const { written, makes } = operation;
    const runAll = (queries: Queries) => Promise.allSettled([operation.run(queries)]);
    return this.runShared({
      runAll,
      item: undefined,
      ...(written && { written }),
      ...(makes !== undefined && { makes }),
    });
  }

  /** Runs an operation after those that were called before, together with its neighbours of the same kind. */
  runShared<Item, T>({ runAll, ...rest }: SharedOperation<Item, T>): Promise<T> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({
        ...rest,
        runAll: runAll as RunAll<unknown, unknown>,
        at: performance.now(),
        resolve,
        reject,
      });
      this.#running ??= this.#work();
    });
  }

  /** Resolves when every operation called so far has ended; no more may be called. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #work(): Promise<void> {
    // Calls of the same turn come along.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#runBatch(this.#waiting.splice(0, MAX_BATCH));
    // No await in between: a call from here on starts the work again.
    this.#running = undefined;
  }

  /** Never rejects. */
  async #runBatch(calls: readonly Call[]): Promise<void> {
    let end: End;
    try {
      end = await this.#connections.use((queries) => this.#transaction(queries, calls), calls[0]?.at);
    } catch (error) {
      for (const call of calls) call.reject(error);
      return;
    }
    const { uncertain } = 'uncertain' in end ? end : {};
    if (uncertain !== undefined) {
      let isMade: boolean;
      try {
        isMade = await this.#connections.use((q) => isCommitted(q, this.#instance, uncertain));
      } catch (error) {
        for (const call of calls) call.reject(call.written ? unknownCommitError(error) : error);
        return;
      }
      if (!isMade) {
        await this.#runBatch(calls);
        return;
      }
    }
    if ('results' in end) {
      settle(calls, end.results);
    } else if (calls.length === 1) {
      calls[0]?.reject(asMeshError(end.failure));
    } else {
      // Nothing has happened. Halved until it stands alone, only the operation at fault fails.
      const middle = Math.ceil(calls.length / 2);
      await this.#runBatch(calls.slice(0, middle));
      await this.#runBatch(calls.slice(middle));
    }
  }

  async #transaction(queries: Queries, calls: readonly Call[]): Promise<End> {
    const writes = calls.flatMap(({ written }) => (written ? [written] : []));
    await this.#makeMailboxes(queries, calls);
    const isRead = writes.length === 0;
    const batch = ++this.#batch;
    const begun = isRead
      ? []
      : [
          queries.rows('BEGIN'),
          lockMailboxes(queries, this.#connections.schema, writes),
          numberBatch(queries, this.#instance, batch),
        ];
    const groups = neighbours(calls);
    const running = Promise.allSettled(groups.map(([{ runAll }, items]) => runAll(queries, items)));
    const beginning = await Promise.allSettled(begun);
    const results = resultsOf(groups, await running);
    const failures = [...beginning, ...results].flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
    // The whole transaction is gone then, and the other failures follow from that.
    const broken = failures.find((each) => isAway(each) || isCollision(each));
    if (broken !== undefined) throw broken;
    const failure = failures.find((each) => isDatabaseError(each));
    if (failure !== undefined) {
      if (!isRead) await queries.rows('ROLLBACK');
      return { failure };
    }
    if (isRead) return { results };
    try {
      await queries.rows('COMMIT');
    } catch (error) {
      if (!isAway(error)) return { failure: error };
      return { uncertain: batch, results };
    }
    this.statistics.commits += 1;
    this.statistics.writes += writes.length;
    return { results };
  }

  /** Makes numbers in a commit of their own, so that `#made` stays true whatever becomes of the batch. */
  async #makeMailboxes(queries: Queries, calls: readonly Call[]): Promise<void> {
    const keys = new Set(calls.flatMap(({ makes }) => (makes === undefined ? [] : [makes])));
    const fresh = [...keys].filter((key) => !this.#made.has(key));
    if (fresh.length === 0) return;
    await makeMailboxes(queries, fresh);
    for (const key of fresh) this.#made.add(key);
  }
}

/** Calls with one `runAll` that stand one behind the other: the first of them, and the items of all. */
type Group = [call: Call, items: unknown[]];

function neighbours(calls: readonly Call[]): Group[] {
  const groups: Group[] = [];
  for (const call of calls) {
    const group = groups.at(-1);
    if (group?.[0].runAll === call.runAll) group[1].push(call.item);
    else groups.push([call, [call.item]]);
  }
  return groups;
}

/** Returns the result of each call; where a group has failed, its failure for each. */
function resultsOf(groups: readonly Group[], ended: ReadonlyArray<PromiseSettledResult<Results>>): Results {
  return ended.flatMap((end, index) =>
    end.status === 'fulfilled' ? end.value : (groups[index]?.[1] ?? []).map(() => end),
  );
}

function settle(calls: readonly Call[], results: Results): void {
  for (const [index, call] of calls.entries()) {
    const result = results[index];
    if (result?.status === 'fulfilled') call.resolve(result.value);
    else call.reject(asMeshError(result?.reason));
  }
}

/**
 * Whether an error comes from the database, which ends the transaction for all; ours (a message that is refused) does
 * not.
 */
function isDatabaseError(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'severity' in error;
}
