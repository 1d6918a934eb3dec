/** The rows that a person typed in the editor, as the flow file keeps them. */
import * as z from 'zod';
import { ConfigurationError } from '../../errors';
import type { CodeRow } from './types';

const typedRowSchema = z.object({
  sourceSystem: z.string().optional(),
  source: z.string(),
  targetSystem: z.string().optional(),
  target: z.string(),
  display: z.string().optional(),
  equivalence: z.string().optional(),
  priority: z.union([z.string(), z.number()]).optional(),
});

/** A row without a place: rows are numbered by their order. */
export type TypedCodeRow = Omit<CodeRow, 'at'>;

/**
 * Returns the rows of their JSON; none for an empty text.
 * @throws ConfigurationError when it is no list of rows
 */
export function readTypedRows(json: string): TypedCodeRow[] {
  let content: unknown;
  try {
    content = json === '' ? [] : JSON.parse(json);
  } catch {
    // Refused below.
  }
  const read = z.array(typedRowSchema).safeParse(content);
  if (read.success) return read.data;
  throw new ConfigurationError('The rows of the table are no list of rows.', {
    advice: 'Open the table in the editor, or correct the rows in the flow file.',
  });
}

/** Returns a row without its place and what is empty. */
export function typedRow({ source, target, ...optional }: CodeRow): TypedCodeRow {
  const filled = Object.entries(optional).filter(
    ([name, value]) => name !== 'at' && value !== undefined && value !== '',
  );
  return { source, target, ...Object.fromEntries(filled) };
}
