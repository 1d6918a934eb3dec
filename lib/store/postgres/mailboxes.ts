/** The numbers that stand for mailbox keys in the tables. */
import type { Queries } from './queries';

/** The number of a key, as part of another statement: none, and so no rows, if nothing was ever stored for it. */
export const MAILBOX = '(SELECT mailbox.id FROM mailbox WHERE mailbox.key = ?)';

/** Makes numbers for the keys that have none. */
export async function makeMailboxes(queries: Queries, keys: readonly string[]): Promise<void> {
  await queries.rows('INSERT INTO mailbox (key) SELECT * FROM unnest(?::text[]) ON CONFLICT (key) DO NOTHING', keys);
}

/** Returns all keys. */
export async function mailboxKeys(queries: Queries): Promise<string[]> {
  const rows = await queries.rows('SELECT key FROM mailbox ORDER BY id');
  return rows.map((row) => String(row['key']));
}
