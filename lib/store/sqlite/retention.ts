/**
 * The retention works in slices: one purge of a year's rows in one commit would hold the worker, and with it every
 * enqueue, for seconds. Between two slices the operations that wait are served.
 */
import type { Row } from '../rows/parse';
import type { Table } from '../rows/payload';
import { MIN_UNSETTLED_MS, type PurgedSlice, RECEIVED_PAYLOAD_DUE, RECEIVED_ROW_DUE } from '../rules/retention';
import type { Retention } from '../store';
import type { Mailboxes } from './mailboxes';
import { Payloads } from './payloads';
import type { Statements } from './statements';

// A payload is up to 16 pages, each of which is overwritten: a slice of 100 writes 6 MiB, about 20 ms on an SSD.
const PAYLOADS = 100;
const ROWS = 200;
const LEDGER_ENTRIES = 2000;
/** Free pages that are kept for reuse; those beyond go back to the disk. */
const SPARE_PAGES = 2000;
const PAGES = 500;

export class Purge {
  readonly #statements: Statements;
  readonly #mailboxes: Mailboxes;
  readonly #payloads: Record<Table, Payloads>;

  constructor(statements: Statements, mailboxes: Mailboxes) {
    this.#statements = statements;
    this.#mailboxes = mailboxes;
    this.#payloads = { outgoing: new Payloads(statements, 'outgoing'), incoming: new Payloads(statements, 'incoming') };
  }

  slice(now: number, retention: Retention): PurgedSlice {
    const names = new Set<string>();
    const unsettledMs = Math.max(retention.unsettledPayloadMs, MIN_UNSETTLED_MS);
    const payloads = [
      ...this.#outgoingPayloads(1, now - retention.settledPayloadMs),
      ...this.#outgoingPayloads(2, now - unsettledMs),
    ];
    this.#dropPayloads('outgoing', payloads, names);
    const received = this.#statements.all(
      `SELECT seq, payload_name FROM incoming INDEXED BY incoming_payload_due
        WHERE ${RECEIVED_PAYLOAD_DUE} AND settled_at <= ? LIMIT ${PAYLOADS}`,
      now - retention.settledPayloadMs,
    );
    this.#dropPayloads('incoming', received, names);

    const oldest = now - retention.rowsMs;
    const outgoing = this.#statements.run(
      `DELETE FROM outgoing WHERE seq IN (SELECT seq FROM outgoing INDEXED BY outgoing_row_due
        WHERE row_since IS NOT NULL AND row_since <= ? LIMIT ${ROWS})`,
      oldest,
    );
    const incoming = this.#statements.run(
      `DELETE FROM incoming WHERE seq IN (SELECT seq FROM incoming INDEXED BY incoming_row_due
        WHERE ${RECEIVED_ROW_DUE} AND settled_at <= ? LIMIT ${ROWS})`,
      oldest,
    );
    let ledger = 0;
    for (const mailbox of this.#mailboxes.all()) {
      ledger += this.#statements.run(
        `DELETE FROM ledger WHERE sequence IN (SELECT sequence FROM ledger INDEXED BY ledger_time
          WHERE mailbox = ? AND time <= ? ORDER BY time LIMIT ?)`,
        mailbox,
        now - retention.ledgerMs,
        LEDGER_ENTRIES - ledger,
      );
    }
    const shrunk = this.#shrink();
    return {
      spoolNames: [...names].filter((name) => !this.#isNamed(name)),
      rows: outgoing + incoming,
      ledgerEntries: ledger,
      more:
        shrunk ||
        payloads.length >= PAYLOADS ||
        received.length >= PAYLOADS ||
        outgoing >= ROWS ||
        incoming >= ROWS ||
        ledger >= LEDGER_ENTRIES,
    };
  }

  /** Returns every spool name that a row names. */
  spoolNames(): Set<string> {
    const tables: Table[] = ['outgoing', 'incoming'];
    const rows = tables.flatMap((table) =>
      this.#statements.all(
        `SELECT payload_name FROM ${table} INDEXED BY ${table}_spool
          WHERE payload_name IS NOT NULL AND payload_name > ''`,
      ),
    );
    return new Set(rows.map((row) => String(row['payload_name'])));
  }

  #outgoingPayloads(rule: 1 | 2, oldest: number): Row[] {
    return this.#statements.all(
      `SELECT seq, payload_name FROM outgoing INDEXED BY outgoing_payload_due
        WHERE payload_rule IS NOT NULL AND payload_rule = ? AND payload_since <= ? LIMIT ${PAYLOADS}`,
      rule,
      oldest,
    );
  }

  #dropPayloads(table: Table, rows: Row[], names: Set<string>): void {
    for (const row of rows) {
      const seq = Number(row['seq']);
      this.#statements.run(
        `UPDATE ${table} SET payload_kind = NULL, payload_name = NULL, payload_file = NULL, payload_digest = NULL
          WHERE seq = ?`,
        seq,
      );
      this.#payloads[table].remove(seq);
      if (row['payload_name'] !== null) names.add(String(row['payload_name']));
    }
  }

  #isNamed(name: string): boolean {
    const tables: Table[] = ['outgoing', 'incoming'];
    return tables.some(
      (table) => this.#statements.get(`SELECT 1 FROM ${table} WHERE payload_name = ? LIMIT 1`, name) !== undefined,
    );
  }

  /** Returns free pages to the disk; returns whether there are more. */
  #shrink(): boolean {
    const free = Number(this.#statements.get('PRAGMA freelist_count')?.['freelist_count']);
    if (free <= SPARE_PAGES) return false;
    this.#statements.exec(`PRAGMA incremental_vacuum(${Math.min(PAGES, free - SPARE_PAGES)})`);
    return free - SPARE_PAGES > PAGES;
  }
}
