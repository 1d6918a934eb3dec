/** A change of a message as the assignments of an UPDATE. */
import type { IncomingChange, OutgoingChange } from '../store';
import type { SqlValue } from './parse';
import { payloadValues } from './payload';

/** For both tables: the columns that a change names, in the order of `columns`, so that one text serves many changes. */
export function assignments(
  columns: Record<string, string>,
  change: OutgoingChange | IncomingChange,
): { assignments: string[]; values: SqlValue[] } {
  const given = Object.entries(columns)
    .map(([key, column]) => ({ column, value: change[key as keyof typeof change] as unknown }))
    .filter(({ value }) => value !== undefined);
  const names = given.map(({ column }) => `${column} = ?`);
  const values = given.map(({ value }) =>
    typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as SqlValue),
  );
  if (change.payload === undefined) return { assignments: names, values };
  return {
    assignments: [...names, 'payload_kind = ?', 'payload_name = ?', 'payload_file = ?'],
    values: [...values, ...payloadValues(change.payload)],
  };
}
