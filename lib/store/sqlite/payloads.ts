/** The bytes of small payloads, in a table of their own. */
import { payloadOf, type PayloadRow, type Table } from '../rows/payload';
import type { StoredPayload } from '../store';
import type { Statements } from './statements';

export class Payloads {
  readonly #statements: Statements;
  readonly #table: Table;

  constructor(statements: Statements, table: Table) {
    this.#statements = statements;
    this.#table = table;
  }

  /** Stores the payload of a new row, if it is inline. */
  add(seq: number, payload: StoredPayload | null): void {
    if (payload?.kind !== 'inline') return;
    this.#statements.run(`INSERT INTO ${this.#table}_payload (seq, bytes) VALUES (?, ?)`, seq, payload.bytes);
  }

  remove(seq: number): void {
    this.#statements.run(`DELETE FROM ${this.#table}_payload WHERE seq = ?`, seq);
  }

  read(seq: number, row: PayloadRow): StoredPayload | null {
    const sql = `SELECT bytes FROM ${this.#table}_payload WHERE seq = ?`;
    return payloadOf(this.#table, row, () => this.#statements.get(sql, seq)?.['bytes']);
  }
}
