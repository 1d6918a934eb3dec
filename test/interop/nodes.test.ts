/**
 * The nodes in a real Node-RED against NHS England's own sandbox: mesh-send, mesh-poll, mesh-ack, mesh-track and
 * mesh-lookup. The tests drive the flow through its http in nodes and read its debug nodes.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RealNodeRed } from '../harness/node-red';
import type { Mailbox, SentMessage } from '../../lib';
import { payloadFile, sha256OfFile } from './support/payloads';
import { officialSandbox, PASSWORD, SHARED_KEY, workFolder, type Server } from './support/servers';

const WORKFLOW = 'TEST_WORKFLOW';

interface Polled {
  messageId: string;
  messageType: string;
  from: string;
  workflowId: string;
  subject?: string;
  fileName?: string;
  bytes: number;
  sha256: string;
  totalChunks: number;
  file?: string;
  linkedMessageId?: string;
  statusCode?: string;
}

/** Returns the flows to deploy. */
function flows(server: Server, folder: string): unknown[] {
  const { files } = server.tls;
  const credentials = { password: PASSWORD, sharedKey: SHARED_KEY };
  const config = { type: 'mesh-config', version: 1, environment: server.url, tls: 'tls', credentials };
  const node = (id: string, type: string, wires: string[][], settings: object = {}): object => ({
    id,
    type,
    z: 'tab',
    wires,
    ...settings,
  });
  const http = (id: string, to: string, method = 'post'): object =>
    node(id, 'http in', [[to]], { url: `/${id}`, method, upload: false });
  const sendSettings = { mailbox: 'bob', to: 'X26ABC2', toType: 'str', workflowId: WORKFLOW, workflowIdType: 'str' };
  const debug = (id: string, complete: string): object =>
    node(id, 'debug', [], { active: true, tosidebar: true, complete, targetType: 'msg' });
  return [
    { id: 'tab', type: 'tab', label: 'interoperation' },
    { id: 'tls', type: 'tls-config', ...files, verifyservercert: true, certType: 'files' },
    { ...config, id: 'bob', mailboxId: 'X26ABC1', maxRequestMb: 6, chunkMb: 6 },
    { ...config, id: 'alice', mailboxId: 'X26ABC2' },

    http('send-content', 'about'),
    node('about', 'change', [['send']], {
      rules: [{ t: 'set', p: 'meshSend', pt: 'msg', to: '{"subject":"A letter","fileName":"a.hl7"}', tot: 'json' }],
    }),
    node('send', 'mesh-send', [['sent']], { ...sendSettings, payload: 'payload', payloadType: 'msg' }),
    http('send-file', 'send-path'),
    node('send-path', 'mesh-send', [['sent']], {
      ...sendSettings,
      payload: 'payload.path',
      payloadType: 'msg',
      payloadIs: 'file',
    }),
    node('sent', 'change', [['respond']], {
      rules: [{ t: 'move', p: 'meshSent', pt: 'msg', to: 'payload', tot: 'msg' }],
    }),

    http('track', 'tracker', 'get'),
    node('tracker', 'mesh-track', [['respond']], {
      mailbox: 'bob',
      by: 'messageId',
      reference: 'payload.id',
      referenceType: 'msg',
      property: 'payload',
    }),
    http('lookup', 'finder', 'get'),
    node('finder', 'mesh-lookup', [['respond']], {
      mailbox: 'bob',
      odsCode: 'payload.ods',
      odsCodeType: 'msg',
      workflowId: WORKFLOW,
      workflowIdType: 'str',
      result: 'all',
      property: 'payload',
    }),
    node('respond', 'http response', []),
    node('caught', 'catch', [['problem']], { scope: ['send', 'send-path', 'tracker', 'finder'], uncaught: false }),
    node('problem', 'change', [['refused']], {
      rules: [{ t: 'set', p: 'payload', pt: 'msg', to: 'error', tot: 'msg' }],
    }),
    node('refused', 'http response', [], { statusCode: '502' }),

    http('poll-alice', 'polls-alice'),
    node('polls-alice', 'change', [['alice-inbox', 'polled']]),
    node('alice-inbox', 'mesh-poll', [['alice-ack'], ['alice-ack'], ['alice-ack'], ['parked']], {
      mailbox: 'alice',
      interval: 0,
      payloadAs: 'file',
      folder,
      acknowledge: 'flow',
    }),
    node('alice-ack', 'mesh-ack', [['alice-got']], { mailbox: 'alice' }),
    debug('alice-got', 'mesh'),
    http('poll-bob', 'polls-bob'),
    node('polls-bob', 'change', [['bob-inbox', 'polled']]),
    node('bob-inbox', 'mesh-poll', [['bob-data'], ['bob-ack'], ['bob-data'], ['parked']], {
      mailbox: 'bob',
      interval: 0,
      payloadAs: 'buffer',
      acknowledge: 'flow',
    }),
    debug('bob-data', 'mesh'),
    node('bob-ack', 'mesh-ack', [['bob-report']], { mailbox: 'bob' }),
    debug('bob-report', 'mesh'),
    debug('parked', 'mesh'),
    node('polled', 'http response', [], { statusCode: '204' }),
  ];
}

