/** Every edit dialog in a real browser: it opens, can be used, and is accessible. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { CONFIG_NODES, exampleFlows, NODE_NAMES } from '../harness/node-red';
import { Editor, MAJORS, needsChromium, suggestedFirst, THEMES } from '../harness/browser';

const EXAMPLES = ['first-message', 'closed-loop', 'mllp-to-mesh', 'mesh-client-folders'];
const FLOWS = exampleFlows(...EXAMPLES);
/** The package's part of the dialog: the frame and its hidden fields for password managers are Node-RED's. */
const ROWS = '.red-ui-tray:last-child .form-row';

/** Pixels. Node-RED opens a dialog with about 500, and widens it for contents that need more. */
const WIDEST = 600;

/** Ignores the hint that Node-RED's own typedInput adds to its frame if a value is not valid. */
const faultsOf = async (editor: Editor): Promise<string[]> =>
  (await editor.seriousViolations(ROWS)).filter(
    (fault) => !/^aria-prohibited-attr: .*class="red-ui-typedInput-input-wrap/.test(fault),
  );

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 15_000; !(await isSo());) assert.ok(Date.now() < end, 'not within 15 s');
}

async function isVisibleIn(part: Locator, within: Locator): Promise<boolean> {
  const [box, frame] = [await part.boundingBox(), await within.boundingBox()];
  return box !== null && frame !== null && box.y >= frame.y && box.y + box.height <= frame.y + frame.height;
}

/** Shows the rows of a dialog that depend on other settings too, so that everything in it can be measured. */
const showAll = (tray: Locator): Promise<void> =>
  tray.locator('.mesh-dialog').evaluate((dialog) => {
    for (const part of dialog.querySelectorAll<HTMLElement>('div')) {
      if (part.style.display === 'none') part.style.display = '';
    }
  });

/** Returns the labels whose text takes more than one line, or more room than its label has. */
const wrappedLabels = (tray: Locator): Promise<string[]> =>
  tray.locator('.mesh-dialog').evaluate((dialog) =>
    [...dialog.querySelectorAll('label > span')]
      .filter((text) => {
        const lines = new Set([...text.getClientRects()].map(({ top }) => top));
        const edge = text.parentElement?.getBoundingClientRect().right ?? 0;
        return lines.size > 1 || text.getBoundingClientRect().right > edge + 1;
      })
      .map((text) => text.textContent ?? ''),
  );

/**
 * Returns what does not fit: parts beyond the dialog's edge, and placeholders and options that are longer than their
 * field.
 */
const cutParts = (tray: Locator): Promise<string[]> =>
  tray.locator('.mesh-dialog').evaluate((dialog) => {
    const right = dialog.getBoundingClientRect().right + 1;
    const parts = 'input, select, button, label, .form-tips, .form-row > span';
    const shown = [...dialog.querySelectorAll<HTMLElement>(parts)].filter((part) => part.getClientRects().length > 0);
    const beyond = shown.filter((part) => part.getBoundingClientRect().right > right);
    const pen = document.createElement('canvas').getContext('2d');
    const cut = shown.flatMap((part) => {
      if (!pen || !(part instanceof HTMLInputElement || part instanceof HTMLSelectElement)) return [];
      const { font, paddingLeft, paddingRight } = getComputedStyle(part);
      pen.font = font;
      // A select has an arrow at its right edge.
      const [texts, arrow] =
        part instanceof HTMLInputElement ? [[part.placeholder], 0] : [[...part.options].map(({ text }) => text), 20];
      const room = part.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - arrow;
      return texts.filter((text) => pen.measureText(text).width > room);
    });
    return [...beyond.map((part) => `${part.tagName} ${part.id || part.className || part.textContent}`), ...cut];
  });

