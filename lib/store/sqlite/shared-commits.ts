/**
 * Shared commits. The calls that came while the last commit waited for the disk are made in one transaction, and so
 * with one fsync. If one of them fails, nothing of the transaction has happened and each is made by itself: only the
 * one at fault fails, and none pays for a savepoint. A result is posted only after the commit.
 *
 * A COMMIT that fails may be on the disk all the same: SQLite has written the transaction into the write-ahead log, and
 * only the sync failed. This process goes on without it, but a start after a kill would find it. So the log is emptied
 * first; only then has nothing happened. While that fails too, the outcome is not known, and nothing is written.
 *
 * Measured (bench/parts/store.ts, 1 KiB payloads, ext4, an fsync of about 0.4 ms): one by one 1,500 enqueues a second
 * with a commit for each, 64 at a time 8,500 a second with 0.027 commits for each. The slower the disk, the more calls
 * share a commit.
 */
import type { CommitStatistics } from '../rules/batches';
import { unknownCommitError } from '../rules/errors';
import type { Database, Statement } from './driver';
import { isFull, toPosted, type PostedError } from './failures';
import type { Mailboxes } from './mailboxes';
import { type OperationName, type Operations, READS } from './operations';

/** One call of an operation, as the main thread posts it. */
export interface Call {
  id: number;
  name: OperationName;
  args: unknown[];
}

/** The result of a call, as the worker posts it. */
export type CallResult = { id: number; value: unknown } | { id: number; error: PostedError };

/** How a COMMIT failed. */
class CommitFailure {
  constructor(readonly cause: unknown) {}
}

export class SharedCommits {
  /** How the last COMMIT failed, while the log may still have its transaction. */
  #doubt: CommitFailure | undefined;
  readonly #database: Database;
  readonly #operations: Operations;
  readonly #mailboxes: Mailboxes;
  readonly #statistics: CommitStatistics;
  readonly #delayMs: number;
  readonly #begin: Statement;
  readonly #commit: Statement;

  constructor(
    database: Database,
    operations: Operations,
    mailboxes: Mailboxes,
    statistics: CommitStatistics,
    delayMs: number,
  ) {
    this.#database = database;
    this.#operations = operations;
    this.#mailboxes = mailboxes;
    this.#statistics = statistics;
    this.#delayMs = delayMs;
    this.#begin = database.prepare('BEGIN');
    this.#commit = database.prepare('COMMIT');
  }

  /** Makes the calls in order and commits. Never throws. */
  run(calls: readonly Call[]): CallResult[] {
    const { cause: doubt } = this.#doubt ?? {};
    if (doubt !== undefined && calls.some(isWrite) && !this.#undo()) return this.#onlyReads(calls, doubt);
    try {
      return this.#inOneCommit(calls);
    } catch (thrown) {
      this.#rollback();
      const isCommit = thrown instanceof CommitFailure;
      const error = isCommit ? thrown.cause : thrown;
      // All that is missing may be the space that dead pages take in the write-ahead log. Where that is full, it does
      // not have the end of the transaction, which is written last.
      if (isFull(error)) this.#checkpoint();
      else if (isCommit && calls.some(isWrite)) {
        this.#doubt = thrown;
        if (!this.#undo()) return this.#onlyReads(calls, unknownCommitError(messageOf(error)));
      }
      const [first] = calls;
      if (calls.length === 1 && first) return [{ id: first.id, error: toPosted(error) }];
      // Nothing has happened. One by one, small calls still fit on a full disk, and only the one at fault fails.
      return calls.flatMap((call) => this.run([call]));
    }
  }

  /** Makes the calls that only read; the others fail with this error. */
  #onlyReads(calls: readonly Call[], error: unknown): CallResult[] {
    return calls.flatMap((call) => (isWrite(call) ? [{ id: call.id, error: toPosted(error) }] : this.run([call])));
  }

  #inOneCommit(calls: readonly Call[]): CallResult[] {
    this.#begin.run();
    let writes = 0;
    const results = calls.map((call): CallResult => {
      const isRead = READS.has(call.name);
      if (!isRead) writes += 1;
      try {
        const value = (this.#operations[call.name] as (...args: unknown[]) => unknown)(...call.args);
        return { id: call.id, value };
      } catch (error) {
        // Half of a write may have happened; and a full disk may have ended the whole transaction.
        if (!isRead || !this.#database.isTransaction) throw error;
        return { id: call.id, error: toPosted(error) };
      }
    });
    if (writes > 0 && this.#delayMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, this.#delayMs);
    try {
      this.#commit.run();
    } catch (error) {
      throw new CommitFailure(error);
    }
    if (writes > 0) this.#statistics.commits += 1;
    this.#statistics.writes += writes;
    return results;
  }

  #rollback(): void {
    this.#mailboxes.forget();
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
  }

  /**
   * Removes a failed commit from the disk: everything committed before goes into the database, the log is emptied, and a
   * commit of its own begins it anew, so that a power cut does not bring the old one back. Returns whether that
   * succeeded.
   */
  #undo(): boolean {
    try {
      if (this.#database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] !== 0) return false;
      // Writes the page and syncs it, although it changes nothing.
      this.#database.exec('PRAGMA user_version = 0');
      this.#doubt = undefined;
      return true;
    } catch {
      return false;
    }
  }

  #checkpoint(): void {
    try {
      this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch {
      // Still no space: the next commit reports it.
    }
  }
}

const isWrite = ({ name }: Call): boolean => !READS.has(name);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
