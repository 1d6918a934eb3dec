/** Numbered, forward-only migrations. The number of one is its place in the list, from 1 on. */
import type { DatabaseSync } from 'node:sqlite';
import { ConfigurationError } from '../../errors';
import { whyMoved } from '../rows/moved';
import { first } from './migrations/001-first';
import { untold } from './migrations/002-untold';
import { plan } from './migrations/003-plan';
import { answers } from './migrations/004-answers';
import { fewerIndexes } from './migrations/005-fewer-indexes';
import { overview } from './migrations/006-overview';
import { lessForAChange } from './migrations/007-less-for-a-change';

/** All of them, in order. Only ever added to. */
export const MIGRATIONS: readonly string[] = [first, untold, plan, answers, fewerIndexes, overview, lessForAChange];

/** The version that a database is of; 0 for an empty one. */
export function versionOf(database: DatabaseSync): number {
  database.exec(
    'CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, migrated_at INTEGER NOT NULL)',
  );
  const row = database.prepare('SELECT max(version) AS version FROM schema_version').get();
  return Number(row?.['version'] ?? 0);
}

/**
 * Brings a database to the newest version: each migration in a commit of its own together with its number, so that a kill
 * in between leaves a whole version. One that newer code has written is refused: ConfigurationError.
 */
export function migrate(
  database: DatabaseSync,
  migrations: readonly string[] = MIGRATIONS,
  { withMark = false } = {},
): void {
  const version = versionOf(database);
  const moved = whyMoved(version);
  if (moved && withMark) return;
  if (moved) throw new ConfigurationError(moved.message, { advice: moved.advice });
  if (version > migrations.length) {
    throw new ConfigurationError(
      `The store is of version ${version}, this program knows versions up to ${migrations.length}.`,
      {
        advice: 'A newer release has used this store: install that release again, or restore a backup from before it.',
      },
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(migration);
      database.prepare('INSERT INTO schema_version VALUES (?, ?)').run(index + 1, Date.now());
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
}
