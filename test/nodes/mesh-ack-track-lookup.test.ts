import { strict as assert } from 'node:assert';
import type { NodeMessage } from 'node-red';
import type { Tracking } from '../../lib/index';
import { builtInSandbox, closeBuiltInSandbox, deploy, helper, receive, Recorder } from './support';
import { sandboxConfig, statusesOf, stop, takeMissingTexts, until, type Flow, type Msg } from './support';

/** mesh-send at X26ABC1, and the tested node at X26ABC1 or X26ABC2. */
function flowWith(node: Flow[number]): Flow {
  const to = { to: 'X26ABC2', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };
  return [
    sandboxConfig('from', 'X26ABC1'),
    sandboxConfig('into', 'X26ABC2', { meshAcknowledge: 'when-done' }),
    { id: 'send', type: 'mesh-send', mailbox: 'from', wires: [['sent']], ...to },
    { id: 'sent', type: 'helper' },
    { id: 'poll', type: 'mesh-poll', mailbox: 'into', interval: 0, wires: [['data'], [], [], []] },
    { id: 'data', type: 'helper' },
    { wires: [['out']], ...node },
    { id: 'out', type: 'helper' },
    { id: 'catcher', type: 'catch', wires: [['caught']] },
    { id: 'caught', type: 'helper' },
  ];
}

async function send(msg: object = {}): Promise<Msg> {
  const sent = new Recorder('sent');
  receive('send', { payload: 'x', ...msg });
  return sent.get(1);
}

async function collect(): Promise<Msg> {
  await send();
  const data = new Recorder('data');
  receive('poll', {});
  return data.get(1);
}

async function through(id: string, msg: NodeMessage): Promise<Msg> {
  const out = new Recorder('out');
  helper.getNode(id).receive(msg);
  return out.get(1);
}

async function caught(id: string, msg: object): Promise<{ code: string; message: string }> {
  const [errors, out] = [new Recorder('caught'), new Recorder('out')];
  helper.getNode(id).receive(msg as NodeMessage);
  const error = (await errors.get(1)).error;
  assert.equal(out.messages.length, 0);
  return error;
}

describe('mesh-ack', () => {
  const ack = { id: 'ack', type: 'mesh-ack', mailbox: 'into' };

  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('marks the message as done, passes it on, and it is acknowledged to MESH', async () => {
    await deploy(flowWith(ack));
    const msg = await collect();
    const statuses = statusesOf('ack');
    const passed = await through('ack', msg);
    assert.equal(passed.mesh.messageId, msg.mesh.messageId);
    const sandbox = await builtInSandbox();
    await until(() => sandbox.messages()[0]?.status === 'acknowledged', 'the acknowledgement');
    assert.deepEqual(statuses.at(-1), { fill: 'green', shape: 'dot', text: '1 done' });
  });

  it('accepts a repeat, and messages from before a restart', async () => {
    await deploy(flowWith(ack));
    const msg = JSON.parse(JSON.stringify(await collect())) as NodeMessage;
    await through('ack', msg);
    await through('ack', msg);
  });

  it('reports a missing msg.mesh', async () => {
    await deploy(flowWith(ack));
    const { code, message } = await caught('ack', { payload: 'x' });
    assert.equal(code, 'MESH_INVALID_MESSAGE');
    assert.match(message, /msg\.mesh\.messageId.*mesh poll/);
  });

  it("refuses another mailbox's message", async () => {
    await deploy(flowWith({ ...ack, mailbox: 'from' }));
    const { code, message } = await caught('ack', await collect());
    assert.equal(code, 'MESH_INVALID_MESSAGE');
    assert.match(message, /a mailbox other than the one selected/);
    assert.equal((await builtInSandbox()).messages()[0]?.status, 'accepted');
  });

  it('succeeds while MESH is unreachable; the acknowledgement to MESH follows later', async () => {
    await deploy(flowWith(ack));
    const msg = await collect();
    const sandbox = await builtInSandbox();
    const data = new Recorder('data');
    sandbox.fault({ operation: '*', mailboxId: 'X26ABC2', times: Infinity, effect: { kind: 'status', status: 403 } });
    await through('ack', msg);
    assert.equal(sandbox.messages()[0]?.status, 'accepted');
    sandbox.clearFaults();
    receive('poll', {});
    await until(() => sandbox.messages()[0]?.status === 'acknowledged', 'the acknowledgement');
    assert.equal(data.messages.length, 0, 'not delivered again');
  });

  it('reports that no mailbox is chosen', async () => {
    await deploy(flowWith({ ...ack, mailbox: '' }));
    assert.equal((await caught('ack', { mesh: { messageId: 'x' } })).code, 'MESH_CONFIGURATION');
  });
});

