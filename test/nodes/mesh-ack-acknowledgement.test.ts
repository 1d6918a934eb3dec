/** mesh-ack with a business acknowledgement, and how mesh-poll, mesh-track and Catch report it at the sender. */
import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeliveredAcknowledgement } from '../../lib/index';
import type { MeshAnswered } from '../../nodes/receive/mesh-answered';
import { itk3Request, MEDRPT } from '../acks/fixtures';
import { emptyFolder } from '../harness/cleanup';
import { change, closeBuiltInSandbox, deploy, receive, Recorder, redeploy } from './support';
import { sandboxConfig, stop, takeMissingTexts, until, withUserDir, type Flow, type Msg } from './support';

const TOC = 'TOC_FHIR_IP_DISCH';

/** X26ABC1 sends, follows and polls; X26ABC2 polls, and acknowledges on request. */
function flow(workflowId = TOC, ack: object = {}): Flow {
  return [
    sandboxConfig('from', 'X26ABC1', { odsCode: 'X26' }),
    sandboxConfig('into', 'X26ABC2', { odsCode: 'X26' }),
    { id: 'send', type: 'mesh-send', mailbox: 'from', to: 'X26ABC2', workflowId, wires: [['sent']] },
    { id: 'track', type: 'mesh-track', mailbox: 'from', follow: true, wires: [['changes'], ['attention']] },
    {
      id: 'poll-acks',
      type: 'mesh-poll',
      mailbox: 'from',
      interval: 0,
      wires: [['sent'], ['sent'], ['acknowledgement', 'end'], []],
    },
    { id: 'end', type: 'mesh-ack', mailbox: 'from', answer: 'profile', wires: [['ended']] },
    { id: 'poll', type: 'mesh-poll', mailbox: 'into', interval: 0, wires: [['data'], [], [], []] },
    { id: 'ack', type: 'mesh-ack', mailbox: 'into', answer: 'profile', wires: [['acked']], ...ack },
    ...['sent', 'changes', 'attention', 'acknowledgement', 'ended', 'data', 'acked', 'caught'].map((id) => ({
      id,
      type: 'helper',
    })),
    { id: 'catcher', type: 'catch', wires: [['caught']] },
  ];
}

type Acked = Msg & { meshAnswered: MeshAnswered; meshAnswer: DeliveredAcknowledgement };

/** Sends a message and collects it. */
async function delivered(payload: string): Promise<Msg> {
  const [sent, data] = [new Recorder('sent'), new Recorder('data')];
  receive('send', { payload });
  await sent.get(1);
  receive('poll', {});
  return data.get(1);
}

/** Acknowledges it, and lets the sender collect the acknowledgement, which it tries to acknowledge in turn. */
async function acknowledge(msg: object): Promise<{ acked: Acked; received: Acked }> {
  const [acked, received, ended] = [new Recorder('acked'), new Recorder('acknowledgement'), new Recorder('ended')];
  receive('ack', msg);
  const done = (await acked.get(1)) as Acked;
  const look = setInterval(() => receive('poll-acks', {}), 100);
  try {
    const settled = (await received.get(1)) as Acked;
    const { meshAnswered } = (await ended.get(1)) as Acked;
    assert.deepEqual(meshAnswered, { answered: false, why: 'acknowledgement' });
    return { acked: done, received: settled };
  } finally {
    clearInterval(look);
  }
}

