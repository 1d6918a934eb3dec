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