describe('mesh-track', () => {
  const track = {
    id: 'track',
    type: 'mesh-track',
    mailbox: 'from',
    by: 'messageId',
    reference: 'meshSent.messageId',
    referenceType: 'msg',
    property: 'payload',
  };

  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });

  it('tracks the message that was sent in this flow', async () => {
    await deploy(flowWith(track));
    const msg = await send();
    const statuses = statusesOf('track');
    const passed = await through('track', msg);
    const tracking = passed.payload as { messageId: string; status: string };
    assert.equal(tracking.messageId, msg.meshSent.messageId);
    assert.equal(tracking.status, 'accepted');
    assert.deepEqual(statuses.at(-1), { fill: 'blue', shape: 'dot', text: 'accepted' });
  });

  it('stores the result in the chosen property', async () => {
    await deploy(flowWith({ ...track, property: 'mesh.tracking' }));
    const passed = await through('track', { ...(await send()), mesh: { subject: 's' } });
    assert.equal(passed.mesh.tracking?.status, 'accepted');
    assert.equal(passed.mesh.subject, 's');
    assert.equal(passed.payload, 'x');
  });

  it('falls back to msg.mesh.messageId', async () => {
    await deploy(flowWith(track));
    const { messageId } = (await send()).meshSent;
    assert.equal(((await through('track', { mesh: { messageId } })).payload as Tracking).messageId, messageId);
  });

  it('takes the id from its field', async () => {
    await deploy(flowWith({ ...track, reference: 'which', referenceType: 'msg' }));
    const { messageId } = (await send()).meshSent;
    assert.equal(((await through('track', { which: messageId })).payload as Tracking).messageId, messageId);
  });

  it('tracks by local id, and reports when several messages have it', async () => {
    await deploy(flowWith({ ...track, by: 'localId', reference: 'meshSent.localId' }));
    const msg = await send({ meshSend: { localId: 'ours-1' } });
    assert.equal(((await through('track', msg)).payload as Tracking).localId, 'ours-1');
    await send({ meshSend: { localId: 'ours-1' } });
    assert.equal((await caught('track', msg)).code, 'MESH_LOCAL_ID_NOT_UNIQUE');
  });

  it('reports a missing id of either kind', async () => {
    await deploy(flowWith(track));
    assert.match((await caught('track', {})).message, /no message id/);
    await stop();
    await deploy(flowWith({ ...track, by: 'localId' }));
    assert.match((await caught('track', { mesh: { messageId: 'x' } })).message, /no local id/);
  });

  it('raises an error at Catch for an unknown message', async () => {
    await deploy(flowWith(track));
    assert.equal((await caught('track', { meshSent: { messageId: 'NOSUCHMESSAGE' } })).code, 'MESH_NOT_FOUND');
  });

  it('reports a property that cannot be set', async () => {
    await deploy(flowWith({ ...track, property: 'payload.inside' }));
    assert.match((await caught('track', await send())).message, /could not be stored/);
  });
});

describe('mesh-lookup', () => {
  const lookup = {
    id: 'lookup',
    type: 'mesh-lookup',
    mailbox: 'from',
    odsCode: 'ods',
    odsCodeType: 'msg',
    workflowId: 'wf',
    workflowIdType: 'msg',
    result: 'all',
    property: 'payload',
  };
  /** A mailbox of the sandbox's own. */
  const known = { mailboxId: 'X26ABC2', ods: 'X26', wf: 'TEST_WORKFLOW' };

  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('finds all mailboxes of an organisation, in any case of its code', async () => {
    await deploy(flowWith(lookup));
    const { mailboxId, ods, wf } = known;
    const found = (await through('lookup', { ods: ods.toLowerCase(), wf })).payload as Array<{ mailboxId: string }>;
    assert.ok(found.some((address) => address.mailboxId === mailboxId));
  });

  it('returns only the first one if the flow wants one', async () => {
    await deploy(flowWith({ ...lookup, result: 'first' }));
    const { mailboxId, ods, wf } = known;
    assert.equal(((await through('lookup', { ods, wf })).payload as { mailboxId: string }).mailboxId, mailboxId);
  });

  it('searches by workflow without an ODS code', async () => {
    await deploy(flowWith(lookup));
    const { wf } = known;
    assert.ok(Array.isArray((await through('lookup', { wf })).payload));
  });

  it('returns an empty array, or an error with advice, when none is found', async () => {
    await deploy(flowWith(lookup));
    const statuses = statusesOf('lookup');
    assert.deepEqual((await through('lookup', { ods: 'ZZZ99', wf: 'NO_SUCH' })).payload, []);
    await until(() => statuses.at(-1)?.text === '0 found', 'the status');
    await stop();
    await deploy(flowWith({ ...lookup, result: 'first' }));
    const { code, message } = await caught('lookup', { ods: 'ZZZ99', wf: 'NO_SUCH' });
    assert.equal(code, 'MESH_NOT_FOUND');
    assert.match(message, /Check the ODS code/);
  });

  it('reports a missing workflow id', async () => {
    await deploy(flowWith(lookup));
    assert.match((await caught('lookup', { ods: 'A1' })).message, /no workflow id/);
  });
});
