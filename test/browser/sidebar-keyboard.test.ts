/** The MESH sidebar by keyboard alone: no mouse, and no focus set by the test. */
import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { type Editor, MAJORS, needsChromium } from '../harness/browser';
import { sendAndPollFlow, text } from '../harness/flows';
import { MeshSidebar } from '../harness/sidebar';

/** More than the sidebar has fields. */
const MAX_TABS = 120;

for (const major of MAJORS) {
  describe(`the MESH sidebar by keyboard alone in Node-RED ${major}`, function () {
    needsChromium(this);
    let mesh: MeshSidebar;
    let editor: Editor;
    let sidebar: Locator;

    before(async () => {
      mesh = await MeshSidebar.open({ major, height: 1300, flow: sendAndPollFlow('X26ABC1', 'X26ABC2') });
      ({ editor, sidebar } = mesh);
    });
    after(() => mesh?.close());

    const press = (key: string): Promise<void> => editor.page.keyboard.press(key);
    const type = (words: string): Promise<void> => editor.page.keyboard.type(words);
    const isFocused = (part: Locator): Promise<boolean> =>
      part.evaluateAll((found) => found.some((each) => each === document.activeElement));

    /** Presses Tab (or Shift+Tab) until the element has the focus, and checks that the focus is visible. */
    async function go(part: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
      await part.first().waitFor();
      for (let tabs = 0; !(await isFocused(part)); tabs += 1) {
        assert.ok(tabs < MAX_TABS, `${part.toString()} is not reached by ${key}`);
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
    /** Waits until the element has the focus: the request of the last key may still be under way. */
    const focusComesTo = async (part: Locator): Promise<void> => {
      await part.first().waitFor();
      // Checked repeatedly, because a refresh redraws the element.
      for (const end = Date.now() + 15_000; !(await isFocused(part.first()));) {
        assert.ok(Date.now() < end, `${part.toString()} has not got the focus`);
      }
    };

    it('sends a file, after Escape has closed the form once', async () => {
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
      // The file picker is the operating system's own: Chromium is told to show none and to say that it would have, by a
      // command that a key can overtake. An evaluation comes after it. A picker that did open would stay, and no other
      // would open.
      const choosing = editor.page.waitForEvent('filechooser');
      await editor.page.evaluate(() => undefined);
      await press('Enter');
      const chooser = await choosing;
      await chooser.setFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('Dear colleague') });
      await go(button('Send'));
      await press('Enter');
      await sidebar.getByText('The message is in the outbox.').waitFor();
      await focusComesTo(compose);
    });

    it('keeps the keys to the focused field when the suggestions of another one come late', async () => {
      const { page } = editor;
      const requested = Promise.withResolvers<void>();
      const late = Promise.withResolvers<void>();
      await page.route('**/mesh/profiles?*', async (route) => {
        requested.resolve();
        await late.promise;
        await route.continue();
      });
      await go(button('Send a file'));
      await press('Enter');
      await focusComesTo(sidebar.getByLabel('Recipient'));
      await go(sidebar.getByLabel('Workflow id'));
      await type('TEST');
      await requested.promise;
      await press('Tab');
      const subject = sidebar.getByLabel('Subject');
      await focusComesTo(subject);
      late.resolve();
      await page.waitForResponse((response) => response.url().includes('/mesh/profiles'));
      await page.waitForFunction(() => (globalThis as unknown as { $: { active: number } }).$.active === 0);
      assert.ok(await isFocused(subject));
      await press('Tab');
      await focusComesTo(sidebar.locator('input[type=file]'));
      await press('Escape');
      await focusComesTo(button('Send a file'));
    });

    it('opens an undelivered message, and resends it after a confirmation', async () => {
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
      // A refresh meanwhile leaves the question and its focus.
      const refreshed = editor.page.waitForResponse((response) => response.url().includes('/messages/out/'));
      await editor.nodeRed.inject('go', text('Dear colleague'));
      await refreshed;
      await focusComesTo(question.getByRole('button', { name: 'Cancel' }));
      await press('Escape');
      await focusComesTo(resend);
      await press('Enter');
      await focusComesTo(question.getByRole('button', { name: 'Cancel' }));
      await press('Tab');
      await press('Enter');
      // The new message is at the top of the list.
      await focusComesTo(sidebar.locator('.mesh-row').first());
      // The original is dealt with.
      await button(/^Undelivered: 1\./).waitFor();
      await press('Space');
      await sidebar.locator('.mesh-timeline').waitFor();
    });

    it('selects another mailbox, and polls it', async () => {
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

    it('moves the focus to the last element and back, and is trapped nowhere', async () => {
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
