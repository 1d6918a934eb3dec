/**
 * What is old goes, in slices, each a transaction of its own: one purge of a year's rows would hold the mailboxes' locks,
 * and with them every enqueue, for minutes. Several instances may purge at once: a slice finds what another has left.
 */
import type { Row } from '../rows/parse';
import type { Table } from '../rows/payload';
import type { Retention } from '../store';
import type { Queries } from './queries';

/** What one slice came to. */
export interface Purged {
  spoolNames: string[];
  rows: number;
  ledgerEntries: number;
  /** There is more to do. */
  more: boolean;
}

/** What may have to be resent stays so long at the least, whatever the setting says. */
const UNSETTLED_AT_LEAST_MS = 30 * 24 * 60 * 60 * 1000;

const PAYLOADS = 500;
const ROWS = 500;
const LEDGER_ENTRIES = 2000;

export async function purgeSlice(queries: Queries, now: number, retention: Retention): Promise<Purged> {
  const unsettledMs = Math.max(retention.unsettledPayloadMs, UNSETTLED_AT_LEAST_MS);
  const payloads = await Promise.all([
    dropPayloads(queries, 'outgoing', 'payload_rule = 1 AND payload_since', now - retention.settledPayloadMs),
    dropPayloads(queries, 'outgoing', 'payload_rule = 2 AND payload_since', now - unsettledMs),
    dropPayloads(queries, 'incoming', RECEIVED_PAYLOAD, now - retention.settledPayloadMs),
  ]);
  const rows = await Promise.all([
    dropRows(queries, 'outgoing', 'row_since', now - retention.rowsMs),
    dropRows(queries, 'incoming', RECEIVED_ROW, now - retention.rowsMs),
  ]);
  const ledger = await dropLines(queries, now - retention.ledgerMs);
  const names = payloads.flat().flatMap((row) => (row['payload_name'] === null ? [] : [String(row['payload_name'])]));
  return {
    spoolNames: await unreferred(queries, names),
    rows: rows.reduce((sum, count) => sum + count, 0),
    ledgerEntries: ledger.reduce((sum, count) => sum + count, 0),
    more:
      payloads.some((each) => each.length >= PAYLOADS) ||
      rows.some((count) => count >= ROWS) ||
      ledger.some((count) => count >= LEDGER_ENTRIES),
  };
}

const RECEIVED_PAYLOAD = `state = 'done' AND payload_kind IS NOT NULL AND settled_at`;
const RECEIVED_ROW = `state = 'done' AND payload_kind IS NULL AND settled_at`;
/** The column of a condition: its index gives the oldest first. */
const lastWord = (condition: string): string => condition.split(' ').at(-1) ?? '';

/** Every spool name that a row refers to. */
export async function spoolNames(queries: Queries): Promise<Set<string>> {
  const rows = await queries.rows(
    `SELECT payload_name FROM outgoing WHERE payload_name IS NOT NULL
      UNION ALL SELECT payload_name FROM incoming WHERE payload_name IS NOT NULL`,
  );
  return new Set(rows.map((row) => String(row['payload_name'])));
}

function dropPayloads(queries: Queries, table: Table, condition: string, oldest: number): Promise<Row[]> {
  return queries.rows(
    `WITH due AS (
        SELECT seq, payload_name FROM ${table} WHERE ${condition} <= ? ORDER BY ${lastWord(condition)} LIMIT ${PAYLOADS}),
      bytes AS (DELETE FROM ${table}_payload WHERE seq IN (SELECT seq FROM due)),
      bare AS (UPDATE ${table} SET payload_kind = NULL, payload_name = NULL, payload_file = NULL
        WHERE seq IN (SELECT seq FROM due))
    SELECT payload_name FROM due`,
    oldest,
  );
}

async function dropRows(queries: Queries, table: Table, condition: string, oldest: number): Promise<number> {
  const gone = await queries.rows(
    `DELETE FROM ${table} WHERE seq IN (
        SELECT seq FROM ${table} WHERE ${condition} <= ? ORDER BY ${lastWord(condition)} LIMIT ${ROWS}) RETURNING 1 AS gone`,
    oldest,
  );
  return gone.length;
}

/** How many of each mailbox. */
async function dropLines(queries: Queries, oldest: number): Promise<number[]> {
  const gone = await queries.rows(
    `WITH gone AS (
        DELETE FROM ledger WHERE sequence IN (
          SELECT line.sequence FROM mailbox CROSS JOIN LATERAL (
            SELECT sequence FROM ledger AS l WHERE l.mailbox = mailbox.id AND time <= ? ORDER BY time, sequence
              LIMIT ${LEDGER_ENTRIES}) AS line)
          RETURNING mailbox)
      SELECT mailbox, count(*) AS lines FROM gone GROUP BY mailbox`,
    oldest,
  );
  return gone.map((row) => Number(row['lines']));
}

async function unreferred(queries: Queries, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await queries.rows(
    `SELECT DISTINCT name FROM unnest(?::text[]) AS name
      WHERE NOT EXISTS (SELECT 1 FROM outgoing WHERE payload_name = name)
        AND NOT EXISTS (SELECT 1 FROM incoming WHERE payload_name = name)`,
    names,
  );
  return rows.map((row) => String(row['name']));
}
