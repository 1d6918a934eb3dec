/** What the sidebar says is true: of the connection, of messages that were sent again, and of the next delivery. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { mailboxOn, sendAndPollFlow } from '../harness/flows';
import { Editor, MAJORS, needsChromium } from '../harness/browser';

/** The widths of a sidebar: Node-RED's smallest, its usual one, and the largest of Node-RED 5. */
const WIDTHS = [180, 300, 800];
const DAY_MS = 24 * 60 * 60 * 1000;

for (const major of MAJORS) {
  describe(`the truth of the MESH sidebar in Node-RED ${major}`, function () {
    needsChromium(this);
    let sandbox: Sandbox;
    let editor: Editor;
    let sidebar: Locator;

    before(async () => {
      sandbox = await startSandbox({ protocol: 'https' });
      editor = await Editor.open({ major, flows: [], size: { width: 1400, height: 1200 } });
      const flow = sendAndPollFlow('X26ABC1', 'X26ABC2', { poll: { acknowledge: 'flow' } });
      await editor.nodeRed.deploy([
        // Nothing is acknowledged: a delivered message stays leased.
        ...flow.filter(({ type }) => type !== 'mesh-ack'),
        ...(await mailboxOn(sandbox, 'X26ABC1')),
        ...(await mailboxOn(sandbox, 'X26ABC2')),
      ]);
      await editor.reload();
      sidebar = await editor.showSidebar();
    });
    after(async () => {
      await editor?.close();
      await sandbox?.close();
    });

    const choose = async (mailboxId: string): Promise<void> => {
      await sidebar.locator('.mesh-toolbar select').selectOption({ label: `${mailboxId} · ${mailboxId}` });
      await sidebar.locator('.mesh-head strong', { hasText: mailboxId }).waitFor();
    };
    const send = async (to: string): Promise<void> => {
      await sidebar.getByRole('button', { name: 'Send a file' }).click();
      await sidebar.getByLabel('Recipient').fill(to);
      await sidebar.getByLabel('Workflow id').fill('TEST_WORKFLOW');
      await sidebar
        .locator('input[type=file]')
        .setInputFiles({ name: 'letter.txt', mimeType: 'text/plain', buffer: Buffer.from('Dear colleague') });
      await sidebar.getByRole('button', { name: 'Send', exact: true }).click();
      await sidebar.getByText('The message is in the outbox.').waitFor();
    };
    const act = async (name: string, where: Locator = sidebar.locator('.mesh-detail')): Promise<string> => {
      await where.getByRole('button', { name, exact: true }).click();
      const question = sidebar.getByRole('alertdialog');
      const words = await question.innerText();
      await question.getByRole('button', { name, exact: true }).click();
      return words;
    };

    it('a resent message says as which it was resent, leaves the attention list, and warns before it is sent once more', async () => {
      await choose('X26ABC1');
      await send('X26NOBODY1');
      await sidebar.getByRole('button', { name: /^Undelivered: 1\./ }).click();
      await sidebar.locator('.mesh-row', { hasText: 'rejected' }).click();
      await editor.page.locator('.mesh-tab-badge:visible', { hasText: '1' }).waitFor();
      await act('Resend');
      // The resent one is rejected as well; the original is not in the list any more.
      await sidebar.getByRole('button', { name: /^Undelivered: 1\./ }).waitFor();
      const original = sidebar.locator('.mesh-row', { hasText: 'resent' });
      await original.click();
      await sidebar.locator('.mesh-detail dt', { hasText: 'Resent as' }).waitFor();
      const id = await sidebar.locator('.mesh-detail dt:has-text("Resent as") + dd').innerText();
      assert.match(await act('Resend once more'), new RegExp(`already sent again, as ${id}`));
      await sidebar.locator('.mesh-row', { hasText: 'rejected' }).nth(1).waitFor();
      await sidebar.locator('.mesh-tools select').first().selectOption('attention');
      await sidebar.locator('.mesh-row', { hasText: 'resent' }).waitFor({ state: 'detached' });
    });

    it('a row says to whom or from whom its message is', async () => {
      await send('X26ABC2');
      await sidebar.locator('.mesh-row', { hasText: 'accepted' }).getByText('to X26ABC2').first().waitFor();
      await choose('X26ABC2');
      await act('Poll now', sidebar);
      await sidebar.getByRole('button', { name: 'Received', exact: true }).click();
      await sidebar.locator('.mesh-row', { hasText: 'in flight' }).getByText('from X26ABC1').waitFor();
    });

    it('a leased message says when it is delivered again, and can be delivered again now', async () => {
      await sidebar.locator('.mesh-row', { hasText: 'in flight' }).click();
      await sidebar
        .locator('.mesh-detail dt:has-text("Next delivery") + dd', { hasText: /^in (60 min|1 h)$/ })
        .waitFor();
      assert.match(await act('Deliver again now'), /may still be working on it/);
      await sidebar.locator('.mesh-detail dt:has-text("Deliveries") + dd', { hasText: '2' }).waitFor();
    });

    it('a message that is done says that none follows, and can be delivered again', async () => {
      await act('Mark as done');
      const next = sidebar.locator('.mesh-detail dt:has-text("Next delivery") + dd');
      await next.filter({ hasText: 'none: the flow is done with it' }).waitFor();
      assert.match(await act('Deliver again'), /a second time/);
      await sidebar.locator('.mesh-row', { hasText: 'in flight' }).waitFor();
    });

    it('a message that is not collected can be asked about at MESH', async () => {
      await choose('X26ABC1');
      await sidebar.locator('.mesh-row', { hasText: 'accepted' }).first().click();
      await act('Ask MESH now');
      await sidebar.locator('.mesh-timeline', { hasText: 'MESH was asked' }).waitFor();
      await sidebar.locator('.mesh-row', { hasText: 'collected' }).waitFor();
    });

    it('the text for the service desk is copied by its button, and selected text is readable', async () => {
      await editor.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await send('X26ABC3');
      await sidebar.locator('.mesh-row', { hasText: 'X26ABC3' }).first().waitFor();
      // It expires; at that time MESH would refuse our tokens.
      sandbox.clock.advance(6 * DAY_MS);
      sandbox.clock.advance(-6 * DAY_MS);
      await sidebar.locator('.mesh-row', { hasText: 'X26ABC3' }).first().click();
      await act('Ask MESH now');
      await sidebar.locator('.mesh-row', { hasText: /undelivered.*X26ABC3/ }).waitFor();
      await sidebar.getByText('For the national service desk').click();
      await sidebar.getByRole('button', { name: 'Copy' }).click();
      await sidebar.getByRole('button', { name: 'Copied' }).waitFor();
      const copied = await editor.page.evaluate(() => navigator.clipboard.readText());
      assert.match(copied, /^To: ssd\.nationalservicedesk@nhs\.net\n[^]*Message id: /);
      const rules = await editor.page.evaluate(() =>
        [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].map(({ cssText }) => cssText)),
      );
      // Chromium tells no computed style of a selection.
      assert.ok(
        rules.some((rule) =>
          rule.startsWith('.mesh-sidebar ::selection { color: highlighttext; background: highlight;'),
        ),
      );
    });

    it('has a place of its own, without the debug messages that Node-RED 5 shows below', async () => {
      await editor.page.evaluate(() => {
        const { RED } = globalThis as unknown as { RED: { sidebar: { removeTab(id: string): void } } };
        RED.sidebar.removeTab('debug');
      });
      await sidebar.locator('.mesh-row').first().waitFor();
    });

    for (const width of WIDTHS) {
      it(`fits a sidebar of ${width} pixels${width > 500 ? ', in columns' : ''}`, async () => {
        await editor.setSidebarWidth(width);
        await sidebar.locator('.mesh-row').first().waitFor();
        await editor.page.waitForFunction(
          (wanted) => Math.abs((document.querySelector('.mesh-sidebar')?.clientWidth ?? 0) - wanted) < 20,
          width,
        );
        const cut = await sidebar.evaluate((element) => {
          const right = element.getBoundingClientRect().right + 1;
          return [...element.querySelectorAll<HTMLElement>('.mesh-body *')]
            .filter((part) => part.getClientRects().length > 0 && part.getBoundingClientRect().right > right)
            .map((part) => `${part.tagName}.${part.className} ${part.textContent?.slice(0, 40)}`);
        });
        assert.deepEqual(cut, []);
        assert.equal(await sidebar.locator('.mesh-columns').isVisible(), width > 500);
        await editor.page.evaluate(() => document.querySelector('.mesh-body')?.scrollTo(0, 0));
        if (major === '5') await editor.picture(`sidebar-${width}`, sidebar);
      });
    }

    it('is not green above a red fault: MESH is not reached, and the badge counts it', async () => {
      await editor.setSidebarWidth(300);
      sandbox.fault({ operation: 'list_messages', times: Infinity, effect: { kind: 'drop', when: 'before' } });
      await choose('X26ABC2');
      await act('Poll now', sidebar);
      await sidebar.locator('.mesh-trouble').first().waitFor({ timeout: 60_000 });
      await sidebar.locator('.mesh-head .mesh-dot-disconnected').waitFor();
      assert.equal(await sidebar.locator('.mesh-connection').innerText(), 'disconnected');
      sandbox.clearFaults();
    });

    it('opens on the mailbox that is worst off', async () => {
      await editor.reload();
      sidebar = await editor.showSidebar();
      await sidebar.locator('.mesh-head strong', { hasText: 'X26ABC2' }).waitFor();
    });

    it('shows no error on the console', () => editor.noErrors());
  });
}
