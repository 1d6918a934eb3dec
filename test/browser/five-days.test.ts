/** "5 days later" in the sidebar: the sandbox's clock, so that a letter that is not collected can be shown. */
import assert from 'node:assert/strict';
import { Editor, MAJORS, needsChromium } from '../harness/browser';
import { sendAndPollFlow, text } from '../harness/flows';
import type { FlowNode } from '../harness/node-red';

const mailbox = (mailboxId: string): FlowNode => ({
  id: `mailbox-${mailboxId}`,
  type: 'mesh-config',
  name: '',
  version: 1,
  environment: 'sandbox',
  mailboxId,
});

for (const major of MAJORS) {
  describe(`the sandbox’s clock in the sidebar of Node-RED ${major}`, function () {
    needsChromium(this);
    let editor: Editor;
    afterEach(() => editor?.close());

    it('returns a letter that was not collected, after a question, by one button', async () => {
      // X26ABC2 is polled only by `look`, which nobody presses.
      const flow = sendAndPollFlow('X26ABC1', 'X26ABC2');
      const poll = flow.find(({ id }) => id === 'poll') as FlowNode;
      const own = { ...poll, id: 'poll-own', mailbox: 'mailbox-X26ABC1' };
      editor = await Editor.open({ major, theme: 'light', flows: [] });
      const { nodeRed } = editor;
      await nodeRed.deploy([mailbox('X26ABC1'), mailbox('X26ABC2'), ...flow, own]);
      await nodeRed.inject('go', text('Dear colleague'));
      const { messageId } = (await nodeRed.debug('sent')) as { messageId: string };
      await editor.reload();
      const sidebar = await editor.showSidebar();
      await sidebar.locator('.mesh-toolbar select').selectOption('mailbox-X26ABC1');
      await sidebar.locator('[data-key="do-five-days"]').click();
      await sidebar.getByText(/Let five days pass in the sandbox/).waitFor();
      await sidebar.locator('.mesh-notice').getByRole('button', { name: '5 days later' }).click();
      await sidebar.getByText(/Five days have passed/).waitFor();
      assert.match(JSON.stringify(await nodeRed.debug('report')), new RegExp(messageId));
    });
  });
}
