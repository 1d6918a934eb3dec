/**
 * Measures the store by itself, operation by operation: SQLite, and PostgreSQL with one and three instances, each with
 * an empty ledger and with a million lines. The disk matters most: the folder is in the system's temporary folder, or
 * BENCH_FOLDER.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { startPostgres } from '../../test/harness/postgres-server';
import { Child } from '../harness/child';
import { withFolder, type Settings } from '../settings';
import { BENCH_NOW, benchMailbox, seedLedger, type Figure } from './store-operations';

/** The results of one back end. */
export interface StoreFigures {
  backEnd: 'sqlite' | 'postgres';
  instances: number;
  ledgerRows: number;
  /** Size of the database at the end. */
  megabytes: number;
  empty: Figure[];
  full: Figure[];
}

export async function store({ ledgerRows, storePart, say }: Settings): Promise<StoreFigures[]> {
  const results: StoreFigures[] = [];
  for (const [backEnd, instances] of [
    ['sqlite', 1],
    ['postgres', 1],
    ['postgres', 3],
  ] as const) {
    say(`  ${backEnd}, ${instances === 1 ? 'one instance' : `${instances} instances`}`);
    const run = backEnd === 'sqlite' ? onSqlite : onPostgres;
    results.push({ backEnd, instances, ledgerRows, ...(await run(ledgerRows, storePart, instances)) });
  }
  return results;
}

type Measured = Pick<StoreFigures, 'empty' | 'full' | 'megabytes'>;

function onSqlite(rows: number, part: number): Promise<Measured> {
  return withFolder(async (folder) => {
    const empty = await figures([{ folder }], part);
    seedLedger(folder, rows);
    const full = await figures([{ folder }], part);
    return { empty, full, megabytes: Math.round(statSync(join(folder, 'mesh.db')).size / 1e6) };
  });
}

async function onPostgres(rows: number, part: number, instances: number): Promise<Measured> {
  // As in production: a commit is on the disk.
  const server = await startPostgres({ fsync: true });
  const places = Array.from({ length: instances }, () => ({ url: server.url }));
  const client = new Client({ connectionString: server.url });
  try {
    const empty = await figures(places, part);
    await client.connect();
    await client.query(
      `INSERT INTO mesh.ledger (time, mailbox, direction, reference, message_id, event, detail)
        SELECT $2::float8 + i, (SELECT min(id) FROM mesh.mailbox), 'out', 'seeded-' || (i / 4),
          CASE WHEN i % 4 > 1 THEN 'M-' || (i / 4) END, 'event', '{"status":202}' FROM generate_series(1, $1::int) AS i`,
      [rows, BENCH_NOW - 2 * rows],
    );
    // Pays for the million lines now, so that the server's upkeep does not count for the operations.
    await client.query('VACUUM ANALYZE mesh.ledger');
    await client.query('CHECKPOINT');
    const full = await figures(places, part);
    const size = await client.query<{ bytes: string }>('SELECT pg_database_size(current_database()) AS bytes');
    return { empty, full, megabytes: Math.round(Number(size.rows[0]?.bytes) / 1e6) };
  } finally {
    await client.end();
    await server.remove();
  }
}

/** Runs every operation on all instances at the same time, each a process with its own mailbox; returns the sums. */
async function figures(places: ReadonlyArray<{ folder: string } | { url: string }>, part: number): Promise<Figure[]> {
  const children = places.map(() => Child.script('contestants/store.ts'));
  const opened = await Promise.all(
    children.map((child, index) =>
      child.ask<{ operations: number }>('open', { place: places[index], mailbox: benchMailbox(index + 1) }),
    ),
  );
  const result: Figure[] = [];
  for (let index = 0; index < (opened[0]?.operations ?? 0); index += 1) {
    const each = await Promise.all(children.map((child) => child.ask<Figure>('measure', { index, part })));
    const sum = (field: 'perSecond' | 'commitsPerOperation'): number => each.reduce((all, one) => all + one[field], 0);
    result.push({
      operation: each[0]?.operation ?? '',
      perSecond: sum('perSecond'),
      commitsPerOperation: sum('commitsPerOperation') / each.length,
    });
  }
  await Promise.all(children.map((child) => child.ask('close')));
  await Promise.all(children.map((child) => child.stop()));
  return result;
}
