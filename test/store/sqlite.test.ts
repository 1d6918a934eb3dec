import '../../lib/store/sqlite/quiet';
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openSqliteStore, type SqliteStore } from '../../lib/store/sqlite/open-sqlite-store';
import { makeSchema } from '../../lib/store/sqlite/version';
import { emptyFolder } from '../harness/cleanup';
import { describeStore } from './contract';

/** Every statement of every test of the contract, with its plan. */
const plans = new Map<string, string[]>();

async function rememberPlans(store: SqliteStore): Promise<void> {
  for (const { sql, plan } of await store.queryPlans()) plans.set(sql, plan);
}

/** `overdue_at`, which the index has, equals `earliest_limit` in every row. */
function assertLimits(folder: string): void {
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  const stale = database.prepare('SELECT id FROM outgoing WHERE overdue_at IS NOT earliest_limit').all();
  database.close();
  assert.deepEqual(stale, [], 'messages whose overdue_at differs from their earliest_limit');
}

describeStore('SQLite', async () => {
  const folder = await emptyFolder();
  const open = async (): Promise<SqliteStore> => {
    const store = await openSqliteStore({ folder });
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> =>
      (closing ??= rememberPlans(store)
        .then(() => store.close())
        .then(() => assertLimits(folder)));
    // Repeatable, and may be called right after a call, as that of the store itself.
    return { ...store, close: () => (closing ? store.close() : close()) };
  };
  return { store: await open(), reopen: open, remove: () => rm(folder, { recursive: true, force: true }) };
});

describe('query plans of SQLite', () => {
  // A handful of rows, however full the store is: the mailboxes of one Node-RED, the store’s identity and its
  // spool folders; rows that an inner limit has let through.
  const tiny = /^SCAN (?:mailbox|store_identity|spool_folder)(?: USING INDEX \w+)?$|^SCAN \(subquery-\d+\)$/;
  // A key exists once in each mailbox: sorting these few costs nothing.
  const sorted = /INDEXED BY outgoing_once/;

  it('of every statement that the contract uses are searches by an index', () => {
    assert.ok(plans.size > 50, `${plans.size} statements`);
    const scans = [...plans].filter(([, plan]) => plan.some((line) => line.startsWith('SCAN') && !tiny.test(line)));
    assert.deepEqual(scans, []);
  });

  it('sort nothing', () => {
    const sorts = [...plans].filter(([sql, plan]) => plan.some((line) => /B-TREE/.test(line)) && !sorted.test(sql));
    assert.deepEqual(sorts, []);
  });

  it('of lists read no payload', () => {
    const both = [...plans].filter(
      ([sql, plan]) => sql.startsWith('SELECT') && plan.length > 1 && plan.some((line) => /_payload\b/.test(line)),
    );
    assert.deepEqual(both, []);
  });

  it('of the triggers’ statements are searches by an index', () => {
    const database = new DatabaseSync(':memory:');
    makeSchema(database, ':memory:');
    const triggers = database.prepare(`SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'`).all();
    assert.equal(triggers.length, 10);
    for (const { name, sql } of triggers) {
      const [, when = '', body = ''] = /(?:\bWHEN\b([^]*?))?\bBEGIN\b([^]*)END$/.exec(String(sql)) ?? [];
      for (const statement of [`SELECT ${when || 1}`, ...body.split(';').filter((each) => each.trim() !== '')]) {
        const plan = database.prepare(`EXPLAIN QUERY PLAN ${statement.replaceAll(/\b(?:OLD|NEW)\.\w+/g, '?')}`).all();
        // The keys of the one row.
        const scans = plan.filter((row) => /SCAN (?!CONSTANT|json_each)/.test(String(row['detail'])));
        assert.deepEqual(scans, [], `${String(name)}: ${statement}`);
      }
    }
    database.close();
  });
});
