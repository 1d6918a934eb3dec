/** Errors of a mailbox in a sandbox name it, wherever a person or a flow reads them (docs/design.md, rule 16). */
import assert from 'node:assert/strict';
import type { MailboxAlert } from '../../nodes/monitor/condition-reporter';
import { closeBuiltInSandbox, deploy, receive, Recorder, sandboxConfig, stop } from './support';
import { takeMissingTexts, until, type Flow } from './support';

const TO = { to: 'X26ABC1', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
const FLOW: Flow = [
  sandboxConfig('box', 'X26ABC1'),
  { id: 'send', type: 'mesh-send', mailbox: 'box', wires: [['sent']], ...TO },
  {
    id: 'poll',
    type: 'mesh-poll',
    mailbox: 'box',
    interval: 0,
    payloadAs: 'json',
    wires: [['data'], [], [], ['parked']],
  },
  { id: 'status', type: 'mesh-status', all: 'one', mailbox: 'box', wires: [['changes'], []], ...soon() },
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  ...['sent', 'data', 'parked', 'changes', 'caught'].map((id) => ({ id, type: 'helper' })),
];

/** Monitors every second, and finds the disk too small. */
function soon(): object {
  return { stoppedMinutes: 0, minFreeGb: 1e6, everySeconds: 1 };
}

const NAMED = / \(sandbox\)$/;

describe('an error at a sandbox', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('names it at Catch and on a parked message', async () => {
    await deploy(FLOW);
    const [sent, parked, caught] = [new Recorder('sent'), new Recorder('parked'), new Recorder('caught')];
    receive('send', { payload: undefined });
    assert.match((await caught.get(1)).error.message, NAMED);
    receive('send', { payload: 'no JSON' });
    await sent.get(1);
    receive('poll', {});
    assert.match((await parked.get(1)).error.message, NAMED);
    assert.match((await caught.get(2)).error.message, NAMED);
  });

  it('names it in the text of a condition', async () => {
    await deploy(FLOW);
    const changes = new Recorder('changes');
    await until(() => changes.messages.length > 0, 'a condition');
    const { kind, text } = (await changes.get(1)).payload as MailboxAlert;
    assert.equal(kind, 'disk');
    assert.match(text, NAMED);
  });
});
