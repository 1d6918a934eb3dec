/**
 * The processes that have the store open, each with the number of its last commit. That one is there is shown by an advisory
 * lock, which its listening session holds: PostgreSQL gives it back as soon as the process, and its connection, is gone, and
 * not while it is only paused. Where a machine has gone without closing its connections, the time of its last sign tells.
 */
import { createHash } from 'node:crypto';
import { lockClass } from './locks';
import type { Queries } from './queries';

/** The two numbers of an instance's lock. */
function lockOf(schema: string, instance: string): [number, number] {
  return [lockClass(`${schema} instances`), createHash('sha256').update(instance).digest().readInt32BE(0)];
}

/** Until the session ends. Shared: the session before it may not have been noticed to be gone yet. */
export async function showPresence(queries: Queries, schema: string, instance: string): Promise<void> {
  await queries.rows('SELECT pg_advisory_lock_shared(?::int, ?::int)::text AS locked', ...lockOf(schema, instance));
}

/** Those of the instances that are not there any more. */
export async function gone(queries: Queries, schema: string, instances: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const instance of instances) {
    const [row] = await queries.rows(
      `SELECT pg_try_advisory_xact_lock(?::int, ?::int) OR NOT EXISTS (
          SELECT 1 FROM instance WHERE id = ? AND seen > now() - interval '90 seconds') AS gone`,
      ...lockOf(schema, instance),
      instance,
    );
    if (row?.['gone'] === true) found.push(instance);
  }
  return found;
}

/** Part of a transaction: its number is there if, and only if, the transaction is committed. */
export async function numberBatch(queries: Queries, instance: string, batch: number): Promise<void> {
  await queries.rows(
    `INSERT INTO instance (id, batch, seen) VALUES (?, ?, now())
      ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, seen = excluded.seen`,
    instance,
    batch,
  );
}

/**
 * Whether a transaction was committed whose COMMIT had no answer. FOR UPDATE: should its session still be at work, the row
 * is locked until it has ended, one way or the other.
 */
export async function isCommitted(queries: Queries, instance: string, batch: number): Promise<boolean> {
  const [row] = await queries.rows('SELECT batch FROM instance WHERE id = ? FOR UPDATE', instance);
  return row?.['batch'] === batch;
}

/** Told every half minute. What has died long ago is forgotten with it. */
export async function stillAlive(queries: Queries, instance: string): Promise<void> {
  await queries.rows(
    `INSERT INTO instance (id, batch, seen) VALUES (?, 0, now()) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen`,
    instance,
  );
  // Not one that waits for its own row to learn what became of a commit.
  await queries.rows(
    `DELETE FROM instance WHERE id IN (
      SELECT id FROM instance WHERE seen < now() - interval '1 day' FOR UPDATE SKIP LOCKED)`,
  );
}

export async function removeInstance(queries: Queries, instance: string): Promise<void> {
  await queries.rows('DELETE FROM instance WHERE id = ?', instance);
}

/** Those that have told lately that they live. */
export async function others(queries: Queries, instance: string): Promise<string[]> {
  const rows = await queries.rows(
    `SELECT id FROM instance WHERE id <> ? AND seen > now() - interval '90 seconds' ORDER BY id`,
    instance,
  );
  return rows.map((row) => String(row['id']));
}
