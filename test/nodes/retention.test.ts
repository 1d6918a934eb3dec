/** Retention of finished messages, as set in settings.js. */
import { strict as assert } from 'node:assert';
import { deploy, receive, Recorder, sandboxConfig, stop } from './support';
import { logText, until, useUserDir, withMeshSettings, type Flow } from './support';
import { isMailboxNode } from '../../nodes/mailbox/mailbox-user';
import { helper } from './helper';

const TO = { to: 'X26ABC1', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
const FLOW: Flow = [
  sandboxConfig('box', 'X26ABC1'),
  { id: 'send', type: 'mesh-send', mailbox: 'box', wires: [['sent']], ...TO },
  { id: 'sent', type: 'helper' },
  { id: 'poll', type: 'mesh-poll', mailbox: 'box', interval: 0, wires: [['ack'], [], [], []] },
  { id: 'ack', type: 'mesh-ack', mailbox: 'box', wires: [['acked']] },
  { id: 'acked', type: 'helper' },
];

describe('mesh.retention in settings.js', () => {
  useUserDir();

  /** True while the payload exists. */
  async function isKept(messageId: string): Promise<boolean> {
    const box = helper.getNode('box');
    assert.ok(isMailboxNode(box));
    const { mailbox } = (await box.connection.opened()) ?? {};
    assert.ok(mailbox);
    return mailbox.operator.payload('in', messageId).then(
      () => true,
      () => false,
    );
  }

  it('removes the payload of a done message at the next start', async () => {
    await deploy(FLOW);
    const [sent, acked] = [new Recorder('sent'), new Recorder('acked')];
    receive('send', { payload: 'x' });
    const { messageId } = (await sent.get(1)).meshSent;
    receive('poll', {});
    await acked.get(1);
    assert.equal(await isKept(messageId), true);
    await stop();

    await deploy(FLOW);
    assert.equal(await isKept(messageId), true, 'by default it is kept for a week');
    await stop();

    withMeshSettings({ retention: { settledPayloadDays: 0 } });
    await deploy(FLOW);
    for (const end = Date.now() + 8000; await isKept(messageId);) assert.ok(Date.now() < end, 'still kept');
  });

  for (const retention of [
    { unsettledPayloadDays: 29 },
    { rowDays: 29 },
    { settledPayloadDays: -1 },
    { ledgerDays: 0 },
    { ledgerDays: '400' },
    { payloadDays: 7 },
    7,
  ]) {
    it(`rejects ${JSON.stringify(retention)} with a text, and opens no mailbox`, async () => {
      withMeshSettings({ retention });
      await deploy(FLOW);
      await until(() => /mesh\.retention may have only: settledPayloadDays/.test(logText()), 'the error');
    });
  }
});
