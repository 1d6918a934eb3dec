/**
 * The retention works in slices, each a transaction of its own: one purge of a year's rows would hold the mailboxes'
 * locks, and with them every enqueue, for minutes. Several instances may purge at once: a slice finds what another has
 * left.
 *
 * Rows are named by an array of their keys: a join with the keys could be planned as one that reads the whole table.
 */
import type { Row } from '../rows/parse';
import type { Table } from '../rows/payload';
import { MIN_UNSETTLED_MS, type PurgedSlice, RECEIVED_PAYLOAD_DUE, RECEIVED_ROW_DUE } from '../rules/retention';
import type { Retention } from '../store';
import type { Queries } from './queries';

const PAYLOADS = 500;
const ROWS = 500;
const LEDGER_ENTRIES = 2000;

export async function purgeSlice(queries: Queries, now: number, retention: Retention): Promise<PurgedSlice> {
  const unsettledMs = Math.max(retention.unsettledPayloadMs, MIN_UNSETTLED_MS);
  const payloads = await Promise.all([
    removePayloads(queries, 'outgoing', 'payload_rule = 1', 'payload_since', now - retention.settledPayloadMs),
    removePayloads(queries, 'outgoing', 'payload_rule = 2', 'payload_since', now - unsettledMs),
    removePayloads(queries, 'incoming', RECEIVED_PAYLOAD_DUE, 'settled_at', now - retention.settledPayloadMs),
  ]);
  const rows = await Promise.all([
    removeRows(queries, 'outgoing', 'row_since IS NOT NULL', 'row_since', now - retention.rowsMs),
    removeRows(queries, 'incoming', RECEIVED_ROW_DUE, 'settled_at', now - retention.rowsMs),
  ]);
  const ledger = await removeLines(queries, now - retention.ledgerMs);
  const names = payloads.flat().flatMap((row) => (row['payload_name'] === null ? [] : [String(row['payload_name'])]));
  return {
    spoolNames: await unnamed(queries, names),
    rows: rows.reduce((sum, count) => sum + count, 0),
    ledgerEntries: ledger,
    more:
      payloads.some((each) => each.length >= PAYLOADS) ||
      rows.some((count) => count >= ROWS) ||
      ledger >= LEDGER_ENTRIES,
  };
}

/** Returns every spool name that a row names. */
export async function spoolNames(queries: Queries): Promise<Set<string>> {
  const rows = await queries.rows(
    `SELECT payload_name FROM outgoing WHERE payload_name IS NOT NULL
      UNION ALL SELECT payload_name FROM incoming WHERE payload_name IS NOT NULL`,
  );
  return new Set(rows.map((row) => String(row['payload_name'])));
}

/** Removes the payloads of a slice of rows, the oldest first by the column `since`; returns their rows. */
function removePayloads(
  queries: Queries,
  table: Table,
  condition: string,
  since: string,
  oldest: number,
): Promise<Row[]> {
  return queries.rows(
    `WITH due AS (
        SELECT seq, payload_name FROM ${table} WHERE ${condition} AND ${since} <= ?
          ORDER BY ${since} LIMIT ${PAYLOADS}),
      bytes AS (DELETE FROM ${table}_payload WHERE seq = ANY(ARRAY(SELECT seq FROM due))),
      bare AS (UPDATE ${table} SET payload_kind = NULL, payload_name = NULL, payload_file = NULL, payload_digest = NULL
        WHERE seq = ANY(ARRAY(SELECT seq FROM due)))
    SELECT payload_name FROM due`,
    oldest,
  );
}

/** Removes a slice of rows, the oldest first by the column `since`; returns how many. */
async function removeRows(
  queries: Queries,
  table: Table,
  condition: string,
  since: string,
  oldest: number,
): Promise<number> {
  const removed = await queries.rows(
    `DELETE FROM ${table} WHERE seq = ANY(ARRAY(
        SELECT seq FROM ${table} WHERE ${condition} AND ${since} <= ? ORDER BY ${since} LIMIT ${ROWS}))
      RETURNING 1 AS removed`,
    oldest,
  );
  return removed.length;
}

/** Removes a slice of lines, the oldest of each mailbox first; returns how many. */
async function removeLines(queries: Queries, oldest: number): Promise<number> {
  const removed = await queries.rows(
    `WITH removed AS (
        DELETE FROM ledger WHERE sequence = ANY(ARRAY(
          SELECT line.sequence FROM mailbox CROSS JOIN LATERAL (
            SELECT sequence FROM ledger AS l WHERE l.mailbox = mailbox.id AND time <= ? ORDER BY time, sequence
              LIMIT ${LEDGER_ENTRIES}) AS line LIMIT ${LEDGER_ENTRIES}))
          RETURNING 1)
      SELECT count(*) AS lines FROM removed`,
    oldest,
  );
  return Number(removed[0]?.['lines']);
}

/** Returns those of the names that no row names. */
async function unnamed(queries: Queries, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await queries.rows(
    `SELECT DISTINCT name FROM unnest(?::text[]) AS name
      WHERE (SELECT 1 FROM outgoing WHERE payload_name = name LIMIT 1) IS NULL
        AND (SELECT 1 FROM incoming WHERE payload_name = name LIMIT 1) IS NULL`,
    names,
  );
  return rows.map((row) => String(row['name']));
}
