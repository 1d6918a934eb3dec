/** Prepared statements, each prepared once. */
import type { SQLInputValue } from 'node:sqlite';
import type { Row } from '../rows/parse';
import type { Database, Statement } from './driver';

/** Runs SQL. Texts must come from a small set, never with a value in them: each is kept prepared. */
export class Statements {
  readonly #database: Database;
  readonly #prepared = new Map<string, Statement>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Returns every row. */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values);
  }

  /** Returns the first row. */
  get(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  /** Returns how many rows it changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  /** Returns the `seq` of the row that an INSERT has added; undefined if `ON CONFLICT` let it add none. */
  insert(sql: string, ...values: SQLInputValue[]): number | undefined {
    const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
    return changes === 0 ? undefined : Number(lastInsertRowid);
  }

  /** Runs a statement without result and values. */
  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** Returns the query plan of every statement used so far. For tests. */
  plans(): Array<{ sql: string; plan: string[] }> {
    return [...this.#prepared.keys()].map((sql) => ({
      sql,
      plan: this.#database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map((row) => String(row['detail'])),
    }));
  }

  #statement(sql: string): Statement {
    let statement = this.#prepared.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