for (const major of MAJORS) {
  for (const theme of THEMES[major]) {
    describe(`the edit dialogs of Node-RED ${major}, ${theme}`, function () {
      needsChromium(this);
      let editor: Editor;
      before(async () => {
        editor = await Editor.open({ major, theme, flows: FLOWS });
      });
      // One theme is enough for the docs: the others differ in colours only.
      const picture = async (name: string, tray: Locator): Promise<void> => {
        if (major === '5' && theme === 'light') await editor.picture(`dialog-${name}`, tray);
      };
      // A failed test may leave a dialog open.
      afterEach(async function () {
        if (this.currentTest?.state === 'failed') await editor?.reload();
      });
      after(() => editor?.close());

      for (const type of NODE_NAMES) {
        it(`${type}: a new node’s dialog is accessible, has every label on one line, and cuts no text`, async () => {
          const tray = CONFIG_NODES.includes(type)
            ? await editor.editConfig(type)
            : await editor.edit(await editor.add(type));
          await picture(type, tray);
          for (const more of await tray.locator('details.mesh-more').all()) {
            await more.locator('summary').first().click();
          }
          assert.deepEqual(await faultsOf(editor), []);
          await showAll(tray);
          assert.deepEqual(await wrappedLabels(tray), []);
          assert.deepEqual(await cutParts(tray), []);
          assert.ok(((await tray.boundingBox())?.width ?? 0) < WIDEST, 'its contents widen the dialog');
          await editor.cancel();
        });

        const example = FLOWS.find((node) => node.type === type);
        // A dialog behaves the same in every theme.
        if (!example || theme === 'dark') continue;
        it(`${type}: the dialog of an example’s node opens with its values, and Done leaves it valid`, async () => {
          const tray = CONFIG_NODES.includes(type)
            ? await editor.editConfig(type, example.id)
            : await editor.edit(example.id);
          const prefix = CONFIG_NODES.includes(type) ? 'node-config-input' : 'node-input';
          await tray.locator(`#${prefix}-name`).fill('renamed');
          await editor.done();
          const [name, isValid] = await editor.page.evaluate((id) => {
            const { RED } = globalThis as unknown as {
              RED: { nodes: { node(id: string): { name: string; valid: boolean } } };
            };
            const node = RED.nodes.node(id);
            return [node.name, node.valid] as const;
          }, example.id);
          assert.deepEqual([name, isValid], ['renamed', true]);
        });
      }

      it('the palette shows every name whole, in the order of package.json', async () => {
        const nodes = editor.page.locator('.red-ui-palette-node[data-palette-type^="mesh-"]');
        const shown = await nodes.evaluateAll((all) =>
          all.map((node) => {
            const text = document.createRange();
            text.selectNodeContents(node.querySelector('.red-ui-palette-label') ?? node);
            const { left, right } = text.getBoundingClientRect();
            const obstacles = [...node.querySelectorAll('.red-ui-palette-port, .red-ui-palette-icon-container')];
            const isCovered = obstacles.some((part) => {
              const box = part.getBoundingClientRect();
              return box.right > left && box.left < right;
            });
            return [node.getAttribute('data-palette-type'), isCovered] as const;
          }),
        );
        assert.deepEqual(
          shown,
          NODE_NAMES.filter((type) => !CONFIG_NODES.includes(type)).map((type) => [type, false]),
        );
      });

      it('mesh-send: suggests workflow ids, and finds and selects a mailbox, by keyboard alone', async () => {
        await editor.reload();
        const send = FLOWS.find((node) => node.type === 'mesh-send');
        const tray = await editor.edit(send?.id ?? '');
        const { page } = editor;
        const { keyboard } = page;
        const workflow = tray
          .locator('.form-row', { has: page.locator('#node-input-workflowId') })
          .getByRole('textbox');
        await workflow.fill('');
        await workflow.pressSequentially('gpconnect_send');
        await suggestedFirst(page, 'GPCONNECT_SEND_DOCUMENT');
        await keyboard.press('Enter');
        assert.equal(await workflow.inputValue(), 'GPCONNECT_SEND_DOCUMENT');
        await workflow.fill('TEST_WORKFLOW');
        await keyboard.press('Escape');
        await tray.locator('.mesh-search-open').focus();
        await keyboard.press('Enter');
        await keyboard.type('X99');
        await keyboard.press('Enter');
        await tray.getByText('MESH has no mailbox').waitFor();
        await tray.locator('.mesh-search-ods').fill('x26');
        await keyboard.press('Enter');
        const found = tray.getByRole('button', { name: 'X26ABC2' });
        await found.waitFor();
        assert.deepEqual(await faultsOf(editor), []);
        await picture('mesh-send-search', tray);
        await found.focus();
        await keyboard.press('Enter');
        const to = tray
          .locator('.form-row', { has: page.locator('#node-input-to') })
          .getByRole('textbox')
          .first();
        assert.equal(await to.inputValue(), 'X26ABC2');
        await editor.done();
      });

      it('mesh-send: recipient and workflow can be filled in, saved and deployed by keyboard alone', async () => {
        const send = FLOWS.find((node) => node.type === 'mesh-send')?.id ?? '';
        const tray = await editor.edit(send);
        const { page } = editor;
        const { keyboard } = page;
        const tabTo = async (row: string): Promise<void> => {
          const isThere = (): Promise<boolean> =>
            page.evaluate((id) => {
              const { activeElement } = document;
              const inRow = activeElement?.closest('.form-row')?.querySelector(id);
              return Boolean(inRow) && activeElement instanceof HTMLInputElement && activeElement.type === 'text';
            }, row);
          for (let steps = 0; !(await isThere()); steps += 1) {
            assert.ok(steps < 40, `Tab does not reach ${row}`);
            await keyboard.press('Tab');
          }
          await keyboard.press('Control+A');
        };
        await tray.locator('#node-input-name').focus();
        await tabTo('#node-input-to');
        await keyboard.type('X26ABC2');
        await tabTo('#node-input-workflowId');
        await keyboard.type('gpconnect');
        await suggestedFirst(page, 'GPCONNECT_SEND_DOCUMENT');
        await keyboard.press('ArrowDown');
        await keyboard.press('Enter');
        await keyboard.press('Control+Enter');
        await page.waitForFunction(() => document.querySelectorAll('.red-ui-tray').length === 0);
        const [to, workflowId] = await page.evaluate((id) => {
          const { RED } = globalThis as unknown as {
            RED: { nodes: { node(id: string): { to: string; workflowId: string } } };
          };
          const node = RED.nodes.node(id);
          return [node.to, node.workflowId] as const;
        }, send);
        assert.equal(to, 'X26ABC2');
        assert.match(workflowId, /^GPCONNECT_/);
        await keyboard.press('Control+d');
        await page.locator('#red-ui-header-button-deploy.disabled').waitFor({ timeout: 60_000 });
      });

      it('mesh-config: custom profiles are added, stored and shown again', async () => {
        const config = FLOWS.find((node) => node.type === 'mesh-config')?.id ?? '';
        let tray = await editor.editConfig('mesh-config', config);
        await tray.locator('details.mesh-more summary').first().click();
        await tray.locator('.red-ui-editableList-addButton').click();
        await tray.getByLabel('Workflow id', { exact: true }).fill('ORDERS');
        await tray.getByLabel('Acknowledgement format').selectOption('custom');
        await tray.getByLabel('Acknowledgement workflow').fill('RECEIPTS');
        await tray.getByLabel('receivers accept no chunks').check();
        await tray.getByLabel('Recommended size (MB)').fill('2.5');
        assert.deepEqual(await faultsOf(editor), []);
        await picture('mesh-config-profiles', tray);
        await editor.done();
        const stored = await editor.page.evaluate((id) => {
          const { RED } = globalThis as unknown as { RED: { nodes: { node(id: string): { profiles: string } } } };
          return RED.nodes.node(id).profiles;
        }, config);
        const profile = { workflowId: 'ORDERS', ackWorkflowId: 'RECEIPTS', form: 'custom', recommendedMb: 2.5 };
        assert.deepEqual(JSON.parse(stored), [{ ...profile, infAck: false, busAck: false, chunks: false }]);
        await editor.deploy();
        // The node is missing until the flows have restarted.
        await until(async () => {
          const headers = { 'node-red-api-version': 'v2' };
          const response = await fetch(`${editor.nodeRed.url}/mesh/profiles?mailbox=${config}`, { headers });
          const { profiles } = (await response.json()) as { profiles: Array<{ workflowId: string }> };
          return profiles.some(({ workflowId }) => workflowId === 'ORDERS');
        });
        tray = await editor.editConfig('mesh-config', config);
        await tray.locator('details.mesh-more summary').first().click();
        assert.equal(await tray.getByLabel('Workflow id', { exact: true }).inputValue(), 'ORDERS');
        assert.equal(await tray.getByLabel('receivers accept no chunks').isChecked(), true);
        await editor.cancel();
      });

      for (const type of theme === 'light' ? NODE_NAMES : []) {
        it(`${type}: its help opens the import dialog with the named example selected and visible`, async () => {
          const { page } = editor;
          await page.evaluate((shown) => {
            const { RED } = globalThis as unknown as { RED: { sidebar: { help: { show(type: string): void } } } };
            RED.sidebar.help.show(shown);
          }, type);
          const links = page.locator('.red-ui-help a[data-mesh-example]');
          assert.ok((await links.count()) > 0, 'the help names no example');
          for (const link of await links.all()) {
            const name = (await link.getAttribute('data-mesh-example')) ?? '';
            assert.equal(await link.textContent(), name);
            await link.click();
            const chosen = page.locator('#red-ui-clipboard-dialog-import-tab-examples .red-ui-treeList-label.selected');
            await chosen.getByText(name, { exact: true }).waitFor();
            await page.locator('#red-ui-clipboard-dialog-ok:not(:disabled)').waitFor();
            await until(() => isVisibleIn(chosen, page.locator('#red-ui-clipboard-dialog-import-tab-examples')));
            await page.locator('#red-ui-clipboard-dialog-cancel').click();
            await page.locator('#red-ui-clipboard-dialog').waitFor({ state: 'hidden' });
          }
        });
      }

      it('shows no error on the console', () => editor.noErrors());
    });
  }
}
