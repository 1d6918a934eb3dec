import { strict as assert } from 'node:assert';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { NodeMessage } from 'node-red';
import { builtInSandbox, closeBuiltInSandbox, deploy, helper, logText, pause, receive, Recorder } from './support';
import {
  change,
  redeploy,
  sandboxConfig,
  statusesOf,
  stop,
  takeMissingTexts,
  until,
  type Flow,
  type Msg,
} from './support';

/** A sender, with what it sends collected at the other mailbox as text. */
function sendFlow(send: object, config: object = {}, poll: object = {}): Flow {
  return [
    sandboxConfig('from', 'X26ABC1', config),
    sandboxConfig('into', 'X26ABC2'),
    { id: 'send', type: 'mesh-send', mailbox: 'from', version: 1, wires: [['sent']], ...send },
    { id: 'sent', type: 'helper' },
    { id: 'poll', type: 'mesh-poll', mailbox: 'into', interval: 0, wires: [['got'], [], [], []], ...poll },
    { id: 'got', type: 'helper' },
    { id: 'catcher', type: 'catch', wires: [['caught']] },
    { id: 'caught', type: 'helper' },
  ];
}

const TO = { to: 'X26ABC2', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };

/** Sends one message and returns what arrived at the other mailbox. */
async function sendAndReceive(msg: object): Promise<{ sent: Msg; got: Msg }> {
  const [sent, got] = [new Recorder('sent'), new Recorder('got')];
  helper.getNode('send').receive(msg as NodeMessage);
  const first = await sent.get(1);
  receive('poll', {});
  return { sent: first, got: await got.get(1) };
}

async function caught(msg: object): Promise<{ code: string; message: string }> {
  const [errors, sent] = [new Recorder('caught'), new Recorder('sent')];
  helper.getNode('send').receive(msg as NodeMessage);
  const error = (await errors.get(1)).error;
  assert.equal(sent.messages.length, 0);
  return error;
}

