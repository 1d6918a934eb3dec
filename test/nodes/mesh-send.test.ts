import { strict as assert } from 'node:assert';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { NodeMessage } from 'node-red';
import {
  builtInSandbox,
  closeBuiltInSandbox,
  deploy,
  helper,
  logEntries,
  logText,
  pause,
  receive,
  Recorder,
} from './support';
import {
  change,
  redeploy,
  sandboxConfig,
  statusesOf,
  statusTextsOf,
  stop,
  takeMissingTexts,
  until,
  type Flow,
  type Msg,
} from './support';

/** A sender, and another mailbox that collects its messages as text. */
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
    { id: 'track', type: 'mesh-track', mailbox: 'from', wires: [['tracked'], []] },
    { id: 'tracked', type: 'helper' },
  ];
}

const TO = { to: 'X26ABC2', toType: 'str', workflowId: 'WF', workflowIdType: 'str' };

const byText = (a = '', b = ''): number => (a < b ? -1 : 1);

/** Sends one message. Returns it as it left the sender and as it arrived at the other mailbox. */
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
      'id',
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

  it('names the sandbox in every status of a node whose mailbox is in one', async () => {
    await deploy(sendFlow(TO));
    const texts = [statusTextsOf('send'), statusTextsOf('poll')];
    await sendAndReceive({ payload: 'x' });
    await caught({ payload: undefined });
    for (const seen of texts) {
      const shown = seen.filter((text) => text !== '');
      assert.ok(shown.length >= 2, seen.join());
      for (const text of shown) assert.match(text, / \(sandbox\)$/);
    }
  });

  it('sends Buffers unchanged and objects as JSON', async () => {
    await deploy(sendFlow(TO));
    const bytes = Buffer.from([0, 255, 1, 254]);
    assert.deepEqual((await sendAndReceive({ payload: bytes })).got.payload, bytes);
    await stop();
    await deploy(sendFlow(TO));
    const { got } = await sendAndReceive({ payload: { a: [1, 'ä'] } });
    assert.deepEqual(JSON.parse(String(got.payload)), { a: [1, 'ä'] });
    assert.match(got.mesh.contentType ?? '', /json/);
  });

  it('reads each field from message, context, environment or an expression', async () => {
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

  it('fills blank fields from msg.meshSend; the node’s own value takes precedence', async () => {
    await deploy(sendFlow({ ...TO, to: '', subject: 'of the node', subjectType: 'str' }));
    const meshSend = { to: 'X26ABC2', workflowId: 'OTHER', subject: 'of the message', checksum: 'abc:1' };
    const { got } = await sendAndReceive({ payload: 'x', meshSend });
    assert.equal(got.mesh.workflowId, 'WF');
    assert.equal(got.mesh.subject, 'of the node');
    assert.equal(got.mesh.checksum, 'abc:1');
  });

  it('generates a local id when none is set', async () => {
    await deploy(sendFlow(TO));
    const { sent, got } = await sendAndReceive({ payload: 'x' });
    assert.ok((sent.meshSent.localId ?? '').length > 8);
    assert.equal(got.mesh.localId, sent.meshSent.localId);
  });

  for (const [what, node, mailbox, message, zipped] of [
    ['the mailbox', '', 'always', '', true],
    ['the mailbox', '', 'never', '', false],
    ['the message rather than the mailbox', '', 'never', 'always', true],
    ['the node rather than the message', 'never', 'always', 'always', false],
  ] as const) {
    it(`compresses as ${what} says: ${zipped ? 'gzip' : 'never'}`, async () => {
      await deploy(sendFlow({ ...TO, compression: node }, { compression: mailbox }));
      await sendAndReceive({ payload: 'x'.repeat(5000), meshSend: { compression: message } });
      const [stored] = (await builtInSandbox()).messages();
      assert.equal((stored?.bytes ?? 0) < 5000, zipped);
    });
  }

  it('sends a file by its path, in chunks, and shows the progress', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mesh-send-'));
    const file = join(folder, 'letter.bin');
    await writeFile(file, Buffer.alloc(250_000, 7));
    await deploy(
      sendFlow(
        { ...TO, payload: 'path', payloadIs: 'file' },
        { maxRequestMb: 0.1, chunkMb: 0.1, compression: 'never' },
      ),
    );
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

  it('names the missing field', async () => {
    await deploy(sendFlow({ ...TO, workflowId: '' }));
    assert.match((await caught({ payload: 'x' })).message, /workflowId/);
  });

  it('rejects fields that are not text, and a failed expression without quoting the message', async () => {
    await deploy(sendFlow({ ...TO, subject: 'thing', subjectType: 'msg' }));
    assert.match((await caught({ payload: 'x', thing: { a: 1 } })).message, /subject must be a string/);
    await stop();
    await deploy(sendFlow({ ...TO, subject: '$number(payload)', subjectType: 'jsonata' }));
    const { message, code } = await caught({ payload: 'SECRET-PATIENT' });
    assert.equal(code, 'MESH_INVALID_MESSAGE');
    assert.doesNotMatch(message, /SECRET/);
  });

  it('rejects a msg.meshSend that is not an object', async () => {
    await deploy(sendFlow(TO));
    assert.match((await caught({ payload: 'x', meshSend: 'X26ABC2' })).message, /must be an object/);
  });

  it('reports a missing file and an invalid path', async () => {
    await deploy(sendFlow({ ...TO, payloadIs: 'file' }));
    assert.equal((await caught({ payload: '/nowhere/letter.pdf' })).code, 'MESH_PAYLOAD');
    assert.match((await caught({ payload: { a: 1 } })).message, /path of a file/);
  });

  it('reports a rejection by MESH at Catch with code and advice, and in red', async () => {
    await deploy(sendFlow({ ...TO, to: 'X26NOBODY' }));
    const statuses = statusesOf('send');
    const error = await caught({ payload: 'x' });
    assert.equal(error.code, 'MESH_REJECTED');
    await until(() => statuses.some(({ fill }) => fill === 'red'), 'red');
    assert.deepEqual(statuses.at(-1), { fill: 'red', shape: 'dot', text: 'rejected (12)' });
    assert.doesNotMatch(JSON.stringify(error), /X26NOBODY/);
  });

  it('does not resend a message whose response was lost when MESH cannot be asked: it needs a decision', async () => {
    await deploy(sendFlow({ ...TO, localId: 'A12345', localIdType: 'str', localIdShared: true }));
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 9, effect: { kind: 'drop', when: 'after' } });
    const [errors, statuses] = [new Recorder('caught'), statusesOf('send')];
    assert.equal((await caught({ payload: 'x' })).code, 'MESH_UNKNOWN_OUTCOME');
    assert.equal(sandbox.messages().length, 1);
    const { id, ...sent } = (await errors.get(1)).meshSent;
    assert.ok(id.length > 8);
    assert.deepEqual(sent, {
      localId: 'A12345',
      to: 'X26ABC2',
      workflowId: 'WF',
      bytes: 1,
      chunks: 1,
      status: 'unknown',
    });
    await until(() => statuses.at(-1)?.text === 'needs decision: 1', 'the status');
    assert.deepEqual(statuses.at(-1), { fill: 'yellow', shape: 'dot', text: 'needs decision: 1' });
    await pause(200);
    assert.equal(errors.messages.length, 1, 'one error, for the message in the flow');

    receive('track', { meshTrack: { list: 'held' } });
    const tracked = new Recorder('tracked');
    const [held] = (await tracked.get(1)).payload as Array<{ id: string; held: boolean }>;
    assert.equal(held?.id, id);

    sandbox.clearFaults();
    const done = new Recorder('sent');
    receive('send', { meshSend: { resend: id } });
    const { meshSent } = await done.get(1);
    assert.equal(meshSent.status, 'accepted');
    assert.equal(meshSent.resendOf, id);
    assert.match(meshSent.warning ?? '', /20007 and 20008/);
    assert.deepEqual(
      sandbox.messages().map(({ localId }) => localId),
      ['A12345', 'A12345'],
    );
    await until(() => statuses.at(-1)?.fill === 'green', 'green again');
  });

  it('drops a message that needs a decision, and then reports that it cannot be dropped', async () => {
    await deploy(sendFlow({ ...TO, localIdShared: true }));
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 9, effect: { kind: 'drop', when: 'after' } });
    const errors = new Recorder('caught');
    receive('send', { payload: 'x' });
    const { id } = (await errors.get(1)).meshSent;
    const dropped = new Recorder('sent');
    receive('send', { meshSend: { drop: id } });
    const { meshSent } = await dropped.get(1);
    assert.deepEqual([meshSent.id, meshSent.status], [id, 'dropped']);
    receive('send', { meshSend: { drop: id } });
    assert.equal((await errors.get(2)).error.code, 'MESH_INVALID_MESSAGE');
    receive('send', { meshSend: { resend: 'no-such-id' } });
    assert.equal((await errors.get(3)).error.code, 'MESH_NOT_FOUND');
    receive('send', { meshSend: { resend: id, drop: id } });
    assert.match((await errors.get(4)).error.message, /resend or drop, not both/);
    receive('track', { meshTrack: { history: id } });
    const history = (await new Recorder('tracked').get(1)).payload as Array<{ event: string; time: string }>;
    assert.deepEqual(
      history.map(({ event }) => event),
      ['queued', 'attempt', 'unknown', 'dropped'],
    );
    assert.ok(history.every(({ time }) => !Number.isNaN(Date.parse(time))));
  });

  it('raises an error for a message that is dropped while the flow waits for it', async () => {
    await deploy(sendFlow(TO));
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 99, effect: { kind: 'status', status: 403 } });
    const errors = new Recorder('caught');
    receive('send', { payload: 'x' });
    await errors.get(1);
    const tracked = new Recorder('tracked');
    receive('track', { meshTrack: { list: 'waiting' } });
    const [waiting] = (await tracked.get(1)).payload as Array<{ id: string }>;
    receive('send', { meshSend: { drop: waiting?.id } });
    const msg = await errors.get(2);
    assert.match(msg.error.code, /^MESH_/);
    assert.equal(msg.meshSent.status, 'dropped');
    assert.equal(msg.payload, 'x');
  });

  describe('while MESH is unreachable', () => {
    it('reports that once at Catch and in the status, and sends when the right password is deployed', async () => {
      const sandbox = await builtInSandbox();
      const { cert, key } = await sandbox.clientCertificate();
      const password = sandbox.mailboxes.find(({ mailboxId }) => mailboxId === 'X26ABC1')?.password ?? '';
      const remote = { environment: sandbox.url, tls: 'tls' };
      const tls = { id: 'tls', type: 'tls-config', cert: '', key: '', ca: '', verifyservercert: true };
      const flow = [tls, ...change(sendFlow(TO), 'from', remote)];
      const access = (secret: string) => ({
        from: { password: secret, sharedKey: sandbox.sharedKey },
        tls: { cadata: sandbox.ca ?? '', certdata: cert, keydata: key },
      });
      await deploy(flow, access('wrong'));
      const [errors, sent, statuses] = [new Recorder('caught'), new Recorder('sent'), statusesOf('send')];
      for (const payload of ['1', '2', '3']) receive('send', { payload });
      const { error, meshSent, payload: nothing } = await errors.get(1);
      assert.equal(error.code, 'MESH_AUTHENTICATION');
      assert.match(error.message, /safe in the outbox.*password/s);
      assert.deepEqual([meshSent, nothing], [undefined, undefined]);
      await until(() => statuses.at(-1)?.text === 'refused, 3 queued', 'the status');
      assert.deepEqual(statuses.at(-1), { fill: 'red', shape: 'ring', text: 'refused, 3 queued' });
      await pause(200);
      assert.deepEqual([errors.messages.length, sent.messages.length, sandbox.messages().length], [1, 0, 0]);

      await redeploy(flow, 'full', access(password));
      await until(() => sandbox.messages().length === 3, 'all three');
      const after = new Recorder('sent');
      receive('send', { payload: '4' });
      await after.get(1);
      const order = sandbox.messages().map(({ localId }) => localId);
      assert.deepEqual(order, order.toSorted(byText), 'ids of the outbox sort by time');
    });

    it('shows that MESH is offline with the queued messages, raises one error, and later sends in order', async () => {
      await deploy(sendFlow(TO));
      const sandbox = await builtInSandbox();
      sandbox.fault({ operation: '*', mailboxId: 'X26ABC1', times: Infinity, effect: { kind: 'status', status: 503 } });
      const [errors, sent, statuses] = [new Recorder('caught'), new Recorder('sent'), statusesOf('send')];
      for (const payload of ['1', '2']) receive('send', { payload });
      const { error } = await errors.get(1, 30_000);
      assert.equal(error.code, 'MESH_UNAVAILABLE');
      assert.match(error.message, /safe in the outbox \(2 queued\)/);
      assert.deepEqual(statuses.at(-1), { fill: 'yellow', shape: 'ring', text: 'offline, 2 queued' });
      receive('send', { payload: '3' });
      await until(() => statuses.at(-1)?.text === 'offline, 3 queued', 'the backlog');
      sandbox.clearFaults();
      await sent.get(3, 30_000);
      assert.deepEqual(
        sent.messages.map(({ payload }) => payload),
        ['1', '2', '3'],
      );
      assert.equal(errors.messages.length, 1);
      await until(() => statuses.at(-1)?.text === '3 sent', 'the status');
    }).timeout(90_000);
  });

  it('continues the flow once the message is queued, if chosen; failures then are alarms', async () => {
    await deploy(sendFlow({ ...TO, to: '', confirm: 'queued' }));
    const [errors, sent] = [new Recorder('caught'), new Recorder('sent')];
    receive('send', { payload: 'x', meshSend: { to: 'X26ABC2' } });
    const { meshSent } = await sent.get(1);
    assert.deepEqual(Object.keys(meshSent).sort(), ['bytes', 'id', 'localId', 'status', 'to', 'workflowId']);
    assert.equal(meshSent.status, 'queued');
    const sandbox = await builtInSandbox();
    await until(() => sandbox.messages().length === 1, 'the message');
    receive('send', { payload: 'x', meshSend: { to: 'X26NOBODY' } });
    const alarm = await errors.get(1);
    assert.equal(alarm.error.code, 'MESH_REJECTED');
    assert.equal(alarm.meshSent.id, (await sent.get(2)).meshSent.id);
    assert.doesNotMatch(JSON.stringify(alarm), /X26NOBODY/);
    await pause(100);
    assert.equal(errors.messages.length, 1);
  });

  it('sends once per key: a repeat gets the first message’s result, also its failure', async () => {
    await deploy(sendFlow({ ...TO, to: '', onceKey: 'msh10', onceKeyType: 'msg' }));
    const [errors, sent] = [new Recorder('caught'), new Recorder('sent')];
    const meshSend = { to: 'X26ABC2' };
    receive('send', { payload: 'a', msh10: 'K1', meshSend });
    receive('send', { payload: 'a', msh10: 'K1', meshSend });
    receive('send', { payload: 'b', msh10: 'K2', meshSend });
    await sent.get(3);
    receive('send', { payload: 'a', msh10: 'K1', meshSend });
    await sent.get(4);
    const of = (payload: string) => sent.messages.filter((msg) => msg.payload === payload).map((msg) => msg.meshSent);
    const [first, ...again] = of('a');
    assert.deepEqual(again, [
      { ...first, repeated: true },
      { ...first, repeated: true },
    ]);
    assert.notEqual(of('b')[0]?.id, first?.id);
    assert.equal((await builtInSandbox()).messages().length, 2);

    receive('send', { payload: 'x', msh10: 'K3', meshSend: { to: 'X26NOBODY' } });
    await errors.get(1);
    receive('send', { payload: 'x', msh10: 'K3', meshSend: { to: 'X26NOBODY' } });
    const failed = await errors.get(2);
    assert.equal(failed.error.code, 'MESH_REJECTED');
    assert.equal(failed.meshSent.repeated, true);
    receive('send', { payload: 'no key', meshSend });
    assert.match((await errors.get(3)).error.message, /no key/);
    // Another message with a known key is not taken for the first one.
    receive('send', { payload: 'other', msh10: 'K1', meshSend });
    const refused = await errors.get(4);
    assert.deepEqual([refused.error.code, refused.meshSent], ['MESH_KEY_REUSED', undefined]);
  });

  it('reads the key from msg.meshSend, and what a repeat has in common with the first message', async () => {
    await deploy(sendFlow(TO));
    const sent = new Recorder('sent');
    for (const payload of ['a', 'b']) receive('send', { payload, meshSend: { onceKey: 'K', onceContent: 'same' } });
    await sent.get(2);
    assert.equal((await builtInSandbox()).messages().length, 1);
  });

  for (const copyFile of [true, false]) {
    it(copyFile ? 'sends a copied file that changes at once' : 'parks a message whose file changes', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'mesh-send-'));
      const file = join(folder, 'letter.bin');
      await writeFile(file, Buffer.alloc(100_000, 7));
      const sandbox = await builtInSandbox();
      await deploy(sendFlow({ ...TO, payloadIs: 'file', confirm: 'queued', copyFile }));
      const [errors, queued] = [new Recorder('caught'), new Recorder('sent')];
      // The first message keeps MESH busy while the second one's file changes.
      sandbox.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 600 } });
      receive('send', { payload: __filename });
      receive('send', { payload: file });
      await queued.get(2);
      await writeFile(file, 'changed');
      if (copyFile) {
        await until(() => sandbox.messages().length === 2, 'both messages');
      } else {
        assert.equal((await errors.get(1)).error.code, 'MESH_PAYLOAD');
        await until(() => sandbox.messages().length > 0, 'the first message');
        assert.equal(sandbox.messages().length, 1);
      }
      await rm(folder, { recursive: true });
    });
  }

  it('sends in order, one at a time, and shows how many are queued', async () => {
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

  it('sends queued messages after a redeploy, once and in order', async () => {
    const flow = sendFlow(TO);
    await deploy(flow);
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 600 } });
    for (const payload of ['1', '22', '333']) receive('send', { payload });
    await pause(250);
    const start = Date.now();
    await redeploy(flow);
    assert.ok(Date.now() - start < 5000, 'closes in time');
    const waited = logEntries().filter((entry) => entry.includes('wait for MESH'));
    assert.equal(waited.length, 1);
    assert.match(waited[0] ?? '', /3 messages wait for MESH/);
    assert.doesNotMatch(logText(), /being closed/);
    const [sent, errors] = [new Recorder('sent'), new Recorder('caught')];
    receive('send', { payload: '4444' });
    assert.equal((await sent.get(1)).payload, '4444');
    assert.equal(sandbox.messages().length, 4);
    const order = sandbox.messages().map(({ localId }) => localId);
    assert.deepEqual(order, order.toSorted(byText), 'ids of the outbox sort by time');
    assert.equal(errors.messages.length, 0);
  });

  it('loses no message that was not yet queued when it closes', async () => {
    await deploy(sendFlow(TO));
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    for (const number of numbers) receive('send', { payload: { number } });
    await redeploy(sendFlow(TO));
    const sandbox = await builtInSandbox();
    await until(() => sandbox.messages().length === numbers.length, 'all of them');
  });

  it('aborts a hanging request within Node-RED’s time-out', async () => {
    const flow = sendFlow({ ...TO, localIdShared: true });
    await deploy(flow);
    const sandbox = await builtInSandbox();
    sandbox.fault({ operation: 'send_message', times: 1, effect: { kind: 'delay', ms: 60_000 } });
    const before = statusesOf('send');
    receive('send', { payload: 'x' });
    await until(() => before.at(-1)?.text === 'sending', 'the sending');
    const start = Date.now();
    await redeploy(flow, 'full');
    const took = Date.now() - start;
    assert.ok(took > 4000 && took < 13_000, `${took} ms`);
    const statuses = statusesOf('send');
    await until(() => statuses.at(-1)?.text === 'needs decision: 1', 'the status');
  });

  it('closes alone when only it is redeployed, and continues to send', async () => {
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

  it('reports that no mailbox is chosen, at once and for each input', async () => {
    await deploy(sendFlow(TO).filter(({ id }) => id !== 'from'));
    assert.equal((await caught({ payload: 'x' })).code, 'MESH_CONFIGURATION');
  });
});
