/** Where a message's bytes are: three columns of its row, and for small ones a row in a table of their own. */
import type { SQLInputValue } from 'node:sqlite';
import { z } from 'zod';
import { StorageError } from '../../errors';
import type { StoredPayload } from '../store';
import { json } from './parse';
import type { Statements } from './statements';

export type Table = 'outgoing' | 'incoming';

/** Part of the schema of a row. */
export const payloadColumns = {
  payload_kind: z.enum(['inline', 'spool', 'file']).nullable(),
  payload_name: z.string().nullable(),
  payload_file: json(z.object({ path: z.string(), size: z.number(), mtimeMs: z.number(), ino: z.number() })).nullable(),
};
export type PayloadRow = { [K in keyof typeof payloadColumns]: z.output<(typeof payloadColumns)[K]> };

/** The values of the columns payload_kind, payload_name and payload_file. */
export function payloadValues(payload: StoredPayload | null): SQLInputValue[] {
  switch (payload?.kind) {
    case undefined:
      return [null, null, null];
    case 'inline':
      return ['inline', null, null];
    case 'spool':
      return ['spool', payload.name, null];
    case 'file': {
      const { path, size, mtimeMs, ino } = payload;
      return ['file', null, JSON.stringify({ path, size, mtimeMs, ino })];
    }
  }
}

export class Payloads {
  readonly #statements: Statements;
  readonly #table: Table;

  constructor(statements: Statements, table: Table) {
    this.#statements = statements;
    this.#table = table;
  }

  /** Stores the bytes of a new row, if they are inline. */
  add(seq: number, payload: StoredPayload | null): void {
    if (payload?.kind !== 'inline') return;
    this.#statements.run(`INSERT INTO ${this.#table}_payload (seq, bytes) VALUES (?, ?)`, seq, payload.bytes);
  }

  remove(seq: number): void {
    this.#statements.run(`DELETE FROM ${this.#table}_payload WHERE seq = ?`, seq);
  }

  read(seq: number, row: PayloadRow): StoredPayload | null {
    if (row.payload_kind === null) return null;
    if (row.payload_kind === 'spool' && row.payload_name !== null) return { kind: 'spool', name: row.payload_name };
    if (row.payload_kind === 'file' && row.payload_file !== null) return { kind: 'file', ...row.payload_file };
    const found = this.#statements.get(`SELECT bytes FROM ${this.#table}_payload WHERE seq = ?`, seq);
    if (!(found?.['bytes'] instanceof Uint8Array)) {
      throw new StorageError(`The store is damaged: the payload of a row of ${this.#table} is missing.`, {
        advice: 'Stop Node-RED, keep a copy of mesh.db and mesh.db-wal, and restore the last backup.',
      });
    }
    return { kind: 'inline', bytes: found['bytes'] };
  }
}
