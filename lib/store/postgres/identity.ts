/** The store's own id, and the folders of its large payloads. */
import type { Queries } from './queries';

/** Returns the store's id. */
export async function storeIdentity(queries: Queries): Promise<string> {
  const [row] = await queries.rows('SELECT id FROM store_identity');
  return String(row?.['id']);
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
