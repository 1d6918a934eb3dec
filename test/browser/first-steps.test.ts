/**
 * docs/first-steps.md, click by click in an editor without the package: from the tarball to the first message, and to a
 * mailbox of Integration as far as possible without NHS England. The test presses or reads every name that the document
 * prints in bold: a name that the editor does not have, or that the test does not use, fails.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Locator } from 'playwright-core';
import { pack } from '../harness/tarball';
import { Editor, MAJORS, needsChromium } from '../harness/browser';
import { CONFIG_NODES, NODE_NAMES } from '../harness/node-red';
import { Names } from './names';

const PACKAGE = '@mesh-flows/node-red-nhs-mesh';

for (const major of MAJORS) {
  describe(`docs/first-steps.md in Node-RED ${major}`, function () {
    needsChromium(this);
    // The palette installs with npm, which may be slow.
    this.timeout(300_000);
    let folder: string;
    let tarball: string;
    let editor: Editor;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'mesh-first-steps-'));
      tarball = (await pack(folder)).path;
      editor = await Editor.open({ major, installed: true, withoutPack: true });
    });
    afterEach('log the editor’s notifications', async function () {
      if (this.currentTest?.state !== 'failed') return;
      console.log(await editor.page.locator('.red-ui-notification').allTextContents());
    });
    after(async () => {
      await editor.close();
      await rm(folder, { recursive: true, force: true });
    });

    const menu = async (item: string): Promise<void> => {
      await editor.page.locator('#red-ui-header-button-sidemenu').click();
      await editor.page.locator('#red-ui-header-button-sidemenu-submenu').getByText(item, { exact: true }).click();
    };
    const node = (label: string): Locator =>
      editor.page.locator('.red-ui-flow-node', { has: editor.page.getByText(label, { exact: true }) }).first();
    const press = (label: string): Promise<void> => node(label).locator('.red-ui-flow-node-button-button').click();
    const debugged = (label: string): Locator =>
      editor.page
        .locator('.red-ui-debug-msg')
        .filter({ hasText: `node: ${label}` })
        .last();
    const button = (name: string): Locator => editor.page.getByRole('button', { name, exact: true });

    it('installs the tarball with the palette manager, without a restart, and the nodes stand in their order', async () => {
      const names = new Names('Install');
      const { page } = editor;
      // Whatever arrives last.
      await page.route('**/nodes/*/mesh-send', async (route) => {
        await setTimeout(1000);
        await route.continue();
      });
      await menu(names.of('Manage palette'));
      await page.locator('.red-ui-tab').getByText(names.of('Install'), { exact: true }).click();
      const upload = page.locator('.red-ui-palette-editor-upload-button');
      await upload.hover();
      await page.getByText(names.of('Upload module tgz file')).waitFor();
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), upload.click()]);
      await chooser.setFiles(tarball);
      await button(names.of('Upload')).click();
      const added = page.locator('.red-ui-notification', { hasText: names.of('Nodes added to palette') });
      // The editor loads nodes and plugins separately; the nodes need the editor plugin.
      for (const one of ['mesh-send', 'nhs-mesh-editor']) {
        await added.getByText(one, { exact: true }).waitFor({ timeout: 240_000 });
      }
      await button(names.of('Close')).first().click();
      const category = page.locator('.red-ui-palette-category', {
        has: page.getByText(names.of('MESH'), { exact: true }),
      });
      await category.locator('[data-palette-type="mesh-send"]').waitFor();
      // The script that keeps the order may arrive last.
      await page.waitForFunction(
        (inOrder) => {
          const shown = document.querySelectorAll<HTMLElement>('.red-ui-palette-node[data-palette-type^="mesh-"]');
          return [...shown].map((node) => node.dataset['paletteType']).join(' ') === inOrder;
        },
        NODE_NAMES.filter((type) => !CONFIG_NODES.includes(type)).join(' '),
      );
      names.allUsed();
    });

    it('reaches the first message in three clicks: sent, received, done and tracked', async () => {
      const names = new Names('Three clicks to the first message');
      const { page } = editor;
      await menu(names.of('Import'));
      const dialog = page.locator('#red-ui-clipboard-dialog');
      await dialog.getByRole('link', { name: names.of('Examples') }).click();
      const tree = dialog.locator('#red-ui-clipboard-dialog-import-tab-examples');
      await tree.getByText(names.of(PACKAGE), { exact: true }).click();
      await tree.getByText(names.of('first-message'), { exact: true }).click();
      await button(names.of('Import')).click();
      await page.locator('.red-ui-tab').getByText(names.of('First message'), { exact: true }).click();
      await page.locator('#red-ui-header-button-deploy', { hasText: names.of('Deploy') }).click();
      await node('Send to X26ABC2').getByText(names.of('connected (sandbox)')).waitFor({ timeout: 60_000 });
      if (major === '4') await page.locator('#red-ui-sidebar .red-ui-tab-link-button:has(.fa-bug)').click();
      await press(names.of('HL7 v2 ADT'));
      for (const name of ['Accepted by MESH', 'Received', 'Done']) await debugged(names.of(name)).waitFor();
      assert.match((await debugged('Accepted by MESH').textContent()) ?? '', /messageId/);
      await press(names.of('Track the last message'));
      await debugged(names.of('Tracking')).filter({ hasText: 'acknowledged' }).waitFor();
      await press(names.of('Poll now'));
      await node('Inbox of X26ABC2')
        .getByText(/^polled at/)
        .waitFor();
      const sidebar = await editor.showSidebar();
      // What it does is in five-days.test.ts.
      await sidebar.getByRole('button', { name: names.of('5 days later'), exact: true }).click();
      await sidebar.getByText(/Let five days pass in the sandbox/).waitFor();
      names.allUsed();
    });

    it('sets up a mailbox for Integration, and its connection test names what is missing', async () => {
      const names = new Names('What to change for Integration');
      const { page } = editor;
      await node(names.of('Send to X26ABC2')).waitFor();
      const tray = await editor.edit('fm-send');
      await tray.locator('#node-input-btn-mailbox-edit').click();
      const mailbox = page.locator('.red-ui-tray', { has: page.locator('#node-config-input-mailboxId') });
      const field = (name: string): Locator => mailbox.getByLabel(name, { exact: true });
      await field(names.of('Environment')).selectOption({ label: names.of('Integration') });
      await field(names.of('Mailbox')).fill('X26OT001');
      await field(names.of('Password')).fill('password');
      await field(names.of('Shared key')).fill('shared key');
      for (const name of ['TLS', 'Proxy']) {
        await mailbox
          .locator('.form-row', { hasText: new RegExp(`^\\s*${names.of(name)}`) })
          .locator('button, a')
          .last()
          .waitFor();
      }
      await button(names.of('Test connection')).click();
      const failed = mailbox.locator('li[data-outcome="failed"]', { hasText: names.of('Client certificate') });
      await failed.waitFor();
      assert.match((await failed.locator('em').textContent()) ?? '', /TLS configuration/);
      await mailbox.getByText(names.of('Advanced'), { exact: true }).click();
      await field(names.of('Maximum request')).fill('19');
      await mailbox.getByRole('button', { name: names.of('Update') }).click();
      await page
        .locator('.red-ui-tray')
        .last()
        .getByRole('button', { name: names.of('Done') })
        .click();
      await page.locator('#red-ui-header-button-deploy:not(.disabled)', { hasText: names.of('Deploy') }).waitFor();
      names.allUsed();
    });
  });
}
