/** The bytes of small payloads, in a table of their own. */
import type { Table } from '../rows/payload';
import type { StoredPayload } from '../store';
import type { Value } from './queries';

/** Returns placeholders, one for each of the types, which are separated by spaces. */
export function placeholders(types: string): string {
  return types.replaceAll(/\S+/g, (type) => `?::${type}`).replaceAll(' ', ', ');
}

/**
 * Returns the part of a statement that joins the bytes of each row of `rows`. LATERAL with a limit: each row's bytes are
 * looked up, whatever the planner expects of the tables; a join could be planned as one that reads all bytes.
 */
export function bytesJoined(table: Table, rows: string): string {
  return `LEFT JOIN LATERAL (SELECT bytes FROM ${table}_payload WHERE seq = ${rows}.seq LIMIT 1) AS p ON true`;
}

/** Returns the bytes that go into the table; null for a payload that is kept elsewhere. */
export function bytesOf(payload: StoredPayload | null | undefined): Uint8Array | null {
  return payload?.kind === 'inline' ? payload.bytes : null;
}

/**
 * Returns the part of a statement that follows `changed`, the rows whose payload a change sets; empty if it sets none.
 */
export function payloadParts(
  table: Table,
  payload: StoredPayload | null | undefined,
): { sql: string; values: Value[] } {
  const bytes = bytesOf(payload);
  if (payload === undefined) return { sql: '', values: [] };
  if (bytes === null) {
    return {
      sql: `, stored AS (DELETE FROM ${table}_payload WHERE seq = ANY(ARRAY(SELECT seq FROM changed)))`,
      values: [],
    };
  }
  const sql = `, stored AS (INSERT INTO ${table}_payload (seq, bytes) SELECT seq, ?::bytea FROM changed
    ON CONFLICT (seq) DO UPDATE SET bytes = excluded.bytes)`;
  return { sql, values: [bytes] };
}
