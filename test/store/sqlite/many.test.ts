/**
 * The operator view of a full store: pages, counts and searches read the rows that they show, not all. Plans and the
 * bound of 2,000 rows are the same at any size beyond it; MESH_STORE_MESSAGES=100000 is a year of a busy mailbox.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import '../../../lib/store/sqlite/quiet';
import { listMessages } from '../../../lib/operator/message-list';
import { openSqliteStore, type SqliteStore } from '../../../lib/store/sqlite/open-sqlite-store';
import { afterThisTest, emptyFolder } from '../../harness/cleanup';
import { enqueued, MAILBOX, received, T } from '../contract/support';

/** More than three pages of a search read. */
const ROWS = Number(process.env['MESH_STORE_MESSAGES'] ?? '8000');
/** One in this many failed: more than a page even in a small store. */
const ONE_FAILED_OF = ROWS / 100;

/** Filled by SQL, because the store's own operations would take minutes. */
const FILL = `
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO outgoing (id, mailbox, lane, strict_order, local_id, local_id_is_unique, workflow_id, envelope, size,
      queued_at, state, message_id, settled_at, infrastructure, business)
    SELECT printf('018a0000-0000-7000-8000-%012d', i), 1, 'lane', 0, 'local-' || i, 1, iif(i = 9, 'RARE_ONE', 'W'),
      '{}', 5, ${T} + i, iif(i % ${ONE_FAILED_OF} = 0, 'undelivered', 'acknowledged'), 'M' || i, ${T},
      'not-asked', 'not-asked' FROM n;
  WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
  INSERT INTO incoming (mailbox, message_id, workflow_id, message_type, headers, size, sha256, received_at, state)
    SELECT 1, printf('R%09d', i), 'W', 'DATA', '{}', 5, 'ab', ${T} + i, iif(i % ${ONE_FAILED_OF} = 0, 'parked', 'done')
      FROM n;`;

async function filled(): Promise<SqliteStore> {
  const folder = await emptyFolder();
  const first = await openSqliteStore({ folder });
  await enqueued(first);
  await received(first, 'done');
  await first.close();
  const database = new DatabaseSync(join(folder, 'mesh.db'));
  database.exec(`BEGIN; ${FILL} COMMIT`);
  database.close();
  const store = await openSqliteStore({ folder });
  afterThisTest(() => store.close());
  return store;
}

describe(`a store of ${ROWS} messages each way`, function () {
  this.timeout(60_000);

  it('reads pages, counts and searches by index, and a search reads at most 2,000 rows at a time', async () => {
    const store = await filled();
    let rows = 0;
    const counting = {
      ...store,
      recentOutgoing: async (...args: Parameters<SqliteStore['recentOutgoing']>) => {
        const page = await store.recentOutgoing(...args);
        rows += page.length;
        return page;
      },
    };
    for (const direction of ['out', 'in'] as const) {
      const seen = new Set<string>();
      let before: string | undefined;
      for (let page = 0; page < 5; page += 1) {
        const found = await listMessages(store, MAILBOX, { direction, ...(before ? { before } : {}) });
        assert.equal(found.messages.length, 50);
        for (const { reference } of found.messages) seen.add(reference);
        before = found.next;
      }
      assert.equal(seen.size, 250);
      const filter = direction === 'out' ? 'undelivered' : 'parked';
      const failed = await listMessages(store, MAILBOX, { direction, filter, limit: 100 });
      assert.equal(failed.messages.length, 100);
      assert.equal(failed.next, undefined);
    }
    assert.equal((await store.attention(MAILBOX, 50)).parked, 50);

    const [exact] = (await listMessages(counting, MAILBOX, { direction: 'out', search: 'M5' })).messages;
    assert.equal(exact?.messageId, 'M5');
    assert.equal(rows, 0, 'a complete id is looked up');

    let before: string | undefined;
    let found = 0;
    for (let asked = 0; asked < ROWS / 1000 && found === 0; asked += 1) {
      rows = 0;
      const page = await listMessages(counting, MAILBOX, {
        direction: 'out',
        search: 'rare',
        ...(before ? { before } : {}),
      });
      assert.ok(rows <= 2000, `${rows} rows for one page`);
      found = page.messages.length;
      before = page.next;
    }
    assert.equal(found, 1, 'the oldest is found in the end');

    await store.overdueOutgoing(MAILBOX, { limit: 50 });
    await store.activity(MAILBOX, { from: T, to: T + 1000 });
    const slow = (await store.queryPlans()).filter(({ plan }) =>
      plan.some((line) => /^SCAN (?!mailbox|\()|B-TREE/.test(line)),
    );
    assert.deepEqual(slow, []);
  });
});
