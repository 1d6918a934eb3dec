/** The plans of the statements that the contract has used, on tables that are large enough to matter to the planner. */
import { Client } from 'pg';
import { MAILBOX, OTHER } from '../contract/support';

/** Fills a schema: tens of thousands of settled rows, and a few that are under way. */
const SEED = `
  INSERT INTO mailbox (key) VALUES ('${MAILBOX}'), ('${OTHER}');
  ALTER TABLE outgoing DISABLE TRIGGER USER;
  INSERT INTO outgoing (id, mailbox, instance, once_key, lane, strict_order, local_id, local_id_is_unique, workflow_id,
      envelope, size, queued_at, resend_of, state, payload_kind, payload_name, message_id, settled_at, next_track_at,
      infrastructure, business, collect_by)
    SELECT 'id-' || lpad(i::text, 9, '0'), 1 + i % 2, CASE WHEN i % 50 = 0 THEN 'i' || i % 3 END, 'key-' || i,
      'lane ' || i % 100, i % 2, 'local-' || i, 1, 'W', '{}', 5, i, CASE WHEN i % 50 = 0 THEN 'r' || i END,
      CASE WHEN i % 100 = 0 THEN 'queued' WHEN i % 100 = 1 THEN 'accepted' ELSE 'acknowledged' END,
      CASE WHEN i % 20 = 0 THEN 'inline' WHEN i % 20 = 1 THEN 'spool' END, CASE WHEN i % 20 = 1 THEN 'name-' || i END,
      'M' || i, i, CASE WHEN i % 100 = 1 THEN i END, 'not-asked', 'not-asked', CASE WHEN i % 100 = 1 THEN i END
    FROM generate_series(1, 40000) AS i;
  INSERT INTO outgoing_payload SELECT seq, 'hello' FROM outgoing WHERE payload_kind = 'inline';
  INSERT INTO incoming (mailbox, message_id, instance, workflow_id, message_type, headers, size, sha256, received_at,
      state, payload_kind, payload_name, settled_at)
    SELECT 1 + i % 2, 'M' || lpad(i::text, 9, '0'), CASE WHEN i % 50 = 0 THEN 'i' || i % 3 END, 'W', 'DATA', '{}', 5,
      'ab', i, CASE WHEN i % 100 = 0 THEN 'acknowledged' WHEN i % 100 = 1 THEN 'parked' ELSE 'done' END,
      CASE WHEN i % 20 = 0 THEN 'inline' WHEN i % 20 = 1 THEN 'spool' END, CASE WHEN i % 20 = 1 THEN 'name-' || i END, i
    FROM generate_series(1, 40000) AS i;
  INSERT INTO incoming_payload SELECT seq, 'hello' FROM incoming WHERE payload_kind = 'inline';
  INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
    SELECT i, 1 + i % 2, 'out', 'id-' || i / 4, 'M' || i / 4, 'event', '{}' FROM generate_series(1, 80000) AS i;
  INSERT INTO payload (name, begun_at)
    SELECT 'name-' || i, now() - i * interval '1 minute' FROM generate_series(1, 40000) AS i;
  INSERT INTO payload_slice (name, number, bytes) SELECT name, 0, 'hello' FROM payload;
  ANALYZE`;

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Plans?: Node[];
}

/** A statement whose plan scans whole tables. */
export interface Slow {
  sql: string;
  scans: string[];
}

/**
 * Returns the statements whose plans scan tables; with `off` scans are planned only if there is no other way. EXPLAIN
 * plans only: the statements do not run.
 */
export async function slowStatements(
  url: string,
  schema: string,
  statements: ReadonlyMap<string, unknown[]>,
  seqScans: 'on' | 'off',
): Promise<Slow[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`SET search_path TO "${schema}"`);
    await client.query(SEED);
    await client.query(`SET enable_seqscan TO ${seqScans}`);
    const slow: Slow[] = [];
    for (const [sql, values] of statements) {
      if (/^(BEGIN|COMMIT|ROLLBACK)$/.test(sql)) continue;
      const { rows } = await client.query<{ 'QUERY PLAN': Array<{ Plan: Node }> }>(
        `EXPLAIN (FORMAT JSON) ${sql}`,
        values,
      );
      const plan = rows[0]?.['QUERY PLAN'][0]?.Plan;
      if (!plan) throw new Error(`no plan of ${sql}`);
      const scans = scansOf(plan);
      if (scans.length > 0) slow.push({ sql, scans });
    }
    return slow;
  } finally {
    await client.end();
  }
}

/** Tables with a handful of rows, however full the store is. */
const TINY = new Set(['mailbox', 'mailbox_lease', 'outgoing_count', 'instance']);

function scansOf(node: Node): string[] {
  const isScan = node['Node Type'] === 'Seq Scan' && !TINY.has(node['Relation Name'] ?? '');
  return [...(isScan ? [node['Relation Name'] ?? ''] : []), ...(node.Plans ?? []).flatMap(scansOf)];
}
