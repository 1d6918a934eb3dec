/** The store's own id, generation and trusted time, and the folders of its large payloads. */
import { randomUUID } from '../../random';
import type { SpoolFolder } from '../store';
import type { Queries } from './queries';

/** Returns the store's id. */
export async function storeIdentity(queries: Queries): Promise<string> {
  const [row] = await queries.rows('SELECT id FROM store_identity');
  return String(row?.['id']);
}

/** Returns the store's spool key. */
export async function spoolKey(queries: Queries): Promise<string> {
  const [row] = await queries.rows('SELECT spool_key FROM store_identity');
  return String(row?.['spool_key']);
}

/** Gives the store the spool key of the one that it is a copy of. */
export async function setSpoolKey(queries: Queries, key: string): Promise<void> {
  await queries.rows('UPDATE store_identity SET spool_key = ?', key);
}

/** Returns the latest confirmed time; undefined before the first. */
export async function trustedTime(queries: Queries): Promise<number | undefined> {
  const [row] = await queries.rows('SELECT trusted_time FROM store_identity');
  const time = row?.['trusted_time'];
  return typeof time === 'number' ? time : undefined;
}

/** Sets the confirmed time; one that only running on has confirmed never sets it back. */
export async function trustTime(queries: Queries, time: number, isConfirmed: boolean): Promise<void> {
  await queries.rows(
    `UPDATE store_identity SET trusted_time = ?::float8
      WHERE trusted_time IS NULL OR ?::boolean OR trusted_time < ?::float8`,
    time,
    isConfirmed,
    time,
  );
}

/** Returns the store's generation. */
export async function generation(queries: Queries): Promise<string> {
  const [row] = await queries.rows('SELECT generation FROM store_identity');
  return String(row?.['generation']);
}

/** Gives the store another generation. */
export async function renewGeneration(queries: Queries): Promise<void> {
  await queries.rows('UPDATE store_identity SET generation = ?', randomUUID());
}

/** Records a folder that is to have files of messages; once it had payloads, it may have some for ever. */
export async function addSpoolFolder(queries: Queries, { path, hasPayloads }: SpoolFolder): Promise<void> {
  await queries.rows(
    `INSERT INTO spool_folder (path, has_payloads) VALUES (?, ?)
      ON CONFLICT (path) DO UPDATE SET has_payloads = true WHERE excluded.has_payloads`,
    path,
    hasPayloads,
  );
}

/** Returns the folders that have ever had files of messages of the store. */
export async function spoolFolders(queries: Queries): Promise<SpoolFolder[]> {
  const rows = await queries.rows('SELECT path, has_payloads FROM spool_folder ORDER BY path');
  return rows.map((row) => ({ path: String(row['path']), hasPayloads: row['has_payloads'] === true }));
}
