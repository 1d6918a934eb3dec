/** The ledger: one line for each event. Lines are only added, until the retention removes the oldest. */
import { LEDGER_COLUMNS, ledgerEntry, NEW_LEDGER_COLUMNS } from '../rows/ledger';
import type { Row } from '../rows/parse';
import { CONDITION_EVENTS, IS_CONDITION_EVENT } from '../rules/condition-events';
import type { LedgerEntry, LedgerNote, Page } from '../store';
import { MAILBOX } from './mailboxes';
import type { Queries, Value } from './queries';

const SELECT = `SELECT ${LEDGER_COLUMNS} FROM ledger`;

/**
 * Returns the part of a statement that writes the lines of `count` notes, in order, for each row of `changed`: all in
 * one statement and commit.
 */
export function ledgerLine(changed: string, columns: string, count = 1): string {
  const notes = Array.from({ length: count }, () => '(?::float8, ?::text, ?::text)').join(', ');
  return `INSERT INTO ledger (${NEW_LEDGER_COLUMNS})
    SELECT note.time, ${columns}, note.event, note.detail
      FROM ${changed} CROSS JOIN (VALUES ${notes}) AS note (time, event, detail)`;
}

/** Returns the values of a note for `ledgerLine`. */
export function lineValues(note: LedgerNote): Value[] {
  return [note.time, note.event, JSON.stringify(note.detail ?? {})];
}

export async function addLine(queries: Queries, entry: Omit<LedgerEntry, 'sequence'>): Promise<void> {
  const { time, mailbox, direction, reference, messageId, event, detail } = entry;
  await queries.rows(
    `INSERT INTO ledger (${NEW_LEDGER_COLUMNS}) VALUES (?, ${MAILBOX}, ?, ?, ?, ?, ?)`,
    time,
    mailbox,
    direction,
    reference,
    messageId,
    event,
    JSON.stringify(detail),
  );
}

/** Lines from before MESH assigned its id do not have it: MESH's id leads to ours, and ours to all lines. */
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
  // The retention removes the oldest first: if the last line of the page before is gone, so is all before it.
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

/** In order of time. There are few: the newest are enough. */
export async function conditionEvents(queries: Queries, mailbox: string, since: number): Promise<LedgerEntry[]> {
  const rows = await queries.rows(
    `${SELECT} WHERE mailbox = ${MAILBOX} AND ${IS_CONDITION_EVENT} AND time >= ?
      ORDER BY time DESC, sequence DESC LIMIT ${CONDITION_EVENTS}`,
    mailbox,
    since,
  );
  return rows.map((row) => entryOf(row, mailbox)).toReversed();
}

function entryOf(row: Row, mailbox: string): LedgerEntry {
  return ledgerEntry(row, () => mailbox);
}
