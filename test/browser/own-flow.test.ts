/** A user adds a file flow of their own, with two replies, in the editor and without code. */
import assert from 'node:assert/strict';
import { Editor, MAJORS, needsChromium } from '../harness/browser';
import { text } from '../harness/flows';
import type { FlowNode } from '../harness/node-red';

const mailbox = (mailboxId: string): FlowNode => ({
  id: `mailbox-${mailboxId}`,
  type: 'mesh-config',
  name: mailboxId,
  version: 1,
  environment: 'sandbox',
  mailboxId,
  tls: '',
  proxy: '',
  leftToOthers: '',
  leaseMinutes: 60,
  maxDeliveries: 5,
  maxRequestMb: '',
  chunkMb: '',
  compression: 'auto',
  odsCode: '',
  profilesFile: '',
  sandboxWorkflows: '*',
});
const debug = {
  active: true,
  tosidebar: true,
  console: false,
  tostatus: false,
  statusType: 'auto',
  statusVal: '',
  targetType: 'msg',
};
const inject = (id: string, to: string): FlowNode => ({
  props: [],
  repeat: '',
  crontab: '',
  once: false,
  topic: '',
  id,
  type: 'inject',
  z: 'tab',
  wires: [[to]],
});
const send = (id: string, from: string, to: string, more: object): FlowNode => ({
  id,
  type: 'mesh-send',
  z: 'tab',
  version: 1,
  mailbox: `mailbox-${from}`,
  to,
  toType: 'str',
  workflowIdType: 'str',
  payload: 'payload',
  payloadType: 'msg',
  payloadIs: 'content',
  compression: '',
  subject: '',
  fileName: '',
  contentType: '',
  localId: 'LIST-0001',
  wires: [[]],
  ...more,
});

/** X26ABC1 sends a list; X26ABC2 is the service, which says that it has it, and later what became of it. */
const NODES: FlowNode[] = [
  inject('go', 'send'),
  { ...send('send', 'X26ABC1', 'X26ABC2', { workflowId: 'MY_LIST' }), wires: [['sent']] },
  { ...debug, id: 'sent', type: 'debug', z: 'tab', complete: 'meshSent', wires: [] },
  inject('receipt', 'say-receipt'),
  send('say-receipt', 'X26ABC2', 'X26ABC1', { workflowId: 'MY_LIST', subject: 'RECEIVED', asks: 'none' }),
  inject('result', 'say-result'),
  send('say-result', 'X26ABC2', 'X26ABC1', { workflowId: 'MY_LIST_RESULT', asks: 'none' }),
  inject('look', 'poll'),
  {
    id: 'poll',
    type: 'mesh-poll',
    z: 'tab',
    version: 1,
    mailbox: 'mailbox-X26ABC1',
    interval: 0,
    workflows: '',
    payloadAs: 'text',
    charset: 'utf-8',
    folder: '',
    acknowledge: 'flow',
    maxInFlight: 50,
    wires: [[], [], ['reply', 'done'], []],
  },
  { ...debug, id: 'reply', type: 'debug', z: 'tab', complete: 'meshReply', wires: [] },
  { id: 'done', type: 'mesh-ack', z: 'tab', version: 1, mailbox: 'mailbox-X26ABC1', answer: 'none', wires: [[]] },
];
const FLOWS: FlowNode[] = [
  mailbox('X26ABC1'),
  mailbox('X26ABC2'),
  { id: 'tab', type: 'tab', label: 'list' },
  // Node-RED takes a node without a position for a config node.
  ...NODES.map((node, n) => Object.assign(node, { x: 100, y: 40 * (n + 1) })),
];

