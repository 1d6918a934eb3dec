/** The table `ledger`. Both back ends name and type the columns alike. */
import { z } from 'zod';
import type { LedgerEntry } from '../store';
import { json, parse, type Row } from './parse';

const ledgerRow = z.object({
  sequence: z.number(),
  time: z.number(),
  mailbox: z.number(),
  direction: z.enum(['out', 'in']),
  reference: z.string(),
  message_id: z.string().nullable(),
  event: z.string(),
  detail: json(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]))),
});

export const LEDGER_COLUMNS = Object.keys(ledgerRow.shape).join(', ');
/** The columns that an INSERT sets. */
export const NEW_LEDGER_COLUMNS = 'time, mailbox, direction, reference, message_id, event, detail';

/** Returns the entry of a row; `keyOf` returns the mailbox key that a number stands for. */
export function ledgerEntry(row: Row, keyOf: (mailbox: number) => string): LedgerEntry {
  const { message_id: messageId, mailbox, ...rest } = parse(ledgerRow, 'ledger', row);
  return { ...rest, mailbox: keyOf(mailbox), messageId };
}