describe('mesh-send', () => {
  afterEach(async () => {
    await stop();
    assert.deepEqual(takeMissingTexts(), []);
  });
  after(closeBuiltInSandbox);

  it('sends the payload and passes the message on with msg.meshSent', async () => {
    await deploy(sendFlow(TO, {}, { payloadAs: 'text' }));
    const statuses = statusesOf('send');
    const { sent, got } = await sendAndReceive({ payload: 'Grüße', mesh: { messageId: 'kept' }, other: 1 });
    assert.deepEqual(Object.keys(sent.meshSent).sort(), [
      'bytes',
      'chunks',
      'localId',
      'messageId',
      'status',
      'to',
      'workflowId',
    ]);
    assert.equal(sent.meshSent.status, 'accepted');
    assert.equal(sent.meshSent.bytes, 7);
    assert.deepEqual(sent.mesh, { messageId: 'kept' });
    assert.equal(sent['other'], 1);
    assert.equal(got.payload, 'Grüße');
    assert.equal(got.mesh.messageId, sent.meshSent.messageId);
    assert.ok(statuses.some(({ fill, shape, text }) => fill === 'blue' && shape === 'dot' && text === 'sending'));
    assert.deepEqual(statuses.at(-1), { fill: 'green', shape: 'dot', text: '1 sent' });
  });

  it('sends Buffers as they are and objects as JSON', async () => {
    await deploy(sendFlow(TO));
    const bytes = Buffer.from([0, 255, 1, 254]);
    assert.deepEqual((await sendAndReceive({ payload: bytes })).got.payload, bytes);
    await stop();
    await deploy(sendFlow(TO));
    const { got } = await sendAndReceive({ payload: { a: [1, 'ä'] } });
    assert.deepEqual(JSON.parse(String(got.payload)), { a: [1, 'ä'] });
    assert.match(got.mesh.contentType ?? '', /json/);
  });

  it('takes each field from message, context, environment or an expression', async () => {
    process.env['TEST_SUBJECT'] = 'from the environment';
    await deploy(
      sendFlow({
        to: 'address.to',
        toType: 'msg',
        workflowId: "'W' & 'F'",
        workflowIdType: 'jsonata',
        subject: 'TEST_SUBJECT',
        subjectType: 'env',
        localId: 'lid',
        localIdType: 'flow',
        fileName: 'a.txt',
        fileNameType: 'str',
        contentType: 'ct',
        contentTypeType: 'global',
      }),
    );
    const context = helper.getNode('send').context();
    context.flow.set('lid', 4711);
    context.global.set('ct', 'text/x-test');
    const { got, sent } = await sendAndReceive({ payload: 'x', address: { to: 'X26ABC2' } });
    assert.equal(sent.meshSent.localId, '4711');
    const { workflowId, subject, localId, fileName, contentType } = got.mesh;
    assert.deepEqual(
      { workflowId, subject, localId, fileName, contentType },
      {
        workflowId: 'WF',
        subject: 'from the environment',
        localId: '4711',
        fileName: 'a.txt',
        contentType: 'text/x-test',
      },
    );
  });

  it('lets msg.meshSend fill what is blank, while the node wins', async () => {
    await deploy(sendFlow({ ...TO, to: '', subject: 'of the node', subjectType: 'str' }));
    const meshSend = { to: 'X26ABC2', workflowId: 'OTHER', subject: 'of the message', checksum: 'abc:1' };
    const { got } = await sendAndReceive({ payload: 'x', meshSend });
    assert.equal(got.mesh.workflowId, 'WF');
    assert.equal(got.mesh.subject, 'of the node');
    assert.equal(got.mesh.checksum, 'abc:1');
  });

  it('generates a local id where none is given', async () => {
    await deploy(sendFlow(TO));
    const { sent, got } = await sendAndReceive({ payload: 'x' });
    assert.ok(sent.meshSent.localId.length > 8);
    assert.equal(got.mesh.localId, sent.meshSent.localId);
  });

  for (const [what, node, mailbox, message, zipped] of [
    ['the mailbox', '', 'gzip', '', true],
    ['the mailbox', '', 'never', '', false],
    ['the message rather than the mailbox', '', 'never', 'gzip', true],
    ['the node rather than the message', 'never', 'gzip', 'gzip', false],
  ] as const) {
    it(`compresses as ${what} says: ${zipped ? 'gzip' : 'never'}`, async () => {
      await deploy(sendFlow({ ...TO, compression: node }, { compression: mailbox }));
      await sendAndReceive({ payload: 'x'.repeat(5000), meshSend: { compression: message } });
      const [held] = (await builtInSandbox()).messages();
      assert.equal((held?.bytes ?? 0) < 5000, zipped);
    });
  }

  it('sends a file by its path, in chunks, and shows them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-send-'));
    const file = join(folder, 'letter.bin');
    await writeFile(file, Buffer.alloc(250_000, 7));
    await deploy(sendFlow({ ...TO, payload: 'path', payloadIs: 'file' }, { maxChunkMb: 0.1, compression: 'never' }));
    const statuses = statusesOf('send');
    const { sent, got } = await sendAndReceive({ path: file });
    assert.equal(sent.meshSent.chunks, 3);
    assert.equal(sent.meshSent.bytes, 250_000);
    assert.deepEqual(got.payload, Buffer.alloc(250_000, 7));
    assert.equal(got.mesh.fileName, 'letter.bin');
    assert.ok(statuses.some(({ text }) => text === 'chunk 2/3'));
    await rm(folder, { recursive: true });
  });

  for (const [what, payload, code] of [
    ['a number', 5, 'MESH_INVALID_MESSAGE'],
    ['a boolean', true, 'MESH_INVALID_MESSAGE'],
    ['no payload', undefined, 'MESH_INVALID_MESSAGE'],
    ['an empty text', '', 'MESH_INVALID_MESSAGE'],
    ['a stream', Readable.from(['x']), 'MESH_INVALID_MESSAGE'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await deploy(sendFlow(TO));
      assert.equal((await caught({ payload })).code, code);
    });
  }

  it('says which field is missing', async () => {
    await deploy(sendFlow({ ...TO, workflowId: '' }));
    assert.match((await caught({ payload: 'x' })).message, /workflowId/);
  });

  it('refuses fields that are no text, and a broken expression without quoting the message', async () => {
    await deploy(sendFlow({ ...TO, subject: 'thing', subjectType: 'msg' }));
    assert.match((await caught({ payload: 'x', thing: { a: 1 } })).message, /subject must be a text/);
    await stop();
    await deploy(sendFlow({ ...TO, subject: '$number(payload)', subjectType: 'jsonata' }));
    const { message, code } = await caught({ payload: 'SECRET-PATIENT' });
    assert.equal(code, 'MESH_INVALID_MESSAGE');
    assert.doesNotMatch(message, /SECRET/);
  });

  it('refuses msg.meshSend that is no object', async () => {
    await deploy(sendFlow(TO));
    assert.match((await caught({ payload: 'x', meshSend: 'X26ABC2' })).message, /must be an object/);
  });

  it('tells of a missing file, and of a path that is none', async () => {
    await deploy(sendFlow({ ...TO, payloadIs: 'file' }));
    assert.equal((await caught({ payload: '/nowhere/letter.pdf' })).code, 'MESH_PAYLOAD');
    assert.match((await caught({ payload: { a: 1 } })).message, /path of a file/);
  });

  it('gives MESH refusals at Catch with code and advice, and in red', async () => {
    await deploy(sendFlow({ ...TO, to: 'X26NOBODY' }));
    const statuses = statusesOf('send');
    const error = await caught({ payload: 'x' });
    assert.equal(error.code, 'MESH_REJECTED');
    await until(() => statuses.some(({ fill }) => fill === 'red'), 'red');
    assert.deepEqual(statuses.at(-1), { fill: 'red', shape: 'dot', text: 'rejected (12)' });
    assert.doesNotMatch(JSON.stringify(error), /X26NOBODY/);
  });

  it('says that the outcome is unknown when the answer is lost, and sends nothing again', async () => {
    await deploy(sendFlow(TO));
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 9, effect: { kind: 'drop', when: 'after' } });
    const errors = new Recorder('caught');
    assert.equal((await caught({ payload: 'x' })).code, 'MESH_UNKNOWN_OUTCOME');
    const [held, ...more] = sandbox.messages();
    assert.equal(more.length, 0);
    const { localId = '' } = held ?? {};
    const expected = { localId, to: 'X26ABC2', workflowId: 'WF', status: 'unknown' };
    assert.deepEqual((await errors.get(1)).meshSent, expected);
    assert.ok(localId.length > 8);
  });

  it('keeps the order, one at a time, and shows how many wait', async () => {
    await deploy(sendFlow(TO, {}, { payloadAs: 'text' }));
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 300 } });
    const [statuses, sent] = [statusesOf('send'), new Recorder('sent')];
    for (const payload of ['1', '2', '3', '4']) receive('send', { payload });
    await sent.get(4);
    assert.deepEqual(
      sent.messages.map((msg) => msg.payload),
      ['1', '2', '3', '4'],
    );
    const arrived = (await builtInSandbox()).messages().map(({ localId }) => localId);
    assert.deepEqual(
      arrived,
      sent.messages.map((msg) => msg.meshSent.localId),
    );
    assert.ok(statuses.some(({ text }) => /^sending \(\+[23]\)$/.test(text ?? '')));
    assert.ok(statuses.every(({ text }) => (text ?? '').length < 20));
  });

  it('lets a message that is being sent end at a redeploy, and says what was dropped', async () => {
    const flow = sendFlow(TO);
    await deploy(flow);
    const sandbox = await builtInSandbox();
    const before = sandbox.requests().length;
    sandbox.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 600 } });
    for (const payload of ['1', '2', '3']) receive('send', { payload });
    await pause(250);
    const start = Date.now();
    await redeploy(flow);
    assert.ok(Date.now() - start < 5000, 'closes in time');
    assert.equal(sandbox.messages().length, 1, 'the first was sent whole, the others not begun');
    assert.match(logText(), /MESH has accepted it as/);
    assert.match(logText(), /2 messages that waited to be sent are dropped/);
    assert.ok(sandbox.requests().length > before);
    const sent = new Recorder('sent');
    receive('send', { payload: 'after' });
    assert.equal((await sent.get(1)).payload, 'after');
  });

  it('breaks off what hangs, within the time that Node-RED gives', async () => {
    const flow = sendFlow(TO);
    await deploy(flow);
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 60_000 } });
    receive('send', { payload: 'x' });
    await pause(250);
    const start = Date.now();
    await redeploy(flow, 'full');
    const took = Date.now() - start;
    assert.ok(took > 4000 && took < 13_000, `${took} ms`);
    assert.match(logText(), /answer|outcome|track/i);
  });

  it('is closed alone when only it is redeployed, and sends on', async () => {
    const flow = sendFlow(TO);
    await deploy(flow);
    const sent = new Recorder('sent');
    receive('send', { payload: '1' });
    await sent.get(1);
    await redeploy(change(flow, 'send', { subject: 'new', subjectType: 'str' }), 'nodes');
    const again = new Recorder('sent');
    receive('send', { payload: '2' });
    await again.get(1);
  });

  it('says so when no mailbox is chosen, and gives the error to each input', async () => {
    await deploy(sendFlow(TO).filter(({ id }) => id !== 'from'));
    assert.equal((await caught({ payload: 'x' })).code, 'MESH_CONFIGURATION');
  });
});
