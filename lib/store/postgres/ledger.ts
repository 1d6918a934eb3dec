/** The ledger: one line for each event, only ever added to, until the retention takes the oldest. */
import { LEDGER_COLUMNS, ledgerEntry } from '../rows/ledger';
import type { Row } from '../rows/parse';
import type { LedgerEntry, LedgerNote, Page } from '../store';
import { MAILBOX } from './mailboxes';
import type { Queries, Value } from './queries';

const LINE = 'time, mailbox, direction, reference, message_id, event, detail';
const SELECT = `SELECT ${LEDGER_COLUMNS} FROM ledger`;

/** A part of a statement that writes the line of a note for each row of `changed`: one statement, and one commit, for both. */
export function ledgerLine(changed: string, columns: string): string {
  return `INSERT INTO ledger (${LINE})
    SELECT ?::float8, ${columns}, ?::text, ?::text FROM ${changed}`;
}

/** The values for `ledgerLine`. */
export function lineValues(note: LedgerNote): Value[] {
  return [note.time, note.event, JSON.stringify(note.detail ?? {})];
}

export async function addLine(queries: Queries, entry: Omit<LedgerEntry, 'sequence'>): Promise<void> {
  const { time, mailbox, direction, reference, messageId, event, detail } = entry;
  await queries.rows(
    `INSERT INTO ledger (${LINE}) VALUES (?, ${MAILBOX}, ?, ?, ?, ?, ?)`,
    time,
    mailbox,
    direction,
    reference,
    messageId,
    event,
    JSON.stringify(detail),
  );
}

/** MESH's id is not in the lines from before MESH gave it: it leads to ours, and ours to all lines. */
export async function history(queries: Queries, mailbox: string, reference: string): Promise<LedgerEntry[]> {
  const rows = await queries.rows(
    `SELECT line.* FROM (
        SELECT ?::text AS reference
        UNION SELECT reference FROM ledger
          WHERE mailbox = ${MAILBOX} AND message_id = ? AND message_id IS NOT NULL AND message_id <> reference
      ) AS wanted CROSS JOIN LATERAL (
        ${SELECT} WHERE mailbox = ${MAILBOX} AND reference = wanted.reference ORDER BY sequence
      ) AS line ORDER BY line.sequence`,
    reference,
    mailbox,
    reference,
    mailbox,
  );
  return rows.map((row) => entryOf(row, mailbox));
}

/** In order of time, and of sequence where the times are the same. */
export async function between(
  queries: Queries,
  mailbox: string,
  { from, to }: { from: number; to: number },
  page: Page,
): Promise<LedgerEntry[]> {
  const after = page.after === undefined ? 0 : Number(page.after);
  // The retention takes the oldest first: where the last line of the page before is gone, so is all before it.
  const rows = await queries.rows(
    `${SELECT} WHERE mailbox = ${MAILBOX}
        AND (time, sequence) > (
          coalesce((SELECT time FROM ledger WHERE sequence = ?), ?::float8),
          coalesce((SELECT sequence FROM ledger WHERE sequence = ?), 0))
        AND time < ?
      ORDER BY time, sequence LIMIT ?`,
    mailbox,
    after,
    from,
    after,
    to,
    page.limit,
  );
  return rows.map((row) => entryOf(row, mailbox));
}

function entryOf(row: Row, mailbox: string): LedgerEntry {
  return ledgerEntry(row, () => mailbox);
}
