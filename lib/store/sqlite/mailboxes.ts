/** The numbers that stand for mailbox keys in the tables. */
import type { Statements } from './statements';

export class Mailboxes {
  readonly #statements: Statements;
  readonly #numbers = new Map<string, number>();
  readonly #keys = new Map<number, string>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** Returns a mailbox's number, for a read; undefined if nothing was ever stored for it. */
  find(key: string): number | undefined {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const row = this.#statements.get('SELECT id FROM mailbox WHERE key = ?', key);
    return row && this.#remember(Number(row['id']), key);
  }

  /** Returns a mailbox's number, for a write; makes one if it has none. */
  number(key: string): number {
    const known = this.find(key);
    if (known !== undefined) return known;
    const row = this.#statements.get('INSERT INTO mailbox (key) VALUES (?) RETURNING id', key);
    return this.#remember(Number(row?.['id']), key);
  }

  key(number: number): string {
    const known = this.#keys.get(number);
    if (known !== undefined) return known;
    const row = this.#statements.get('SELECT key FROM mailbox WHERE id = ?', number);
    const key = String(row?.['key']);
    this.#remember(number, key);
    return key;
  }

  /** Returns all numbers: a handful, the mailboxes of one Node-RED. */
  all(): number[] {
    return this.#statements.all('SELECT id FROM mailbox').map((row) => Number(row['id']));
  }

  keys(): string[] {
    return this.all().map((number) => this.key(number));
  }

  /** Forgets all numbers, after a roll-back: one may no longer be there. */
  forget(): void {
    this.#numbers.clear();
    this.#keys.clear();
  }

  #remember(number: number, key: string): number {
    this.#numbers.set(key, number);
    this.#keys.set(number, key);
    return number;
  }
}
