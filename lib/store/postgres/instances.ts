/** The processes that have the store open, each with the number of its last commit. */
import type { Queries } from './queries';

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