for (const major of MAJORS) {
  describe(`a file flow of one’s own in the editor of Node-RED ${major}`, function () {
    needsChromium(this);
    let editor: Editor;
    afterEach(() => editor?.close());

    it('is added with a request and two replies, and each reply settles its stage as the sidebar shows', async () => {
      editor = await Editor.open({ major, theme: 'light', flows: FLOWS });
      const { nodeRed } = editor;
      let tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
      await tray.locator('details.mesh-more summary').first().click();
      await tray.locator('.red-ui-editableList-addButton').click();
      await tray.getByLabel('Workflow id', { exact: true }).fill('MY_LIST');
      await tray.locator('.mesh-replies > summary').click();
      await tray.getByLabel('What it is for').fill('Sends a list, and gets back what became of it.');

      const stages = tray.locator('.mesh-replies > div > .mesh-reply-rows > .mesh-reply-row');
      await tray.getByRole('button', { name: 'Add a reply' }).click();
      const receipt = stages.nth(0);
      await receipt.getByLabel('Name', { exact: true }).fill('receipt');
      await receipt.getByLabel('Due within').fill('30');
      await receipt.getByLabel('Unit of time').selectOption('minutes');
      await receipt.getByRole('button', { name: 'Add a condition' }).first().click();
      await receipt.getByLabel('Value', { exact: true }).fill('RECEIVED');

      await tray.getByRole('button', { name: 'Add a reply' }).click();
      const result = stages.nth(1);
      await result.getByLabel('Name', { exact: true }).fill('result');
      await result.getByLabel('Kind', { exact: true }).selectOption('result');
      await result.getByLabel('Due within').fill('2');
      await result.getByLabel('Unit of time').selectOption('workingDays');
      await result.getByLabel('Workflow, if another one').fill('MY_LIST_RESULT');
      await result.getByRole('button', { name: 'Add an outcome' }).click();
      const outcome = result.locator('.mesh-reply-long');
      await outcome.getByLabel('Outcome', { exact: true }).selectOption('partial');
      await outcome.getByLabel('Code', { exact: true }).fill('some rows refused');
      await outcome.getByRole('button', { name: 'Add a condition' }).click();
      await outcome.getByLabel('What is looked at').selectOption('row');
      await outcome.getByLabel('Value', { exact: true }).fill('STATUS');
      await outcome.getByLabel('Equals', { exact: true }).fill('refused');
      assert.deepEqual(await editor.seriousViolations('.mesh-replies'), []);
      await editor.picture(`dialog-mesh-config-replies`, tray);
      await editor.done();
      await editor.deploy();

      await nodeRed.inject('go', text('9997877896,\n'));
      const { id } = (await nodeRed.debug('sent')) as { id: string };
      await nodeRed.inject('receipt', text('{}'));
      await nodeRed.inject('result', text('ROW,STATUS\n1,taken\n2,refused\n'));
      const replies: Array<{ stage: string; outcome: string; sentId: string }> = [];
      for (let polls = 0; replies.length < 2 && polls < 20; polls += 1) {
        await nodeRed.inject('look');
        const reply = (await nodeRed.debug('reply', 1500).catch(() => undefined)) as
          (typeof replies)[number] | undefined;
        if (reply) replies.push(reply);
      }
      assert.deepEqual(
        replies
          .map(({ stage, outcome: said, sentId }) => [stage, said, sentId])
          .toSorted(([one = ''], [other = '']) => one.localeCompare(other)),
        [
          ['receipt', 'positive', id],
          ['result', 'partial', id],
        ],
      );

      await editor.reload();
      const sidebar = await editor.showSidebar();
      await sidebar.locator('.mesh-toolbar select').selectOption('mailbox-X26ABC1');
      await sidebar.locator('.mesh-row', { hasText: 'MY_LIST' }).first().click();
      const facts = sidebar.locator('.mesh-facts', { hasText: 'Outbox id' });
      await facts.getByText('some rows refused').waitFor();
      assert.match(
        (await facts.textContent()) ?? '',
        /Reply “receipt”positive.*Reply “result”partial, some rows refused/,
      );

      // The dialog shows again what it has stored.
      tray = await editor.editConfig('mesh-config', 'mailbox-X26ABC1');
      await tray.locator('details.mesh-more summary').first().click();
      const again = tray.locator('.mesh-replies > div > .mesh-reply-rows > .mesh-reply-row').nth(1);
      assert.equal(await again.getByLabel('Workflow, if another one').inputValue(), 'MY_LIST_RESULT');
      assert.equal(await again.getByLabel('Equals', { exact: true }).inputValue(), 'refused');
      await editor.cancel();
      editor.noErrors();
    });
  });
}
