/** What the sidebar says is true: of the connection, of messages that were sent again, and of the next delivery. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import type { Sandbox } from '../../lib/sandbox';
import { type Editor, MAJORS, needsChromium } from '../harness/browser';
import { sendAndPollFlow } from '../harness/flows';
import { MeshSidebar } from '../harness/sidebar';

/** The widths of a sidebar: Node-RED's smallest, its usual one, and the largest of Node-RED 5. */
const WIDTHS = [180, 300, 800];
const DAY_MS = 24 * 60 * 60 * 1000;

/** What the tests use of the editor's page: its requests, and the event that makes the sidebar refresh. */
interface EditorPage {
  $: { active: number; ajax(options: object): Promise<unknown> };
  RED: { events: { emit(event: 'runtime-state'): void } };
}

for (const major of MAJORS) {
  describe(`the truth of the MESH sidebar in Node-RED ${major}`, function () {
    needsChromium(this);
    let mesh: MeshSidebar;
    let sandbox: Sandbox;
    let editor: Editor;
    let sidebar: Locator;

    before(async () => {
      const flow = sendAndPollFlow('X26ABC1', 'X26ABC2', { poll: { acknowledge: 'flow' } });
      // Nothing is acknowledged: a delivered message stays leased.
      mesh = await MeshSidebar.open({ major, height: 1200, flow: flow.filter(({ type }) => type !== 'mesh-ack') });
      ({ sandbox, editor, sidebar } = mesh);
    });
    after(() => mesh?.close());

    it('a resent message says as which it was resent, leaves the attention list, and warns before it is sent once more', async () => {
      await mesh.choose('X26ABC1');
      await mesh.send({ to: 'X26NOBODY1' });
      await sidebar.getByRole('button', { name: /^Undelivered: 1\./ }).click();
      await sidebar.locator('.mesh-row', { hasText: 'rejected' }).click();
      await editor.page.locator('.mesh-tab-badge:visible', { hasText: '1' }).waitFor();
      await mesh.act('Resend');
      // The resent one is rejected as well; the original is not in the list any more.
      await sidebar.getByRole('button', { name: /^Undelivered: 1\./ }).waitFor();
      const original = sidebar.locator('.mesh-row', { hasText: 'resent' });
      await original.click();
      await sidebar.locator('.mesh-detail dt', { hasText: 'Resent as' }).waitFor();
      const id = await sidebar.locator('.mesh-detail dt:has-text("Resent as") + dd').innerText();
      assert.match(await mesh.act('Resend once more'), new RegExp(`already sent again, as ${id}`));
      await sidebar.locator('.mesh-row', { hasText: 'rejected' }).nth(1).waitFor();
      await sidebar.locator('.mesh-tools select').first().selectOption('attention');
      await sidebar.locator('.mesh-row', { hasText: 'resent' }).waitFor({ state: 'detached' });
    });

    it('a row says to whom or from whom its message is', async () => {
      await mesh.send({ to: 'X26ABC2' });
      await sidebar.locator('.mesh-row', { hasText: 'accepted' }).getByText('to X26ABC2').first().waitFor();
      await mesh.choose('X26ABC2');
      await mesh.act('Poll now', sidebar);
      await sidebar.getByRole('button', { name: 'Received', exact: true }).click();
      await sidebar.locator('.mesh-row', { hasText: 'in flight' }).getByText('from X26ABC1').waitFor();
    });

    it('a leased message says when it is delivered again, and can be delivered again now', async () => {
      await sidebar.locator('.mesh-row', { hasText: 'in flight' }).click();
      await sidebar
        .locator('.mesh-detail dt:has-text("Next delivery") + dd', { hasText: /^in (60 min|1 h)$/ })
        .waitFor();
      assert.match(await mesh.act('Deliver again now'), /may still be working on it/);
      await sidebar.locator('.mesh-detail dt:has-text("Deliveries") + dd', { hasText: '2' }).waitFor();
    });

    it('a message that is done says that none follows, and can be delivered again', async () => {
      await mesh.act('Mark as done');
      const next = sidebar.locator('.mesh-detail dt:has-text("Next delivery") + dd');
      await next.filter({ hasText: 'none: the flow is done with it' }).waitFor();
      assert.match(await mesh.act('Deliver again'), /a second time/);
      await sidebar.locator('.mesh-row', { hasText: 'in flight' }).waitFor();
    });

    it('a message that is not collected can be asked about at MESH', async () => {
      await mesh.choose('X26ABC1');
      await sidebar.locator('.mesh-row', { hasText: 'accepted' }).first().click();
      await mesh.act('Ask MESH now');
      await sidebar.locator('.mesh-timeline', { hasText: 'MESH was asked' }).waitFor();
      await sidebar.locator('.mesh-row', { hasText: 'collected' }).waitFor();
    });

    it('the text for the service desk is copied by its button, and selected text is readable', async () => {
      await editor.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await mesh.send({ to: 'X26ABC3' });
      await sidebar.locator('.mesh-row', { hasText: 'X26ABC3' }).first().waitFor();
      // It expires; at that time MESH would refuse our tokens.
      sandbox.clock.advance(6 * DAY_MS);
      sandbox.clock.advance(-6 * DAY_MS);
      await sidebar.locator('.mesh-row', { hasText: 'X26ABC3' }).first().click();
      await mesh.act('Ask MESH now');
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
      await mesh.choose('X26ABC2');
      await mesh.act('Poll now', sidebar);
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

    it('sends from the mailbox that it shows, also before it has come into view again', async () => {
      const { page } = editor;
      const held = Promise.withResolvers<void>();
      await sidebar.evaluate((element) => (element.style.display = 'none'));
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
      await page.route(/\/mesh\/mailboxes\?/, async (route) => {
        await held.promise;
        await route.continue();
      });
      const requested = page.waitForRequest(/\/mesh\/mailboxes\?/);
      await sidebar.evaluate((element) => (element.style.display = ''));
      await requested;
      await mesh.send({ to: 'X26ABC1' });
      held.resolve();
      await sidebar.locator('.mesh-row', { hasText: 'to X26ABC1' }).first().waitFor();
      await page.unrouteAll({ behavior: 'wait' });
    });

    it('a row that is drawn anew while it is pressed takes the press, by mouse and by key', async () => {
      const { page } = editor;
      await mesh.choose('X26ABC1');
      await mesh.send({ to: 'X26ABC2' });
      const row = sidebar.locator('.mesh-row', { hasText: 'accepted' }).first();
      await row.waitFor();
      /** Lets a refresh respond between the beginning and the end of a press. */
      const pressed = async (press: { down(): Promise<void>; up(): Promise<void> }): Promise<void> => {
        const held = Promise.withResolvers<void>();
        await page.route(/\/messages\?/, async (route) => {
          await held.promise;
          await route.continue();
        });
        const requested = page.waitForRequest(/\/messages\?/);
        await page.evaluate(() => (globalThis as unknown as EditorPage).RED.events.emit('runtime-state'));
        await requested;
        await press.down();
        held.resolve();
        await page.waitForFunction(() => (globalThis as unknown as EditorPage).$.active === 0);
        await press.up();
        await page.unrouteAll({ behavior: 'wait' });
      };
      await row.hover();
      await pressed(page.mouse);
      await sidebar.locator('.mesh-timeline').waitFor();
      await row.focus();
      await pressed({ down: () => page.keyboard.down('Space'), up: () => page.keyboard.up('Space') });
      await sidebar.locator('.mesh-timeline').waitFor({ state: 'detached' });
    });

    it('a row that leaves the list hands its focus to the row in its place', async () => {
      await mesh.choose('X26ABC1');
      await mesh.send({ to: 'X26NOBODY1' });
      await mesh.send({ to: 'X26NOBODY2' });
      await sidebar.locator('.mesh-tools select').first().selectOption('attention');
      const rows = sidebar.locator('.mesh-row', { hasText: 'rejected' });
      await rows.filter({ hasText: 'X26NOBODY2' }).waitFor();
      await rows.nth(1).waitFor();
      const [first = '', second] = await rows.evaluateAll((found) => found.map((each) => each.dataset['key']));
      await rows.first().focus();
      await editor.page.evaluate(
        async (reference) => {
          const { $, RED } = globalThis as unknown as EditorPage;
          await $.ajax({
            url: `mesh/mailboxes/mailbox-X26ABC1/messages/out/${reference}/actions`,
            method: 'POST',
            contentType: 'application/json',
            data: JSON.stringify({ action: 'drop' }),
          });
          RED.events.emit('runtime-state');
        },
        first.replace('row-', ''),
      );
      await sidebar.locator(`[data-key="${first}"]`).waitFor({ state: 'detached' });
      assert.equal(await editor.page.evaluate(() => (document.activeElement as HTMLElement).dataset['key']), second);
      await sidebar.locator('.mesh-tools select').first().selectOption('all');
    });

    it('shows no error on the console', () => editor.noErrors());
  });
}
