/**
 * Advisory locks. Every transaction that writes holds the locks of the mailboxes that it writes to until its end, so
 * that the changes of one mailbox come one after the other, whichever instance makes them: a trigger never counts, and
 * a lane never blocks, beside a change that it cannot see; a line of the ledger never appears after one with a higher
 * number; and two transactions never wait for each other, because locks are taken in order of the mailboxes' numbers.
 */
import { createHash } from 'node:crypto';
import type { Queries } from './queries';

/** The mailboxes that a transaction writes to. */
export interface Written {
  /** Keys of mailboxes. */
  mailboxes?: readonly string[];
  /** Ids of outgoing messages, whose mailbox is looked up. */
  ids?: readonly string[];
  /** Every mailbox. */
  all?: boolean;
}

/** Returns the first of the two numbers of our locks: each schema of a database has its own. */
export function lockClass(schema: string): number {
  return createHash('sha256').update(`nhs-mesh ${schema}`).digest().readInt32BE(0);
}

/** Waits for the locks. */
export async function lockMailboxes(queries: Queries, schema: string, written: readonly Written[]): Promise<void> {
  await queries.rows(
    `SELECT count(pg_advisory_xact_lock(?::int, id)) FROM (
        SELECT id FROM mailbox WHERE key = ANY(?::text[]) OR ?::boolean
        UNION SELECT mailbox FROM outgoing WHERE id = ANY(?::text[])
        ORDER BY 1) AS written`,
    lockClass(schema),
    written.flatMap(({ mailboxes = [] }) => mailboxes),
    written.some(({ all }) => all),
    written.flatMap(({ ids = [] }) => ids),
  );
}
