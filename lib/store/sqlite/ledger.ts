/** The ledger: one line for each event. Lines are only added, until the retention removes the oldest. */
import { LEDGER_COLUMNS, ledgerEntry, NEW_LEDGER_COLUMNS } from '../rows/ledger';
import type { Row } from '../rows/parse';
import { CONDITION_EVENTS, IS_CONDITION_EVENT } from '../rules/condition-events';
import type { LedgerEntry, LedgerNote, Page } from '../store';
import type { Mailboxes } from './mailboxes';
import type { Statements } from './statements';

export class Ledger {
  readonly #statements: Statements;
  readonly #mailboxes: Mailboxes;

  constructor(statements: Statements, mailboxes: Mailboxes) {
    this.#statements = statements;
    this.#mailboxes = mailboxes;
  }

  add(mailbox: number, direction: 'out' | 'in', reference: string, messageId: string | null, note: LedgerNote): void {
    this.#statements.run(
      `INSERT INTO ledger (${NEW_LEDGER_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      note.time,
      mailbox,
      direction,
      reference,
      messageId,
      note.event,
      JSON.stringify(note.detail ?? {}),
    );
  }

  note(entry: Omit<LedgerEntry, 'sequence'>): void {
    const mailbox = this.#mailboxes.number(entry.mailbox);
    this.add(mailbox, entry.direction, entry.reference, entry.messageId, entry);
  }

  /** Lines from before MESH assigned its id do not have it: MESH's id leads to ours, and ours to all lines. */
  history(mailboxKey: string, reference: string): LedgerEntry[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    const references = this.#statements.all(
      `SELECT reference FROM ledger INDEXED BY ledger_message
        WHERE mailbox = ? AND message_id = ? AND message_id IS NOT NULL AND message_id <> reference`,
      mailbox,
      reference,
    );
    return [...new Set([reference, ...references.map((row) => String(row['reference']))])]
      .flatMap((each) =>
        this.#statements.all(
          `SELECT ${LEDGER_COLUMNS} FROM ledger INDEXED BY ledger_reference
            WHERE mailbox = ? AND reference = ? ORDER BY sequence`,
          mailbox,
          each,
        ),
      )
      .map((row) => this.#entry(row))
      .sort((one, other) => one.sequence - other.sequence);
  }

  /** In order of time, and of sequence where the times are the same. */
  between(mailboxKey: string, from: number, to: number, page: Page): LedgerEntry[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    // The retention removes the oldest first: if the last line of the page before is gone, so is all before it.
    const after = Number(page.after ?? 0);
    const last = this.#statements.get('SELECT time FROM ledger WHERE sequence = ?', after);
    const start = last ? [Number(last['time']), after] : [from, 0];
    return this.#statements
      .all(
        `SELECT ${LEDGER_COLUMNS} FROM ledger INDEXED BY ledger_time
          WHERE mailbox = ? AND (time, sequence) > (?, ?) AND time < ? ORDER BY time, sequence LIMIT ?`,
        mailbox,
        ...start,
        to,
        page.limit,
      )
      .map((row) => this.#entry(row));
  }

  /** In order of time. There are few: the newest are enough. */
  conditionEvents(mailboxKey: string, since: number): LedgerEntry[] {
    const mailbox = this.#mailboxes.find(mailboxKey);
    if (mailbox === undefined) return [];
    return this.#statements
      .all(
        `SELECT ${LEDGER_COLUMNS} FROM ledger INDEXED BY ledger_condition
          WHERE mailbox = ? AND ${IS_CONDITION_EVENT} AND time >= ?
          ORDER BY time DESC, sequence DESC LIMIT ${CONDITION_EVENTS}`,
        mailbox,
        since,
      )
      .map((row) => this.#entry(row))
      .toReversed();
  }

  #entry(row: Row): LedgerEntry {
    return ledgerEntry(row, (mailbox) => this.#mailboxes.key(mailbox));
  }
}
