/** Who may send from, or poll, a mailbox: a row for each, whose time is the database's, which all instances share. */
import type { Role } from '../store';
import { MAILBOX } from './mailboxes';
import type { Queries } from './queries';
import type { Tell } from './outgoing';

/** Takes the lease, or prolongs it, for `ms` from now; false while another has it. */
export async function takeLease(
  queries: Queries,
  mailbox: string,
  role: Role,
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

/** Gives back all that an instance has, so that others need not wait for their ends. */
export async function giveLeasesBack(queries: Queries, owner: string, tell: Tell): Promise<void> {
  await queries.rows(
    `WITH gone AS (DELETE FROM mailbox_lease WHERE owner = ? RETURNING mailbox)
      SELECT pg_notify(?, ? || ' lease - ' || m.key)::text AS told FROM gone JOIN mailbox AS m ON m.id = gone.mailbox`,
    owner,
    tell.channel,
    tell.from,
  );
}
