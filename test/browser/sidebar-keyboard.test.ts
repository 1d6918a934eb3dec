/** The MESH sidebar by keyboard alone: no mouse, and no focus that a script sets for the operator. */
import assert from 'node:assert/strict';
import type { FileChooser, Locator } from 'playwright-core';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { mailboxOn, sendAndPollFlow, text } from '../harness/flows';
import { Editor, MAJORS, needsChromium } from '../harness/browser';

/** More than all fields of the sidebar. */
const MOST_TABS = 120;

for (const major of MAJORS) {
  describe(`the MESH sidebar by keyboard alone in Node-RED ${major}`, function () {
    needsChromium(this);
    let sandbox: Sandbox;
    let editor: Editor;
    let sidebar: Locator;

    before(async () => {
      sandbox = await startSandbox({ protocol: 'https' });
      editor = await Editor.open({ major, flows: [], size: { width: 1400, height: 1300 } });
      await editor.nodeRed.deploy([
        ...sendAndPollFlow('X26ABC1', 'X26ABC2'),
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

    const press = (key: string): Promise<void> => editor.page.keyboard.press(key);
    const type = (words: string): Promise<void> => editor.page.keyboard.type(words);
    const isFocused = (part: Locator): Promise<boolean> =>
      part.evaluateAll((found) => found.some((each) => each === document.activeElement));

    /** Goes on by Tab (or back) until it is there, and sees that it shows where it is. */
    async function go(part: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
      await part.first().waitFor();
      for (let tabs = 0; !(await isFocused(part)); tabs += 1) {
        assert.ok(tabs < MOST_TABS, `${part.toString()} is not reached by ${key}`);
        await press(key);
      }
      const ring = await editor.page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement ?? document.body);
        return outlineStyle === 'none' ? 0 : parseFloat(outlineWidth);
      });
      assert.ok(ring >= 1, `${part.toString()} does not show that it has the focus`);
    }

    const button = (name: string | RegExp): Locator =>
      sidebar.getByRole('button', typeof name === 'string' ? { name, exact: true } : { name });
    /** Waits, for what has just been pressed may still be asked of Node-RED. */
    const focusComesTo = async (part: Locator): Promise<void> => {
      await part.first().waitFor();
      // Asked again and again, for news draw it anew.
      for (const end = Date.now() + 15_000; !(await isFocused(part.first()));) {
        assert.ok(Date.now() < end, `${part.toString()} has not got the focus`);
      }
    };

    it('sends a file, after a look at the form that Escape closed', async () => {
      const compose = button('Send a file');
      await go(compose);
      await press('Enter');
      await focusComesTo(sidebar.getByLabel('Recipient'));
      await press('Escape');
      await focusComesTo(compose);
      await press('Space');
      await focusComesTo(sidebar.getByLabel('Recipient'));
      await type('X26NOBODY');
      await go(sidebar.getByLabel('Workflow id'));
      await type('TEST_WORKFLOW');
      await go(sidebar.getByLabel('Subject'));
      await type('By keyboard');
      await go(sidebar.locator('input[type=file]'));
      // The operating system's own dialog comes by the keyboard, and has its own.
      const choosing = (): Promise<FileChooser | undefined> =>
        editor.page.waitForEvent('filechooser', { timeout: 5000 }).catch(() => undefined);
      let chooser: FileChooser | undefined;
      // Chromium opens it by a key only if it comes from a person, and now and then takes the first for none.
      for (let tries = 0; tries < 3 && !chooser; tries += 1) {
        const opened = choosing();
        await press('Enter');
        chooser = await opened;
      }
      assert.ok(chooser, 'the file picker opens by Enter');
      await chooser.setFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('Dear colleague') });
      await go(button('Send'));
      await press('Enter');
      await sidebar.getByText('The message is in the outbox.').waitFor();
      await focusComesTo(compose);
    });

    it('opens the one that did not arrive, and resends it after a question', async () => {
      await go(button(/^Undelivered: 1\./));
      await press('Enter');
      const row = sidebar.locator('.mesh-row', { hasText: 'rejected' });
      await go(row);
      await press('Enter');
      await sidebar.locator('.mesh-timeline').waitFor();
      const resend = button('Resend');
      await go(resend);
      await press('Enter');
      const question = sidebar.getByRole('alertdialog');
      await focusComesTo(question.getByRole('button', { name: 'Cancel' }));
      // News that come meanwhile take nothing away.
      const asked = editor.page.waitForResponse((answer) => answer.url().includes('/messages/out/'));
      await editor.nodeRed.inject('go', text('Dear colleague'));
      await asked;
      await focusComesTo(question.getByRole('button', { name: 'Cancel' }));
      await press('Escape');
      await focusComesTo(resend);
      await press('Enter');
      await focusComesTo(question.getByRole('button', { name: 'Cancel' }));
      await press('Tab');
      await press('Enter');
      // The new one, at the top of the list.
      await focusComesTo(sidebar.locator('.mesh-row').first());
      await button(/^Undelivered: 2\./).waitFor();
      await press('Space');
      await sidebar.locator('.mesh-timeline').waitFor();
    });

    it('chooses another mailbox, and has it polled', async () => {
      const chooser = sidebar.locator('.mesh-toolbar select');
      await go(chooser, 'Shift+Tab');
      await press('ArrowDown');
      await sidebar.locator('.mesh-head strong', { hasText: 'X26ABC2' }).waitFor();
      await focusComesTo(chooser);
      const poll = button('Poll now');
      await go(poll);
      await press('Enter');
      const question = sidebar.getByRole('alertdialog');
      await focusComesTo(question.getByRole('button', { name: 'Cancel' }));
      await press('Tab');
      await press('Enter');
      await question.waitFor({ state: 'detached' });
      await focusComesTo(poll);
    });

    it('goes through to the last of it and back, and is held nowhere', async () => {
      await go(button('JSON lines'));
      await press('Tab');
      assert.ok(!(await isFocused(button('JSON lines'))));
      await go(sidebar.locator('.mesh-toolbar select'), 'Shift+Tab');
    });

    it('shows no error on the console', () => {
      editor.noErrors();
    });
  });
}
