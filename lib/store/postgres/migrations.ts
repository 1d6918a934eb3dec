/** Numbered, forward-only migrations. The number of one is its place in the list, from 1 on. */
import type { Client } from 'pg';
import { ConfigurationError } from '../../errors';
import { whyMoved } from '../rows/moved';
import { first } from './migrations/001-first';
import { answers } from './migrations/002-answers';
import { slices } from './migrations/003-slices';
import { overview } from './migrations/004-overview';
import { noDue } from './migrations/005-no-due';
import { lockClass } from './locks';

/** All of them, in order. Only ever added to. */
export const MIGRATIONS: readonly string[] = [first, answers, slices, overview, noDue];

/**
 * Brings the schema to the newest version: each migration in a transaction of its own together with its number. Several
 * instances may start at once: one migrates, the others wait. One that newer code has written is refused:
 * ConfigurationError.
 */
export async function migrate(
  client: Client,
  schema: string,
  migrations: readonly string[] = MIGRATIONS,
  { withMark = false } = {},
): Promise<void> {
  // A lock of the session, not of a transaction: it is held over all of them, and ends with the connection at the latest.
  await client.query('SET lock_timeout TO 0; SET statement_timeout TO 0');
  await client.query('SELECT pg_advisory_lock($1, 0)', [lockClass(schema)]);
  const exists = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
  // A user that may not make schemas is given one by an administrator.
  if (exists.rowCount === 0) await client.query(`CREATE SCHEMA "${schema}"`);
  await client.query(
    `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, migrated_at TIMESTAMPTZ NOT NULL)`,
  );
  const found = await client.query<{ version: number | null }>('SELECT max(version) AS version FROM schema_version');
  const version = found.rows[0]?.version ?? 0;
  const moved = whyMoved(version);
  if (moved && withMark) return;
  if (moved) throw new ConfigurationError(moved.message, { advice: moved.advice });
  if (version > migrations.length) {
    throw new ConfigurationError(
      `The store is of version ${version}, this program knows versions up to ${migrations.length}.`,
      {
        advice:
          'A newer release has used this store: install that release here too, or restore a backup from before it.',
      },
    );
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue;
    await client.query(`BEGIN; ${migration}; INSERT INTO schema_version VALUES (${index + 1}, now()); COMMIT`);
  }
}
