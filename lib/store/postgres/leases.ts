/** Who may send from, or poll, a mailbox: a row for each, by the database's clock, which all instances share. */
import type { LeaseRole } from '../store';
import { MAILBOX } from './mailboxes';
import type { Notify } from './notifications';
import type { Queries } from './queries';

/** Takes or extends the lease for `ms` milliseconds from now; false while another instance has it. */
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
        SET owner = excluded.owner, until = clock_timestamp() + ?::float8 * interval '1 millisecond'
        WHERE held.owner = excluded.owner OR held.until <= clock_timestamp()
      RETURNING owner`,
    mailbox,
    role,
    owner,
    ms,
    ms,
  );
  return rows.length > 0;
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
