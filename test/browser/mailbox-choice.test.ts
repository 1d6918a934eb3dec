/** Choosing a mailbox in the editor: the only one is selected, and one that is configured already is offered. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { Editor, MAJORS, needsChromium } from '../harness/browser';
import type { FlowNode } from '../harness/node-red';

const mailbox = (id: string, mailboxId: string): FlowNode => ({
  id,
  type: 'mesh-config',
  name: '',
  version: 1,
  environment: 'sandbox',
  mailboxId,
});
const ONE: FlowNode[] = [{ id: 'tab', type: 'tab', label: 'flow' }, mailbox('one', 'X26ABC1')];
const TYPES = ['mesh-send', 'mesh-poll', 'mesh-ack', 'mesh-track', 'mesh-lookup', 'mesh-folder-read'];

/** Adds a node as a drag from the palette does, and returns its mailbox. */
const dragged = (editor: Editor, type: string): Promise<string> =>
  editor.page.evaluate((ofType) => {
    const { RED } = globalThis as unknown as {
      RED: { view: { createNode(type: string, x: number, y: number): { node: { mailbox: string } } } };
    };
    return RED.view.createNode(ofType, 300, 300).node.mailbox;
  }, type);

for (const major of MAJORS) {
  describe(`the mailbox of a new node in Node-RED ${major}`, function () {
    needsChromium(this);
    let editor: Editor;
    afterEach(() => editor?.close());

    it('is the only one there is, on the canvas and in the dialog; with two it is left to the user', async () => {
      editor = await Editor.open({ major, theme: 'light', flows: ONE });
      for (const type of TYPES) {
        assert.equal(await dragged(editor, type), 'one', type);
        const tray = await editor.edit(await editor.add(type));
        assert.equal(await tray.locator('#node-input-mailbox').inputValue(), 'one', type);
        await editor.cancel();
      }
      await editor.close();
      editor = await Editor.open({ major, theme: 'light', flows: [...ONE, mailbox('two', 'X26ABC2')] });
      for (const type of TYPES) assert.equal(await dragged(editor, type), '', type);
    });

    it('may be one that is configured: its dialog lists those, warns of a second configuration, and selects the first', async () => {
      editor = await Editor.open({ major, theme: 'light', flows: [...ONE, mailbox('two', 'X26ABC2')] });
      await editor.edit(await editor.add('mesh-send'));
      const { page } = editor;
      await page.locator('#node-input-btn-mailbox-add').click();
      const dialog: Locator = page.locator('.red-ui-tray', { has: page.locator('#node-config-input-mailboxId') });
      const field = dialog.locator('#node-config-input-mailboxId');
      await field.waitFor();
      // What is proposed is not configured yet.
      assert.equal(await field.inputValue(), 'X26ABC3');
      const warning = dialog.locator('.mesh-config-twice');
      assert.equal(await warning.isVisible(), false);
      await field.fill('x26abc1');
      await warning.getByText(/has a configuration already: X26ABC1 \(sandbox\)/).waitFor();
      assert.deepEqual(await editor.seriousViolations('.red-ui-tray:last-child .form-row'), []);
      await dialog.getByRole('button', { name: 'X26ABC2 (sandbox)' }).click();
      await dialog.waitFor({ state: 'detached' });
      await page.waitForFunction(
        () => (document.querySelector('#node-input-mailbox') as HTMLSelectElement).value === 'two',
      );
    });
  });
}
