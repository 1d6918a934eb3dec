/** The built-in sandbox refuses what MESH's Integration would refuse, and its clock can be moved for a demonstration. */
import { strict as assert } from 'node:assert';
import { builtInSandbox, closeBuiltInSandbox, deploy, Recorder, receive } from './support';
import { sandboxConfig, statusesOf, stop, takeMissingTexts, until, type Flow } from './support';

const CATCH: Flow = [
  { id: 'catcher', type: 'catch', wires: [['caught']] },
  { id: 'caught', type: 'helper' },
];

/** mesh-send at X26ABC1, whose configuration is as a new one is, but for `config`. */
const sender = (config: object = {}): Flow => [
  sandboxConfig('c', 'X26ABC1', { sandboxWorkflows: '', ...config }),
  { id: 'send', type: 'mesh-send', mailbox: 'c', wires: [['sent']] },
  { id: 'sent', type: 'helper' },
  ...CATCH,
];

const send = (workflowId: string, to = 'X26ABC2'): void =>
  receive('send', { payload: 'x', meshSend: { to, workflowId } });

describe('the built-in sandbox', () => {
  afterEach(async () => {
    await stop();
    await closeBuiltInSandbox();
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('refuses a workflow id that nobody has, with the advice of MESH’s code 17', async () => {
    await deploy(sender());
    const errors = new Recorder('caught');
    for (const [at, workflowId] of ['MY LETTERS', 'WHATEVER', 'test_workflow'].entries()) {
      send(workflowId);
      const { code, message } = (await errors.get(at + 1)).error;
      assert.equal(code, 'MESH_REJECTED', workflowId);
      assert.match(message, /not registered for the workflow id.*spelling/s);
    }
    assert.deepEqual((await builtInSandbox()).messages(), []);
  });

  it('refuses a recipient that is not in capitals, and a mailbox id that is none', async () => {
    await deploy(sender());
    const errors = new Recorder('caught');
    send('TEST_WORKFLOW', 'x26abc2');
    assert.match((await errors.get(1)).error.message, /recipient’s mailbox is not registered/);
    await stop();
    await deploy(sender({ mailboxId: 'X26-ABC 1' }));
    const statuses = statusesOf('send');
    await until(() => statuses.at(-1)?.text === 'check settings', 'the error');
  });

  it('takes its own, the national, the profiles’ and the configured workflows, and their acknowledgements', async () => {
    const profiles = JSON.stringify([{ workflowId: 'OURS', ackWorkflowId: 'OURS_BACK', form: 'custom' }]);
    await deploy(sender({ sandboxWorkflows: 'LETTERS, RESULTS', profiles, leftToOthers: 'ELSEWHERE' }));
    const sent = new Recorder('sent');
    const taken = ['TEST_WORKFLOW', 'TOC_FHIR_IP_DISCH', 'TOC_FHIR_IP_DISCH_ACK', 'CHANGEOFGP_1', 'OURS', 'OURS_BACK'];
    for (const workflowId of [...taken, 'LETTERS', 'RESULTS_ACK', 'ELSEWHERE']) send(workflowId);
    await sent.get(taken.length + 3);
  });

  it('lets five days pass: a letter that is not collected comes back, and its clients go on', async () => {
    await deploy([
      ...sender(),
      { id: 'poll', type: 'mesh-poll', mailbox: 'c', interval: 0, wires: [['end'], ['report'], ['end'], []] },
      { id: 'report', type: 'helper' },
      { id: 'end', type: 'helper' },
    ]);
    const [sent, report] = [new Recorder('sent'), new Recorder('report')];
    send('TEST_WORKFLOW');
    const { messageId } = (await sent.get(1)).meshSent;
    const sandbox = await builtInSandbox();
    sandbox.clock.pass(5 * 24 * 60 * 60 * 1000 + 1);
    receive('poll', {});
    assert.match(JSON.stringify((await report.get(1)).payload), new RegExp(messageId));
    send('TEST_WORKFLOW');
    await sent.get(2);
  });
});