describe('mesh-ack with a business acknowledgement', () => {
  afterEach(async () => {
    await stop();
    withUserDir(undefined);
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('sends an infrastructure, then a business one: each settles, and a negative one needs attention', async () => {
    await deploy(flow());
    const msg = await delivered(itk3Request());
    const [changes, attention] = [new Recorder('changes'), new Recorder('attention')];
    const first = await acknowledge({
      ...msg,
      payload: 'whatever a flow made of it',
      meshAck: { level: 'infrastructure' },
    });
    assert.equal(first.acked.meshAnswered.answered && first.acked.meshAnswered.code, '20013');
    assert.deepEqual(
      [first.received.meshAnswer.answers, first.received.meshAnswer.level, first.received.meshAnswer.result],
      ['msg-1', 'infrastructure', 'positive'],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(first.received.meshAnswer)), first.received.meshAnswer);

    const second = await acknowledge({ ...msg, meshAck: { outcome: 'rejected', code: '30002' } });
    assert.equal(second.received.meshAnswer.code, '30002');
    const { event, answer: reported } = (await attention.get(1)).payload as { event: string; answer: { code: string } };
    assert.deepEqual([event, reported.code], ['business negative', '30002']);
    const events = (): string[] => changes.messages.map(({ payload }) => (payload as { event: string }).event);
    await until(
      () => events().includes('infrastructure positive') && events().includes('business negative'),
      'changes',
    );
  });

  it('raises a negative one at the sender’s Catch if no mesh-track follows', async () => {
    await deploy(change(flow(), 'track', { follow: false }));
    const msg = await delivered(itk3Request());
    const [caught, acked] = [new Recorder('caught'), new Recorder('acked')];
    receive('ack', { ...msg, meshAck: { outcome: 'rejected', code: '20009', level: 'infrastructure' } });
    await acked.get(1);
    const look = setInterval(() => receive('poll-acks', {}), 100);
    await until(() => caught.messages.length > 0, 'the alarm').finally(() => clearInterval(look));
    const { code, message } = caught.messages[0]?.error ?? {};
    assert.equal(code, 'MESH_NEGATIVE_ANSWER');
    assert.match(message ?? '', /was rejected by the recipient \(infrastructure .*20009, Payload validation failure/);
  });

  it('accepts in part, with the reasons on msg.meshAck.rejected', async () => {
    await deploy(flow('PATH_MEDRPT_V3', { outcome: 'partial' }));
    const msg = await delivered(MEDRPT);
    const { received } = await acknowledge({ ...msg, meshAck: { rejected: { 1: 'Patient not known here' } } });
    assert.deepEqual([received.meshAnswer.code, received.meshAnswer.result], ['IAP', 'partial']);
  });

  it('rejects a request that cannot be met, and the message stays open', async () => {
    await deploy(flow());
    const msg = await delivered(itk3Request());
    const caught = new Recorder('caught');
    for (const meshAck of [
      { outcome: 'rejected' },
      { code: '99999' },
      { outcome: 'maybe' },
      'accepted',
      { rejected: 1 },
    ]) {
      receive('ack', { ...msg, meshAck });
    }
    await caught.get(5);
    const acked = new Recorder('acked');
    receive('ack', { ...msg, meshAck: {} });
    assert.equal(((await acked.get(1)) as Acked).meshAnswered.answered, true);
  });

  it('sends a custom payload on the workflow of the user’s own profile, also after a restart', async () => {
    const folder = await emptyFolder();
    const profilesFile = join(folder, 'profiles.json');
    const profiles = [{ workflowId: 'OURS', ackWorkflowId: 'OURS_SAID', form: 'custom', busAck: true }];
    await writeFile(profilesFile, JSON.stringify({ profiles }));
    withUserDir(folder);
    let nodes = flow('OURS', { custom: 'meshAck.payload', customType: 'msg', finish: false });
    for (const id of ['from', 'into']) nodes = change(nodes, id, { profilesFile });
    await deploy(nodes);
    const msg = await delivered('a request of our own');
    await redeploy(nodes);
    const { acked, received } = await acknowledge({ ...msg, meshAck: { payload: { thanks: true } } });
    assert.equal(acked.meshAnswered.answered && acked.meshAnswered.workflowId, 'OURS_SAID');
    assert.equal(String(received.payload), '{"thanks":true}');
    assert.equal(received.meshAnswer, undefined);
  });

  it('reports a file of profiles that is missing or wrong', async () => {
    const folder = await emptyFolder();
    const wrong = join(folder, 'wrong.json');
    await writeFile(wrong, '{"profiles": [{"workflowId": "W", "form": "letter"}]}');
    for (const profilesFile of [join(folder, 'none.json'), wrong]) {
      await deploy(change(flow(), 'into', { profilesFile }));
      const caught = new Recorder('caught');
      receive('ack', { mesh: { messageId: 'X', mailboxId: 'X26ABC2' } });
      const { error } = await caught.get(1);
      assert.equal(error.code, 'MESH_CONFIGURATION');
      assert.doesNotMatch(error.message, /none\.json|wrong\.json/);
      await stop();
    }
  });
});
