/**
 * The MESH sidebar on the store of a busy mailbox: it shows a page at a time, keeps what it shows, and finds what is
 * old. MESH_STORE_MESSAGES is how many messages there are. On one Node-RED, that with fewer other tests: the editor's
 * part is the same on both, and has its test there.
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import '../../lib/store/sqlite/quiet';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { mailboxOn, sendAndPollFlow, startNodeRed } from '../harness/flows';
import { Editor, MAJORS, needsChromium } from '../harness/browser';

const MAJOR = '4';
const MESSAGES = Number(process.env['MESH_STORE_MESSAGES'] ?? '100000');
const EACH_WAY = MESSAGES / 2;
/** Not older than is kept. */
const SPAN_MS = 20 * 24 * 60 * 60 * 1000;
const PAGE = 50;
const LETTER = [{ p: 'payload', v: 'A letter', vt: 'str' }];

/**
 * Fills the store like test/store/sqlite/many.test.ts, with the ledger entries that the history of each message
 * shows.
 */
function fill(file: string, mailboxId: string): void {
  const database = new DatabaseSync(file);
  const found = database.prepare('SELECT id, key FROM mailbox').all() as Array<{ id: number; key: string }>;
  const mailbox = found.find(({ key }) => key.includes(mailboxId))?.id;
  assert.ok(mailbox !== undefined, JSON.stringify(found));
  const first = Date.now() - SPAN_MS;
  const step = Math.floor(SPAN_MS / (EACH_WAY + 2));
  const n = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${EACH_WAY})`;
  const at = `${first} + i * ${step}`;
  const id = `printf('018a0000-0000-7000-8000-%012d', i)`;
  database.exec(`BEGIN;
    ${n} INSERT INTO outgoing (id, mailbox, lane, strict_order, local_id, local_id_is_unique, workflow_id, envelope, size,
        queued_at, state, message_id, settled_at, infrastructure, business)
      SELECT ${id}, ${mailbox}, 'lane', 0, 'local-' || i, 1, iif(i = 9, 'RARE_ONE', 'TEST_WORKFLOW'), '{}', 5, ${at},
        iif(i % 100 = 0, 'undelivered', 'acknowledged'), 'M' || i, ${at} + 1000, 'not-asked', 'not-asked' FROM n;
    ${n} INSERT INTO incoming (mailbox, message_id, workflow_id, message_type, headers, size, sha256, received_at, state, settled_at)
      SELECT ${mailbox}, printf('R%09d', i), 'TEST_WORKFLOW', 'DATA', '{}', 5, 'ab', ${at}, 'done', ${at} + 1000 FROM n;
    ${n} INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
      SELECT ${at}, ${mailbox}, 'out', ${id}, 'M' || i, 'queued', '{}' FROM n;
    ${n} INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
      SELECT ${at} + 500, ${mailbox}, 'out', ${id}, 'M' || i, 'accepted', '{}' FROM n;
    ${n} INSERT INTO ledger (time, mailbox, direction, reference, message_id, event, detail)
      SELECT ${at}, ${mailbox}, 'in', printf('R%09d', i), printf('R%09d', i), 'spooled', '{}' FROM n;
    COMMIT`);
  database.close();
}

describe(`the MESH sidebar with ${MESSAGES} messages in the store`, function () {
  if (!MAJORS.includes(MAJOR)) return;
  needsChromium(this);
  let sandbox: Sandbox;
  let editor: Editor;
  let sidebar: Locator;
  /** Response times of Node-RED for each kind of request (milliseconds). */
  const took = new Map<string, number[]>();

  before(async () => {
    sandbox = await startSandbox({ protocol: 'https' });
    const flows = [...sendAndPollFlow('X26ABC1', 'X26ABC1'), ...(await mailboxOn(sandbox, 'X26ABC1'))];
    const { nodeRed, userDir } = await startNodeRed({ major: MAJOR });
    try {
      await nodeRed.deploy(flows);
      // The store creates a mailbox with its first message.
      await nodeRed.inject('go', LETTER);
      await nodeRed.status('send', ({ text }) => text === '1 sent', 30_000);
    } finally {
      await nodeRed.stop();
    }
    fill(join(userDir, 'mesh', 'mesh.db'), 'X26ABC1');
    editor = await Editor.open({ major: MAJOR, userDir, flows: [], size: { width: 1400, height: 1300 } });
    await editor.nodeRed.deploy(flows);
    await editor.reload();
    editor.page.on('requestfinished', (request) => {
      const path = new URL(request.url()).pathname;
      if (!path.startsWith('/mesh/mailboxes')) return;
      const kind = path.replace(/mailbox-\w+/, ':id').replace(/(in|out)\/.+/, ':reference');
      const { requestStart, responseEnd } = request.timing();
      took.set(kind, [...(took.get(kind) ?? []), responseEnd - requestStart]);
    });
    sidebar = editor.page.locator('.mesh-sidebar');
  });
  after(async () => {
    for (const [kind, times] of process.env['MESH_STORE_MESSAGES'] ? took : []) {
      const sorted = times.toSorted((a, b) => a - b);
      const [median, maximum] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
      console.log(
        `      ${kind}: ${times.length} responses, median ${median.toFixed(0)} ms, maximum ${maximum.toFixed(0)} ms`,
      );
    }
    await editor?.close();
    await sandbox?.close();
  });

  const rows = (): Locator => sidebar.locator('.mesh-row');
  const rowsAre = (count: number): Promise<unknown> =>
    editor.page.waitForFunction((wanted) => document.querySelectorAll('.mesh-row').length === wanted, count);
  const search = (words: string): Promise<void> => sidebar.getByRole('searchbox').fill(words);

  it('opens with the newest page and the counts', async () => {
    await editor.page.evaluate(() =>
      (globalThis as unknown as { RED: { actions: { invoke(name: string): void } } }).RED.actions.invoke(
        'mesh:show-sidebar',
      ),
    );
    await rowsAre(PAGE);
    const failed = Math.floor(EACH_WAY / 100);
    await sidebar.getByRole('button', { name: new RegExp(`^Undelivered: ${failed}\\.`) }).waitFor();
    await sidebar.locator('.mesh-charts svg').first().waitFor();
  });

  it('keeps the shown pages and the open message at a refresh', async () => {
    for (const pages of [2, 3, 4]) {
      await sidebar.getByRole('button', { name: 'Show more' }).click();
      await rowsAre(pages * PAGE);
    }
    const key = await rows().nth(170).getAttribute('data-key');
    await rows().nth(170).click();
    await sidebar.locator('.mesh-timeline li').nth(1).waitFor();
    // A refresh, by the clock or a notification, reloads all shown pages and then the open message.
    const reloaded = editor.page.waitForResponse((response) => response.url().includes('/messages?'), {
      timeout: 40_000,
    });
    await editor.nodeRed.inject('go', LETTER);
    await reloaded;
    const accepted = sidebar.locator('.mesh-row', { hasText: 'accepted' });
    await accepted.first().waitFor();
    await rowsAre(4 * PAGE);
    assert.equal(await sidebar.locator('.mesh-open .mesh-row').getAttribute('data-key'), key);
    assert.equal(await sidebar.locator('.mesh-timeline li').count(), 2);
  });

  it('finds the oldest message by its id at once, and opens it', async () => {
    await search('M1');
    await rowsAre(1);
    await rows().click();
    await sidebar.locator('.mesh-timeline li').nth(1).waitFor();
    assert.equal(await sidebar.locator('.mesh-detail dd').first().innerText(), 'M1');
  });

  it('searches further back on request, and finds a message by its workflow', async () => {
    await search('rare_o');
    await rowsAre(0);
    const further = sidebar.getByRole('button', { name: 'Search further back' });
    const foot = sidebar.locator('.mesh-foot');
    for (let searches = 0; (await rows().count()) === 0; searches += 1) {
      assert.ok(searches <= EACH_WAY / 1000, 'not found in the whole store');
      const before = await foot.innerText();
      await further.click();
      await editor.page.waitForFunction(
        (was) => document.querySelector<HTMLElement>('.mesh-foot')?.innerText !== was,
        before,
      );
    }
    assert.match(await rows().innerText(), /RARE_ONE/);
    await search('');
    await rowsAre(PAGE);
  });

  it('shows received and failed messages a page at a time', async () => {
    await sidebar.getByRole('button', { name: /^Undelivered: / }).click();
    await sidebar
      .locator('.mesh-row', { hasText: 'undelivered' })
      .nth(PAGE - 1)
      .waitFor();
    await rowsAre(PAGE);
    await sidebar.getByRole('button', { name: 'Received', exact: true }).click();
    await sidebar
      .locator('.mesh-row', { hasText: 'done' })
      .nth(PAGE - 1)
      .waitFor();
    await sidebar.getByRole('button', { name: 'Show more' }).click();
    await rowsAre(2 * PAGE);
  });

  it('shows no error on the console', () => {
    editor.noErrors();
  });
});
