/** mesh-ack that answers the sender, and what mesh-poll, mesh-track and Catch make of the answer at the other end. */
import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SentAcknowledgement, MeshAnswer } from '../../lib/index';
import { itk3Request, MEDRPT } from '../acks/fixtures';
import { emptyFolder } from '../harness/cleanup';
import { change, closeBuiltInSandbox, deploy, receive, Recorder, redeploy } from './support';
import { sandboxConfig, stop, takeMissingTexts, until, withUserDir, type Flow, type Msg } from './support';

const TOC = 'TOC_FHIR_IP_DISCH';

/** X26ABC1 sends, follows and polls; X26ABC2 polls, and answers when told to. */
function flow(workflowId = TOC, ack: object = {}): Flow {
  return [
    sandboxConfig('from', 'X26ABC1', { odsCode: 'X26' }),
    sandboxConfig('into', 'X26ABC2', { odsCode: 'X26' }),
    { id: 'send', type: 'mesh-send', mailbox: 'from', to: 'X26ABC2', workflowId, wires: [['sent']] },
    { id: 'track', type: 'mesh-track', mailbox: 'from', follow: true, wires: [['changes'], ['attention']] },
    {
      id: 'answers',
      type: 'mesh-poll',
      mailbox: 'from',
      interval: 0,
      wires: [['sent'], ['sent'], ['answer', 'end'], []],
    },
    { id: 'end', type: 'mesh-ack', mailbox: 'from', answer: 'profile', wires: [['ended']] },
    { id: 'poll', type: 'mesh-poll', mailbox: 'into', interval: 0, wires: [['data'], [], [], []] },
    { id: 'ack', type: 'mesh-ack', mailbox: 'into', answer: 'profile', wires: [['acked']], ...ack },
    ...['sent', 'changes', 'attention', 'answer', 'ended', 'data', 'acked', 'caught'].map((id) => ({
      id,
      type: 'helper',
    })),
    { id: 'catcher', type: 'catch', wires: [['caught']] },
  ];
}

type Answering = Msg & { meshAnswered: SentAcknowledgement; meshAnswer: MeshAnswer };

/** Sends and collects one. */
async function delivered(payload: string): Promise<Msg> {
  const [sent, data] = [new Recorder('sent'), new Recorder('data')];
  receive('send', { payload });
  await sent.get(1);
  receive('poll', {});
  return data.get(1);
}

/** Answers it, and lets the answer be collected at the other end, which tries to answer it in turn. */
async function answer(msg: object): Promise<{ acked: Answering; told: Answering }> {
  const [acked, told, ended] = [new Recorder('acked'), new Recorder('answer'), new Recorder('ended')];
  receive('ack', msg);
  const done = (await acked.get(1)) as Answering;
  const look = setInterval(() => receive('answers', {}), 100);
  try {
    const settled = (await told.get(1)) as Answering;
    const { meshAnswered } = (await ended.get(1)) as Answering;
    assert.deepEqual(meshAnswered, { answered: false, why: 'acknowledgement' });
    return { acked: done, told: settled };
  } finally {
    clearInterval(look);
  }
}

describe('mesh-ack that answers', () => {
  afterEach(async () => {
    await stop();
    withUserDir(undefined);
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('infrastructure first and business later: each settles what was sent, is told, and negative ones need attention', async () => {
    await deploy(flow());
    const msg = await delivered(itk3Request());
    const [changes, attention] = [new Recorder('changes'), new Recorder('attention')];
    const first = await answer({ ...msg, payload: 'whatever a flow made of it', meshAck: { level: 'infrastructure' } });
    assert.equal(first.acked.meshAnswered.answered && first.acked.meshAnswered.code, '20013');
    assert.deepEqual(
      [first.told.meshAnswer.answers, first.told.meshAnswer.level, first.told.meshAnswer.result],
      ['msg-1', 'infrastructure', 'positive'],
    );
    assert.deepEqual(JSON.parse(JSON.stringify(first.told.meshAnswer)), first.told.meshAnswer);

    const second = await answer({ ...msg, meshAck: { outcome: 'rejected', code: '30002' } });
    assert.equal(second.told.meshAnswer.code, '30002');
    const { event, answer: said } = (await attention.get(1)).payload as { event: string; answer: { code: string } };
    assert.deepEqual([event, said.code], ['business negative', '30002']);
    const told = (): string[] => changes.messages.map(({ payload }) => (payload as { event: string }).event);
    await until(() => told().includes('infrastructure positive') && told().includes('business negative'), 'changes');
  });

  it('a negative answer goes to Catch where nobody follows', async () => {
    await deploy(change(flow(), 'track', { follow: false }));
    const msg = await delivered(itk3Request());
    const [caught, acked] = [new Recorder('caught'), new Recorder('acked')];
    receive('ack', { ...msg, meshAck: { outcome: 'rejected', code: '20009', level: 'infrastructure' } });
    await acked.get(1);
    const look = setInterval(() => receive('answers', {}), 100);
    await until(() => caught.messages.length > 0, 'the alarm').finally(() => clearInterval(look));
    const { code, message } = caught.messages[0]?.error ?? {};
    assert.equal(code, 'MESH_NEGATIVE_ANSWER');
    assert.match(message ?? '', /refused by the recipient \(infrastructure .*20009, Payload validation failure/);
  });

  it('in part, with the reasons on msg.meshAck.rejected', async () => {
    await deploy(flow('PATH_MEDRPT_V3', { outcome: 'partial' }));
    const msg = await delivered(MEDRPT);
    const { told } = await answer({ ...msg, meshAck: { rejected: { 1: 'Patient not known here' } } });
    assert.deepEqual([told.meshAnswer.code, told.meshAnswer.result], ['IAP', 'partial']);
  });

  it('a wish that cannot be met is an error, and the message stays open', async () => {
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
    assert.equal(((await acked.get(1)) as Answering).meshAnswered.answered, true);
  });

  it('a custom payload goes on the acknowledgement workflow of the user’s own profile, also after a restart', async () => {
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
    const { acked, told } = await answer({ ...msg, meshAck: { payload: { thanks: true } } });
    assert.equal(acked.meshAnswered.answered && acked.meshAnswered.workflowId, 'OURS_SAID');
    assert.equal(String(told.payload), '{"thanks":true}');
    assert.equal(told.meshAnswer, undefined);
  });

  it('a file of profiles that is not there, or is wrong, is told', async () => {
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
