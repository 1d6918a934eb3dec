/**
 * The processes that have the store open, each with the number of its last commit. An instance shows that it is there
 * by an advisory lock of its listening session: PostgreSQL releases it as soon as the process and its connection are
 * gone, and not while the process is only paused. If a machine has gone without closing its connections, the time of
 * its last sign of life decides.
 */
import { createHash } from 'node:crypto';
import { lockClass } from './locks';
import type { Queries } from './queries';

/** Returns the two numbers of an instance's lock. */
function lockOf(schema: string, instance: string): [number, number] {
  return [lockClass(`${schema} instances`), createHash('sha256').update(instance).digest().readInt32BE(0)];
}

/** Takes the lock until the session ends. Shared: the end of the session before may not have been noticed yet. */
export async function showPresence(queries: Queries, schema: string, instance: string): Promise<void> {
  await queries.rows('SELECT pg_advisory_lock_shared(?::int, ?::int)::text AS locked', ...lockOf(schema, instance));
}

/** Returns those of the instances that are no longer there. */
export async function lostInstances(queries: Queries, schema: string, instances: readonly string[]): Promise<string[]> {
  const lost: string[] = [];
  for (const instance of instances) {
    const [row] = await queries.rows(
      `SELECT pg_try_advisory_xact_lock(?::int, ?::int) OR NOT EXISTS (
          SELECT 1 FROM instance WHERE id = ? AND seen > now() - interval '90 seconds') AS lost`,
      ...lockOf(schema, instance),
      instance,
    );
    if (row?.['lost'] === true) lost.push(instance);
  }
  return lost;
}

/** Writes the number of a transaction as part of it: it is there if and only if the transaction is committed. */
export async function numberBatch(queries: Queries, instance: string, batch: number): Promise<void> {
  await queries.rows(
    `INSERT INTO instance (id, batch, seen) VALUES (?, ?, now())
      ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, seen = excluded.seen`,
    instance,
    batch,
  );
}

/**
 * Whether a transaction was committed whose COMMIT got no response. FOR UPDATE: if its session is still at work, the
 * row is locked until it has ended, one way or the other.
 */
export async function isCommitted(queries: Queries, instance: string, batch: number): Promise<boolean> {
  const [row] = await queries.rows('SELECT batch FROM instance WHERE id = ? FOR UPDATE', instance);
  return row?.['batch'] === batch;
}

/** Writes a sign of life, every half minute; removes instances that died long ago. */
export async function signOfLife(queries: Queries, instance: string): Promise<void> {
  await queries.rows(
    `INSERT INTO instance (id, batch, seen) VALUES (?, 0, now()) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen`,
    instance,
  );
  // SKIP LOCKED: not an instance that waits for its own row to learn whether a commit was made.
  await queries.rows(
    `DELETE FROM instance WHERE id IN (
      SELECT id FROM instance WHERE seen < now() - interval '1 day' FOR UPDATE SKIP LOCKED)`,
  );
}

export async function removeInstance(queries: Queries, instance: string): Promise<void> {
  await queries.rows('DELETE FROM instance WHERE id = ?', instance);
}

/** Returns the other instances that gave a sign of life within 90 seconds. */
export async function otherInstances(queries: Queries, instance: string): Promise<string[]> {
  const rows = await queries.rows(
    `SELECT id FROM instance WHERE id <> ? AND seen > now() - interval '90 seconds' ORDER BY id`,
    instance,
  );
  return rows.map((row) => String(row['id']));
}
