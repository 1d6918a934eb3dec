/** The plans of the statements that the contract has used, on tables that are large enough to matter to the planner. */
import { Client, escapeLiteral } from 'pg';
import { PLANS } from '../../../lib/store/postgres/connections';
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
    SELECT 'name-' || i, 1.8e12 - i * 6e4 FROM generate_series(1, 40000) AS i;
  INSERT INTO payload_slice (name, number, bytes) SELECT name, 0, 'hello' FROM payload;
  ANALYZE`;

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: Node[];
}

/** A statement whose plan reads whole tables or indexes, by their names. */
export interface Slow {
  sql: string;
  scans: string[];
}

/**
 * Returns the statements whose plans on tables that are full or still empty, as the store's sessions make them, read whole tables or indexes. EXPLAIN plans
 * only: the statements do not run.
 */
export async function slowStatements(
  url: string,
  schema: string,
  statements: ReadonlyMap<string, unknown[]>,
  isFilled: boolean,
): Promise<Slow[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`SET search_path TO "${schema}"`);
    if (isFilled) await client.query(SEED);
    await client.query(PLANS);
    const slow: Slow[] = [];
    for (const [sql, values] of statements) {
      if (/^(BEGIN|COMMIT|ROLLBACK)$/.test(sql)) continue;
      // One plan for all values, as the sessions make it: not one for these.
      await client.query(`PREPARE planned AS ${sql}`);
      const given = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`;
      const { rows } = await client.query<{ 'QUERY PLAN': Array<{ Plan: Node }> }>(
        `EXPLAIN (FORMAT JSON) EXECUTE planned${given}`,
      );
      await client.query('DEALLOCATE planned');
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

/** Returns a value as SQL. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString('hex')}'`;
  if (!Array.isArray(value)) return escapeLiteral(typeof value === 'string' ? value : JSON.stringify(value));
  const quoted = value.map((each) => `"${String(each).replaceAll(/["\\]/g, '\\$&')}"`);
  return escapeLiteral(`{${quoted.join(',')}}`);
}

/** Tables with a handful of rows, however full the store is. */
const TINY = new Set(['mailbox', 'mailbox_lease', 'outgoing_count', 'instance', 'spool_folder']);
/** Indexes that have an entry only for a large payload that is kept. */
const BOUNDED = new Set(['outgoing_spool', 'incoming_spool']);

/** The tables and indexes that a plan reads from end to end, or along the primary key in search of something else. */
function scansOf(node: Node): string[] {
  const { 'Relation Name': table = '', 'Index Name': index = '', 'Index Cond': condition = '' } = node;
  const readsTable = node['Node Type'] === 'Seq Scan';
  const readsIndex =
    /^(Index|Bitmap Index)/.test(node['Node Type']) && (condition === '' || isAlongKey(index, condition));
  const whole = readsTable ? [table] : readsIndex && !BOUNDED.has(index) ? [index] : [];
  const isTiny = TINY.has(table) || TINY.has(index.replace('_pkey', ''));
  return [...(isTiny ? [] : whole), ...(node.Plans ?? []).flatMap(scansOf)];
}

/** A range of the primary key has messages in every state. */
const isAlongKey = (index: string, condition: string): boolean => index.endsWith('_pkey') && /[<>]/.test(condition);
