/** mesh-send and the workflow profiles of the mailbox's own list. */
import { strict as assert } from 'node:assert';
import {
  closeBuiltInSandbox,
  deploy,
  logText,
  receive,
  Recorder,
  sandboxConfig,
  stop,
  takeMissingTexts,
  type Flow,
} from './support';

const PROFILES = [
  { workflowId: 'LETTER', ackWorkflowId: null, form: 'none', subject: '{msg.kind} letter', recommendedMb: 0.001 },
];

function flow(send: object, profiles: unknown = PROFILES): Flow {
  return [
    sandboxConfig('from', 'X26ABC1', { odsCode: 'X26', profiles: JSON.stringify(profiles) }),
    sandboxConfig('into', 'X26ABC2'),
    { id: 'send', type: 'mesh-send', mailbox: 'from', version: 1, wires: [['sent']], ...send },
    { id: 'sent', type: 'helper' },
    { id: 'poll', type: 'mesh-poll', mailbox: 'into', interval: 0, wires: [['got'], [], [], []] },
    { id: 'got', type: 'helper' },
    { id: 'catcher', type: 'catch', wires: [['caught']] },
    { id: 'caught', type: 'helper' },
  ];
}

const LETTER = { to: 'X26ABC2', toType: 'str', workflowId: 'LETTER', workflowIdType: 'str' };

describe('mesh-send by profile', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('uses the profile’s subject, and warns about a size that receivers may reject', async () => {
    await deploy(flow(LETTER));
    const [sent, got] = [new Recorder('sent'), new Recorder('got')];
    receive('send', { payload: 'x'.repeat(2000), kind: 'Clinic' });
    assert.match((await sent.get(1)).meshSent.warning ?? '', /20015/);
    assert.match(logText(), /should not be sent more than 0\.001 MB/);
    receive('poll', {});
    assert.equal((await got.get(1)).mesh.subject, 'Clinic letter');
    receive('send', { payload: 'x', kind: 'Clinic' });
    assert.equal((await sent.get(2)).meshSent.warning, undefined);
  });

  it('does not send a message that lacks a value of the template, and names it', async () => {
    await deploy(flow(LETTER));
    const caught = new Recorder('caught');
    receive('send', { payload: 'x' });
    const { error } = await caught.get(1);
    assert.equal(error.code, 'MESH_INVALID_MESSAGE');
    assert.match(error.message, /msg\.kind/);
  });

  it('sends GP Connect with the prescribed local id, and by msg.meshSend.patient to the practice', async () => {
    await deploy(flow({ workflowId: 'GPCONNECT_SEND_DOCUMENT', workflowIdType: 'str' }));
    const [sent, caught] = [new Recorder('sent'), new Recorder('caught')];
    receive('send', { payload: 'x', meshSend: { to: 'X26ABC2' } });
    assert.equal((await sent.get(1)).meshSent.localId, 'X26');
    const patient = { nhsNumber: '9434765919', birthDate: '1939-01-09', surname: 'Wensley' };
    // The sandbox has no demographics. Its rejection of the address shows that the address was used.
    receive('send', { payload: 'x', meshSend: { patient } });
    const { error } = await caught.get(1);
    assert.doesNotMatch(`${error.code} ${error.message} ${logText()}`, /9434765919|Wensley/);
    receive('send', { payload: 'x', meshSend: { patient: { ...patient, nhsNumber: '1' } } });
    assert.match((await caught.get(2)).error.message, /NHS number/);
  });

  it('reports a wrong profile as the mailbox’s configuration', async () => {
    await deploy(flow(LETTER, [{ workflowId: 'LETTER', form: 'letter' }]));
    const caught = new Recorder('caught');
    receive('send', { payload: 'x' });
    const { error } = await caught.get(1);
    assert.equal(error.code, 'MESH_CONFIGURATION');
    assert.match(error.message, /profiles\[0\]\.form/);
  });
});
