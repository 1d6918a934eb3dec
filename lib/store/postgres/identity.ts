/** The store's own id, generation and trusted time, and the folders of its large payloads. */
import { randomUUID } from '../../random';
import type { Queries } from './queries';

/** Returns the store's id. */
export async function storeIdentity(queries: Queries): Promise<string> {
  const [row] = await queries.rows('SELECT id FROM store_identity');
  return String(row?.['id']);
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

/** Records a folder that is to have large payloads of the store. */
export async function addSpoolFolder(queries: Queries, path: string): Promise<void> {
  await queries.rows('INSERT INTO spool_folder (path) VALUES (?) ON CONFLICT (path) DO NOTHING', path);
}

/** Returns the folders that have ever had large payloads of the store. */
export async function spoolFolders(queries: Queries): Promise<string[]> {
  const rows = await queries.rows('SELECT path FROM spool_folder ORDER BY path');
  return rows.map(({ path }) => String(path));
}