describe('The nodes and the official sandbox', function () {
  this.timeout(60_000);
  let server: Server;
  let nodeRed: RealNodeRed;
  let folder: string;
  let alice: Mailbox;
  let bob: Mailbox;

  before(async () => {
    server = await officialSandbox();
    await server.reset();
    alice = server.mailbox('X26ABC2');
    bob = server.mailbox('X26ABC1');
    const at = await workFolder();
    folder = join(at, 'received');
    await mkdir(folder);
    nodeRed = await RealNodeRed.start({ userDir: join(at, 'node-red'), flows: [] });
    await nodeRed.deploy(flows(server, folder));
  });

  after(async () => {
    await nodeRed?.stop();
  });

  async function request(path: string, init?: RequestInit): Promise<unknown> {
    const response = await fetch(`${nodeRed.url}/${path}`, { signal: AbortSignal.timeout(30_000), ...init });
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  const post = (path: string, type: string, body: Buffer | string): Promise<unknown> =>
    request(path, { method: 'POST', headers: { 'content-type': type }, body: body as BodyInit });

  const received = async (debug: string, messageId: string): Promise<Polled> =>
    (await nodeRed.debug(debug, 30_000, (value) => (value as Polled).messageId === messageId)) as Polled;

  it('mesh-send sends a Buffer, mesh-poll receives it into a file, mesh-ack removes it from the inbox', async () => {
    const content = Buffer.from([...Array(256).keys()]);
    const sent = (await post('send-content', 'application/octet-stream', content)) as SentMessage;
    assert.equal(sent.status, 'accepted');
    assert.deepEqual((await alice.listInbox()).messageIds, [sent.messageId]);
    await post('poll-alice', 'application/json', '{}');
    const mesh = await received('alice-got', sent.messageId);
    assert.equal(mesh.from, 'X26ABC1');
    assert.equal(mesh.messageType, 'DATA');
    assert.equal(mesh.workflowId, WORKFLOW);
    assert.equal(mesh.subject, 'A letter');
    assert.equal(mesh.fileName, 'a.hl7');
    assert.equal(mesh.bytes, 256);
    assert.equal(mesh.sha256, createHash('sha256').update(content).digest('hex'));
    assert.deepEqual((await alice.listInbox()).messageIds, []);
  });

  it('mesh-send sends a file of 20 MB in four chunks, and mesh-poll writes the same file', async () => {
    const payload = await payloadFile(20_000_000, 'random');
    const sent = (await post('send-file', 'application/json', JSON.stringify({ path: payload.path }))) as SentMessage;
    assert.equal(sent.chunks, 4);
    assert.equal(sent.bytes, 20_000_000);
    await post('poll-alice', 'application/json', '{}');
    const mesh = await received('alice-got', sent.messageId);
    assert.equal(mesh.totalChunks, 4);
    assert.equal(mesh.sha256, payload.sha256);
    assert.equal(await sha256OfFile(mesh.file ?? ''), payload.sha256);
    assert.deepEqual((await alice.listInbox()).messageIds, []);
  });

  it('the official client receives from mesh-send, and mesh-poll from the official client', async () => {
    const payload = await payloadFile(1024 * 1024, 'compressible');
    const sent = (await post('send-file', 'application/json', JSON.stringify({ path: payload.path }))) as SentMessage;
    const official = server.official('X26ABC2');
    const message = await official.receive(sent.messageId, join(folder, 'by-the-official-client'));
    assert.equal(message.sha256, payload.sha256);
    await official.acknowledge(sent.messageId);

    const fields = { workflow_id: WORKFLOW };
    const messageId = await server
      .official('X26ABC1')
      .send({ to: 'X26ABC2', file: payload.path, compress: true, fields });
    await post('poll-alice', 'application/json', '{}');
    const mesh = await received('alice-got', messageId);
    assert.equal(await sha256OfFile(mesh.file ?? ''), payload.sha256);
    assert.equal((await server.official('X26ABC1').track(messageId))['status'], 'acknowledged');
  });

  it('mesh-poll drains an inbox of 25 messages, each once', async () => {
    const before = (await readdir(folder)).length;
    const sent: string[] = [];
    for (let index = 0; index < 25; index += 1) {
      sent.push(((await post('send-content', 'text/plain', `letter ${index}`)) as SentMessage).messageId);
    }
    await post('poll-alice', 'application/json', '{}');
    for (const messageId of sent) await received('alice-got', messageId);
    assert.deepEqual((await alice.listInbox()).messageIds, []);
    assert.equal((await readdir(folder)).length - before, 25);
  });

  it('mesh-poll sends a REPORT to the output for reports', async () => {
    const sent = (await post('send-content', 'text/plain', 'never collected')) as SentMessage;
    const report = { mailbox_id: 'X26ABC1', code: '14', description: '-', workflow_id: WORKFLOW };
    const { json } = await server.raw({
      method: 'POST',
      path: '/messageexchange/admin/report',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ ...report, linked_message_id: sent.messageId }),
    });
    await post('poll-bob', 'application/json', '{}');
    const mesh = await received('bob-report', (json as { message_id: string }).message_id);
    assert.equal(mesh.messageType, 'REPORT');
    assert.equal(mesh.linkedMessageId, sent.messageId);
    assert.equal(mesh.statusCode, '14');
    assert.deepEqual((await bob.listInbox()).messageIds, []);
    await alice.acknowledge(sent.messageId);
  });

  it('mesh-track follows a message from accepted to acknowledged', async () => {
    const sent = (await post('send-content', 'text/plain', 'x')) as SentMessage;
    assert.equal(((await request(`track?id=${sent.messageId}`)) as { status: string }).status, 'accepted');
    await alice.acknowledge(sent.messageId);
    assert.equal(((await request(`track?id=${sent.messageId}`)) as { status: string }).status, 'acknowledged');
  });

  it('mesh-track raises a Catch error for a message that MESH does not know', async () => {
    await assert.rejects(request('track?id=UNKNOWN'), /502.*MESH_NOT_FOUND/);
  });

  it('mesh-lookup finds mailboxes by ODS code and workflow, and by workflow alone', async () => {
    const expected = [{ mailboxId: 'X26ABC2', name: 'TESTMB2' }];
    assert.deepEqual(await request('lookup?ods=X26'), expected);
    assert.deepEqual(await request('lookup?ods=X99'), []);
    assert.deepEqual(await request('lookup'), expected);
  });
});
