/** Where a message's bytes are: four columns of its row, and for a small payload a row in a table of its own. */
import { z } from 'zod';
import { StorageError } from '../../errors';
import type { StoredPayload } from '../store';
import { DAMAGED, json, type SqlValue } from './parse';

/** The tables whose rows have a payload; the bytes are in `<table>_payload`. */
export type Table = 'outgoing' | 'incoming';

/** The payload's part of a row's schema. */
export const payloadColumns = {
  payload_kind: z.enum(['inline', 'spool', 'file']).nullable(),
  payload_name: z.string().nullable(),
  payload_file: json(
    z.object({
      path: z.string(),
      size: z.number(),
      mtimeMs: z.number(),
      ino: z.number(),
      ctimeMs: z.number().exactOptional(),
    }),
  ).nullable(),
  payload_digest: z.string().nullable(),
};
export type PayloadRow = { [K in keyof typeof payloadColumns]: z.output<(typeof payloadColumns)[K]> };

/** Returns the values of the columns payload_kind, payload_name, payload_file and payload_digest. */
export function payloadValues(payload: StoredPayload | null): SqlValue[] {
  switch (payload?.kind) {
    case undefined:
      return [null, null, null, null];
    case 'inline':
      return ['inline', null, null, payload.digest ?? null];
    case 'spool':
      return ['spool', payload.name, null, payload.digest ?? null];
    case 'file': {
      const { path, size, mtimeMs, ino, ctimeMs } = payload;
      return ['file', null, JSON.stringify({ path, size, mtimeMs, ino, ctimeMs }), null];
    }
  }
}

/**
 * Returns the payload of a row. `bytes` reads `<table>_payload`; it is called for inline payloads only.
 * @throws StorageError when the bytes are missing
 */
export function payloadOf(table: Table, row: PayloadRow, bytes: () => unknown): StoredPayload | null {
  if (row.payload_kind === null) return null;
  const digest = row.payload_digest === null ? {} : { digest: row.payload_digest };
  if (row.payload_kind === 'spool' && row.payload_name !== null) {
    return { kind: 'spool', name: row.payload_name, ...digest };
  }
  if (row.payload_kind === 'file' && row.payload_file !== null) return { kind: 'file', ...row.payload_file };
  const found = bytes();
  if (!(found instanceof Uint8Array)) {
    throw new StorageError(`The store is damaged: the payload of a row of ${table} is missing.`, { advice: DAMAGED });
  }
  return { kind: 'inline', bytes: found, ...digest };
}
