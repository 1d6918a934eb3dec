/** The store operations that the bench measures, and how it measures each; the same for both back ends. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mailboxKey, type NewOutgoing, type Store } from '../../lib/store/store';

/** The time at which the bench began: seeded lines are older. */
export const BENCH_NOW = Date.now();
const CONCURRENCY = 64;
/** Number of ids made. Ids are as the outbox makes them: they sort by time, and differ between processes. */
let made = 0;

/** A store that counts its commits. */
export type CountedStore = Store & { statistics(): Promise<{ commits: number }> };

/** Returns the mailbox of one of several instances. */
export const benchMailbox = (instance: number): string => mailboxKey('https://localhost:8700', `X26ABC${instance}`);

/** Returns a message that no other equals. */
export function newMessage(mailbox: string, size: number): NewOutgoing {
  made += 1;
  const id = `019a0000-0000-7000-8000-${made.toString(16).padStart(6, '0')}${process.pid.toString(16).padStart(6, '0').slice(-6)}`;
  return {
    id,
    mailbox,
    instance: null,
    onceKey: `key-${id}`,
    onceDigest: null,
    lane: 'X26ABC9 WORKFLOW_1',
    strictOrder: false,
    localId: id,
    localIdIsUnique: true,
    workflowId: 'WORKFLOW_1',
    envelope: { to: 'X26ABC9', subject: 'A letter', fileName: 'letter.xml' },
    size,
    queuedAt: BENCH_NOW,
    resendOf: null,
    acknowledgementReference: null,
    payload: { kind: 'inline', bytes: randomBytes(size) },
  };
}

/** The result of one operation. */
export interface Figure {
  operation: string;
  perSecond: number;
  /** Commits per operation: below 1 operations share a commit. */
  commitsPerOperation: number;
}

/** An operation to measure. */
export interface Operation {
  name: string;
  count: number;
  atOnce: number;
  once: () => Promise<unknown>;
}

/** Does something `count` times, `atOnce` at a time. */
export async function runAll(count: number, atOnce: number, once: () => Promise<unknown>): Promise<void> {
  let left = count;
  const line = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await once();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, line));
}

/** Runs a fraction `part` of the usual number of operations, `atOnce` at a time. */
export async function measure(store: CountedStore, operation: Operation, part: number): Promise<Figure> {
  const { name, atOnce, once } = operation;
  const count = Math.ceil(operation.count * part);
  const before = await store.statistics();
  const started = performance.now();
  await runAll(count, atOnce, once);
  const seconds = (performance.now() - started) / 1000;
  const { commits } = await store.statistics();
  return { operation: name, perSecond: count / seconds, commitsPerOperation: (commits - before.commits) / count };
}

/** Enqueues a message. */
export function enqueueNew(store: Store, mailbox: string, size: number): Promise<unknown> {
  return store.enqueue(newMessage(mailbox, size), { event: 'queued', time: BENCH_NOW });
}

/** Returns the operations in the order to measure: later ones need what earlier ones made. */
export function operations(store: Store, mailbox: string): Operation[] {
  const enqueue = (size: number) => () => enqueueNew(store, mailbox, size);
  const claimed: string[] = [];
  const claim = async (): Promise<void> => {
    const [next] = await store.nextToSend(mailbox, BENCH_NOW, 1);
    if (!next) throw new Error('Nothing to claim');
    const note = { event: 'attempt', time: BENCH_NOW };
    await store.changeOutgoing(next.id, ['queued'], { state: 'sending', attempts: 1 }, note);
    claimed.push(next.id);
  };
  const settle = (): Promise<unknown> => {
    const change = { state: 'acknowledged', messageId: `M${claimed.length}`, settledAt: BENCH_NOW } as const;
    return store.changeOutgoing(claimed.pop() ?? '', ['sending'], change, { event: 'acknowledged', time: BENCH_NOW });
  };
  // What a poll asks: which ids of an inbox page are known already.
  const page = Array.from({ length: 500 }, (_, index) => `M-${index}`);
  return [
    { name: 'enqueue 1 KiB, one by one', count: 1000, atOnce: 1, once: enqueue(1024) },
    { name: 'enqueue 1 KiB, 64 at a time', count: 8000, atOnce: CONCURRENCY, once: enqueue(1024) },
    { name: 'enqueue 64 KiB, one by one', count: 200, atOnce: 1, once: enqueue(65_536) },
    { name: 'enqueue 64 KiB, 64 at a time', count: 1000, atOnce: CONCURRENCY, once: enqueue(65_536) },
    { name: 'claim (nextToSend + change), one by one', count: 2000, atOnce: 1, once: claim },
    { name: 'settle, one by one', count: 1000, atOnce: 1, once: settle },
    { name: 'settle, 64 at a time', count: 1000, atOnce: CONCURRENCY, once: settle },
    { name: 'poll state (500 ids known?)', count: 500, atOnce: 1, once: () => store.knownIncoming(mailbox, page) },
    {
      name: 'dueTracking (nothing due)',
      count: 2000,
      atOnce: 1,
      once: () => store.dueTracking(mailbox, BENCH_NOW, 10),
    },
    { name: 'countOutgoing', count: 2000, atOnce: 1, once: () => store.countOutgoing(mailbox) },
    { name: 'history', count: 1000, atOnce: 1, once: () => store.history(mailbox, 'M-5000') },
  ];
}

/** Writes lines into a SQLite store's ledger as a year of traffic would, bypassing the store. */
export function seedLedger(folder: string, rows: number): void {
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -200000');
  database
    .prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
        SELECT ? + i, 1, 'out', 'seeded-' || (i / 4), iif(i % 4 > 1, 'M-' || (i / 4), NULL), 'event', '{"status":202}' FROM n`,
    )
    .run(rows, BENCH_NOW - 2 * rows);
  database.close();
}
