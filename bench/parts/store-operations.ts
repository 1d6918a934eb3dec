/**
 * What the store's operations cost. Each with an empty ledger and with a million lines in it. Where it runs matters most:
 * the folder is in the system's temporary folder, or BENCH_FOLDER.
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore, type SqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { mailboxKey, type NewOutgoing } from '../../lib/store/store';

const MAILBOX = mailboxKey('https://localhost:8700', 'X26ABC1');
const NOW = Date.now();
const AT_ONCE = 64;
let made = 0;

function message(size: number): NewOutgoing {
  made += 1;
  const id = `019a0000-0000-7000-8000-${made.toString(16).padStart(12, '0')}`;
  return {
    id,
    mailbox: MAILBOX,
    instance: null,
    onceKey: `key-${made}`,
    lane: 'X26ABC9 WORKFLOW_1',
    strictOrder: false,
    localId: id,
    localIdIsUnique: true,
    workflowId: 'WORKFLOW_1',
    envelope: { to: 'X26ABC9', subject: 'A letter', fileName: 'letter.xml' },
    size,
    queuedAt: NOW,
    resendOf: null,
    answerReference: null,
    payload: { kind: 'inline', bytes: randomBytes(size) },
  };
}

/** What one operation came to. */
export interface Figure {
  operation: string;
  ledgerRows: number;
  perSecond: number;
  /** Commits for each operation: below 1 they are shared. */
  commitsPerOperation: number;
}

/** What a run came to. */
export interface StoreFigures {
  backEnd: 'sqlite';
  /** Of mesh.db at the end. */
  megabytes: number;
  seededMs: number;
  empty: Figure[];
  full: Figure[];
}

/** Runs `count` operations, `atOnce` at a time. */
async function measure(
  store: SqliteStore,
  operation: string,
  ledgerRows: number,
  count: number,
  atOnce: number,
  once: () => Promise<unknown>,
): Promise<Figure> {
  const before = await store.statistics();
  const started = performance.now();
  let left = count;
  const line = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await once();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
  const seconds = (performance.now() - started) / 1000;
  const { commits } = await store.statistics();
  return { operation, ledgerRows, perSecond: count / seconds, commitsPerOperation: (commits - before.commits) / count };
}

/** Lines as a year of traffic leaves them, written past the store. */
export function seedLedger(folder: string, rows: number): void {
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -200000');
  database
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
        SELECT ? + i, 1, 'out', 'seeded-' || (i / 4), iif(i % 4 > 1, 'M-' || (i / 4), NULL), 'event', '{"status":202}' FROM n`,
    )
    .run(rows, NOW - 2 * rows);
  database.close();
}

async function figures(folder: string, ledgerRows: number, part: number): Promise<Figure[]> {
  const store = await openSqliteStore({ folder });
  const result: Figure[] = [];
  const run = async (operation: string, count: number, atOnce: number, once: () => Promise<unknown>): Promise<void> => {
    result.push(await measure(store, operation, ledgerRows, Math.ceil(count * part), atOnce, once));
  };
  const enqueue = (size: number) => () => store.enqueue(message(size), { event: 'queued', time: NOW });
  const claimed: string[] = [];
  let last: string | undefined;
  const claim = async (): Promise<void> => {
    const [next] = await store.nextToSend(MAILBOX, NOW, 1, last);
    if (!next) throw new Error('Nothing to claim');
    last = next.id;
    const note = { event: 'attempt', time: NOW };
    await store.changeOutgoing(next.id, ['queued'], { state: 'sending', attempts: 1 }, note);
    claimed.push(next.id);
  };
  const settle = (): Promise<unknown> => {
    const change = { state: 'acknowledged', messageId: `M${claimed.length}`, settledAt: NOW } as const;
    return store.changeOutgoing(claimed.pop() ?? '', ['sending'], change, { event: 'acknowledged', time: NOW });
  };
  await run('enqueue 1 KiB, one by one', 1000, 1, enqueue(1024));
  await run('enqueue 1 KiB, 64 at a time', 8000, AT_ONCE, enqueue(1024));
  await run('enqueue 64 KiB, one by one', 200, 1, enqueue(65_536));
  await run('enqueue 64 KiB, 64 at a time', 1000, AT_ONCE, enqueue(65_536));
  await run('claim (nextToSend + change), one by one', 2000, 1, claim);
  await run('settle, one by one', 1000, 1, settle);
  await run('settle, 64 at a time', 1000, AT_ONCE, settle);
  await run('dueTracking (nothing due)', 2000, 1, () => store.dueTracking(MAILBOX, NOW, 10));
  await run('countOutgoing', 2000, 1, () => store.countOutgoing(MAILBOX));
  await run('history', 1000, 1, () => store.history(MAILBOX, 'M-5000'));
  await store.close();
  return result;
}

/** Every operation with an empty ledger, and with `rows` lines in it. `part` of the usual number of operations. */
export async function storeFigures(folder: string, rows: number, part: number): Promise<StoreFigures> {
  const empty = await figures(folder, 0, part);
  const seeding = performance.now();
  seedLedger(folder, rows);
  const seededMs = Math.round(performance.now() - seeding);
  const full = await figures(folder, rows, part);
  const megabytes = Math.round(statSync(join(folder, 'mesh.db')).size / 1e6);
  return { backEnd: 'sqlite', megabytes, seededMs, empty, full };
}
