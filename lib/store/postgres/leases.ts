/** Who may send from, or poll, a mailbox: a row for each, by the database's clock, which all instances share. */
import type { LeaseRole } from '../store';
import { MAILBOX } from './mailboxes';
import type { Notify } from './notifications';
import type { Queries } from './queries';

/**
 * Takes or extends the lease for `ms` milliseconds from now; false while another instance has it. A lease that ends
 * further ahead than in `ms` was taken before the database's clock was set back: from now on it ends in `ms`, by when
 * its owner, which counts by its own clocks (mailbox-lease.ts), has extended it or lost it.
 */
export async function takeLease(
  queries: Queries,
  mailbox: string,
  role: LeaseRole,
  owner: string,
  ms: number,
): Promise<boolean> {
  // clock_timestamp, not now(): a transaction may have waited for the row.
  const rows = await queries.rows(
    `INSERT INTO mailbox_lease AS held (mailbox, role, owner, until)
      VALUES (${MAILBOX}, ?, ?, clock_timestamp() + ?::float8 * interval '1 millisecond')
      ON CONFLICT (mailbox, role) DO UPDATE
        SET owner = CASE WHEN held.until <= clock_timestamp() THEN excluded.owner ELSE held.owner END,
          until = clock_timestamp() + ?::float8 * interval '1 millisecond'
        WHERE held.owner = excluded.owner OR held.until <= clock_timestamp()
          OR held.until > clock_timestamp() + ?::float8 * interval '1 millisecond'
      RETURNING owner`,
    mailbox,
    role,
    owner,
    ms,
    ms,
    ms,
  );
  return rows[0]?.['owner'] === owner;
}

/** Releases the leases of an instance, so that the others need not wait for their ends. */
export async function releaseLeases(queries: Queries, owner: string, notify: Notify): Promise<void> {
  await queries.rows(
    `WITH released AS (DELETE FROM mailbox_lease WHERE owner = ? RETURNING mailbox)
      SELECT pg_notify(?, ? || ' lease - ' || m.key)::text AS notified
        FROM released JOIN mailbox AS m ON m.id = released.mailbox`,
    owner,
    notify.channel,
    notify.from,
  );
}
