/**
 * SQL on a connection: statements with `?` like those of the SQLite back end, and texts of every character in and out.
 */
import { createHash } from 'node:crypto';
import type { ClientBase } from 'pg';
import type { Row } from '../rows/parse';

export type Value = string | number | boolean | null | Uint8Array | readonly string[];

/** Runs statements in the order of the calls; the result of one need not be awaited before the next. */
export interface Queries {
  /**
   * Returns the rows of a statement. Its text must come from a small set, never with a value in it: it is prepared once
   * on each connection.
   */
  rows(sql: string, ...values: Value[]): Promise<Row[]>;
}

/** Called with each statement and its values: a test reads their plans. */
export type Watch = (sql: string, values: unknown[]) => void;

/** Statements on one connection. */
export function queriesOn(client: ClientBase, watch?: Watch): Queries {
  return {
    async rows(sql, ...values) {
      const { text, name } = prepared(sql);
      const parameters = values.map(stored);
      watch?.(text, parameters);
      const result = await client.query<Row>({ text, name, values: parameters });
      return result.rows.map(read);
    },
  };
}

const known = new Map<string, { text: string; name: string }>();

/** Replaces each `?` by `$1`, `$2` ...; no text of ours has a question mark otherwise. */
function prepared(sql: string): { text: string; name: string } {
  let found = known.get(sql);
  if (!found) {
    let count = 0;
    const text = sql.replaceAll('?', () => `$${++count}`);
    found = { text, name: `mesh_${createHash('sha256').update(text).digest('hex').slice(0, 16)}` };
    known.set(sql, found);
  }
  return found;
}

// PostgreSQL's text has no zero character. It is written as SUB 0, and SUB itself as SUB 1, so that equal stays equal.
const SUB = '\u001a';

function stored(value: Value): unknown {
  if (typeof value === 'string') return escaped(value);
  // The driver treats a Buffer as bytes, and any other typed array as a list.
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return Array.isArray(value) ? value.map((each: string) => escaped(each)) : value;
}

function escaped(text: string): string {
  if (!text.includes('\0') && !text.includes(SUB)) return text;
  return text.replaceAll(SUB, `${SUB}1`).replaceAll('\0', `${SUB}0`);
}

/** Returns rows as one value, JSON: for `json_to_recordset`, so that a statement is the same for any number of rows. */
export function jsonOf(rows: ReadonlyArray<Record<string, Value | undefined>>): string {
  return JSON.stringify(
    rows.map((row) => {
      const safe: Record<string, Value | undefined> = {};
      // JSON could name half of a surrogate pair, which the database refuses; in a value of its own it is replaced too.
      for (const [column, value] of Object.entries(row)) {
        safe[column] = typeof value === 'string' ? escaped(value).toWellFormed() : value;
      }
      return safe;
    }),
  );
}

function read(row: Row): Row {
  for (const [column, value] of Object.entries(row)) {
    if (typeof value === 'string' && value.includes(SUB)) {
      row[column] = value.replaceAll(`${SUB}0`, '\0').replaceAll(`${SUB}1`, SUB);
    } else if (value instanceof Buffer) {
      // Memory of its own: the driver's is a piece of all that came over the network, other rows included.
      row[column] = new Uint8Array(value);
    }
  }
  return row;
}
