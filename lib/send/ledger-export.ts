/** The ledger as text, for an incident report: what happened to which message, without payloads or patient data. */
import type { LedgerEntry } from '../store/store';

/** CSV for spreadsheets, JSON lines for other programs. */
export type LedgerFormat = 'csv' | 'jsonl';

const COLUMNS = ['time', 'direction', 'reference', 'messageId', 'event', 'detail'] as const;

/** Returns the first line of an export: CSV's column names. JSON lines have none. */
export function ledgerHead(format: LedgerFormat): string {
  return format === 'csv' ? `${COLUMNS.join(',')}\r\n` : '';
}

/** Returns one event as a line, including its line end. Times are ISO 8601 UTC. */
export function ledgerLine(entry: LedgerEntry, format: LedgerFormat): string {
  const { direction, reference, messageId, event, detail } = entry;
  const line = { time: new Date(entry.time).toISOString(), direction, reference, messageId, event, detail };
  if (format === 'jsonl') return `${JSON.stringify(line)}\n`;
  const cells = COLUMNS.map((column) => (column === 'detail' ? JSON.stringify(detail) : (line[column] ?? '')));
  return `${cells.map(cell).join(',')}\r\n`;
}

/** A cell by RFC 4180, escaped so that a spreadsheet does not take an id for a formula. */
function cell(text: string): string {
  const harmless = /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
