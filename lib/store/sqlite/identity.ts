/** The store's own id, generation, spool key and trusted time, and the folders with files of its messages. */
import { randomUUID } from '../../random';
import type { SpoolFolder } from '../store';
import type { Statements } from './statements';

/** Returns a column of the store's one row of this kind. */
const column = (statements: Statements, name: string): unknown =>
  statements.get(`SELECT ${name} FROM store_identity`)?.[name];

/** Returns the store's id. */
export const storeId = (statements: Statements): string => String(column(statements, 'id'));

/** Returns the store's spool key. */
export const spoolKey = (statements: Statements): string => String(column(statements, 'spool_key'));

/** Gives the store the spool key of the one that it is a copy of. */
export function setSpoolKey(statements: Statements, key: string): void {
  statements.run('UPDATE store_identity SET spool_key = ?', key);
}

/** Returns the store's generation. */
export const generation = (statements: Statements): string => String(column(statements, 'generation'));

/** Gives the store another generation. */
export function renewGeneration(statements: Statements): void {
  statements.run('UPDATE store_identity SET generation = ?', randomUUID());
}

/** Returns the latest confirmed time; undefined before the first. */
export function trustedTime(statements: Statements): number | undefined {
  const time = column(statements, 'trusted_time');
  return typeof time === 'number' ? time : undefined;
}

/** Sets the confirmed time; one that only running on has confirmed never sets it back. */
export function trustTime(statements: Statements, time: number, isConfirmed: boolean): void {
  statements.run(
    'UPDATE store_identity SET trusted_time = ? WHERE trusted_time IS NULL OR ? OR trusted_time < ?',
    time,
    isConfirmed ? 1 : 0,
    time,
  );
}

/** Records a folder that is to have files of messages; once it had payloads, it may have some for ever. */
export function addSpoolFolder(statements: Statements, { path, hasPayloads }: SpoolFolder): void {
  statements.run(
    `INSERT INTO spool_folder (path, has_payloads) VALUES (?, ?)
      ON CONFLICT (path) DO UPDATE SET has_payloads = 1 WHERE excluded.has_payloads`,
    path,
    hasPayloads ? 1 : 0,
  );
}

/** Returns the folders that have ever had files of messages of the store. */
export function spoolFolders(statements: Statements): SpoolFolder[] {
  const rows = statements.all('SELECT path, has_payloads FROM spool_folder ORDER BY path');
  return rows.map((row) => ({ path: String(row['path']), hasPayloads: row['has_payloads'] === 1 }));
}
