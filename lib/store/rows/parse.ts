/** Rows of a database are parsed once, here at the edge: a damaged row is a clear error, never a crash later. */
import { z } from 'zod';
import { StorageError } from '../../errors';

/** A row as a driver returns it: columns by name. */
export type Row = Record<string, string | number | bigint | boolean | null | Uint8Array>;
/** A value that a column may be set to, in either back end. */
export type SqlValue = string | number | null;

/** The schema of a column that contains JSON. */
export function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue('not JSON');
        return z.NEVER;
      }
    })
    .pipe(schema);
}

export const flag = z.union([z.literal(0), z.literal(1)]).transform((value) => value === 1);
export const time = z.number().nullable();
export const object = z.record(z.string(), z.unknown());

export const storedError = z.object({
  code: z.string(),
  message: z.string(),
  advice: z.string().exactOptional(),
  meshCode: z.string().exactOptional(),
  event: z.string().exactOptional(),
  description: z.string().exactOptional(),
});

/** The advice for a damaged store. */
export const DAMAGED =
  'Stop Node-RED, keep a copy of the store (mesh.db and mesh.db-wal, or the database), and restore the last backup.';

/**
 * Returns a row as its schema describes it.
 * @throws StorageError when it is damaged: names the table and the column, never a value
 */
export function parse<T extends z.ZodType>(schema: T, table: string, row: Row): z.output<T> {
  const result = schema.safeParse(row);
  if (result.success) return result.data;
  const column = result.error.issues[0]?.path.join('.') ?? '';
  throw new StorageError(`The store is damaged: a row of ${table} cannot be read (${column}).`, {
    advice: DAMAGED,
  });
}
