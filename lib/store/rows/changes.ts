/** A change of a message as the assignments of an UPDATE. */
import type { IncomingChange, OutgoingChange } from '../store';
import type { SqlValue } from './parse';
import { payloadValues } from './payload';

/**
 * Returns the columns that a change names, for either table, in the order of `columns`, so that one prepared text
 * serves many changes.
 */
export function assignments(
  columns: Record<string, string>,
  change: OutgoingChange | IncomingChange,
): { assignments: string[]; values: SqlValue[] } {
  const names: string[] = [];
  const values: SqlValue[] = [];
  // One pass without intermediate lists: every change of every message comes through here.
  for (const key in columns) {
    const value = change[key as keyof typeof change] as unknown;
    if (value === undefined) continue;
    names.push(`${columns[key]} = ?`);
    values.push(typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as SqlValue));
  }
  if (change.payload === undefined) return { assignments: names, values };
  return {
    assignments: [...names, 'payload_kind = ?', 'payload_name = ?', 'payload_file = ?', 'payload_digest = ?'],
    values: [...values, ...payloadValues(change.payload)],
  };
}
