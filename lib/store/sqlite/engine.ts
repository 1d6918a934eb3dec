/** The open database and the operations on it: what the worker thread runs. */
import { type CommitStatistics } from '../rules/batches';
import { openDatabase } from './database';
import { Mailboxes } from './mailboxes';
import type { WorkerData } from './messages';
import { operations } from './operations';
import { type Call, type CallResult, SharedCommits } from './shared-commits';
import { Statements } from './statements';

/** An open store. */
export interface Engine {
  /** Makes the calls in one commit, in order. Never throws. */
  run(calls: readonly Call[]): CallResult[];
  close(): void;
}

/**
 * Opens the database of a folder.
 * @throws what `openDatabase` throws
 */
export function openEngine({ folder, required, test }: WorkerData): Engine {
  const database = openDatabase(folder, { ...required, test });
  const statements = new Statements(database);
  const mailboxes = new Mailboxes(statements);
  const statistics: CommitStatistics = { commits: 0, writes: 0 };
  const run = operations(statements, mailboxes, statistics);
  const commits = new SharedCommits(database, run, mailboxes, statistics, test.commitDelayMs ?? 0);
  return { run: (calls) => commits.run(calls), close: () => database.close() };
}
