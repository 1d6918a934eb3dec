/** What comes from the file is parsed once, here at the edge: a damaged row is a clear error, never a crash later. */
import { z } from 'zod';
import { StorageError } from '../../errors';
import type { Row } from './statements';

/** A column that holds JSON. */
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

/** A row as its schema has it. The error names the table and the column, never a value. */
export function parse<T extends z.ZodType>(schema: T, table: string, row: Row): z.output<T> {
  const result = schema.safeParse(row);
  if (result.success) return result.data;
  const column = result.error.issues[0]?.path.join('.') ?? '';
  throw new StorageError(`The store is damaged: a row of ${table} cannot be read (${column}).`, {
    advice: 'Stop Node-RED, keep a copy of mesh.db and mesh.db-wal, and restore the last backup.',
  });
}
