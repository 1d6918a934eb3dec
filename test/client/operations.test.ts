/** Every operation of a mailbox, against the sandbox, over mutual TLS. */
import assert from 'node:assert/strict';
import { AuthenticationError, GoneError, LocalIdNotUniqueError, NotFoundError, RejectedError } from '../../lib/index';
import type { Mailbox } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { allOf } from '../harness/all-of';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, operations, sandbox } from '../harness/mailboxes';

const MAILBOXES = [
  { mailboxId: 'X26ABC1', password: 'password', name: 'One', odsCode: 'X26' },
  { mailboxId: 'X26ABC2', password: 'password', name: 'Two', odsCode: 'X27' },
];
const WORKFLOWS = [{ workflowId: 'WF', senders: ['X26ABC1', 'X26ABC2'], receivers: ['X26ABC1', 'X26ABC2'] }];

describe('a mailbox over mutual TLS', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let bob: Mailbox;

  beforeEach(async () => {
    server = await sandbox({ clientCertificate: 'required', mailboxes: MAILBOXES, workflows: WORKFLOWS });
    const tls = { ca: server.ca as string, ...(await server.clientCertificate()) };
    alice = mailboxAt(server, { tls, mailboxId: 'x26abc1' });
    bob = mailboxAt(server, { tls, mailboxId: 'X26ABC2' });
  });

  it('has its id in capitals and its address without a slash', () => {
    assert.equal(alice.mailboxId, 'X26ABC1');
    assert.equal(alice.url, server.url);
  });

  it('makes a handshake', async () => {
    await alice.handshake();
    assert.deepEqual(server.requests(), [
      { operation: 'handshake', method: 'POST', path: '/messageexchange/X26ABC1', status: 200, mailboxId: 'X26ABC1' },
    ]);
  });

  it('sends, lists, heads, receives, acknowledges and tracks', async () => {
    const sent = await alice.send({
      to: 'X26ABC2',
      workflowId: 'WF',
      payload: 'Grüße, Zoë',
      subject: 'Zoë £5',
      localId: 'ours-1',
      fileName: 'Zoë.txt',
      partnerId: 'sub|tag',
      checksum: 'MD5: aa',
      compressed: true,
      encrypted: true,
    });
    assert.deepEqual(sent, {
      messageId: sent.messageId,
      localId: 'ours-1',
      to: 'X26ABC2',
      workflowId: 'WF',
      bytes: 13,
      chunks: 1,
      status: 'accepted',
    });
    assert.ok(sent.messageId);

    const page = await bob.listInbox();
    assert.deepEqual(page, { messageIds: [sent.messageId], approximateCount: 1 });

    const head = await bob.head(sent.messageId);
    const expected = {
      mailboxId: 'X26ABC2',
      messageId: sent.messageId,
      messageType: 'DATA',
      from: 'X26ABC1',
      to: 'X26ABC2',
      workflowId: 'WF',
      localId: 'ours-1',
      subject: 'Zoë £5',
      fileName: 'Zoë.txt',
      partnerId: 'sub|tag',
      checksum: 'MD5: aa',
      compressed: true,
      encrypted: true,
      totalChunks: 1,
      statusSuccess: true,
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(head[name as keyof typeof head], value, `head: ${name}`);
    }

    const { message, payload, bytes, file } = await bob.receive(sent.messageId);
    assert.equal(payload?.toString(), 'Grüße, Zoë');
    assert.equal(bytes, 13);
    assert.equal(file, undefined);
    assert.equal(message.contentType, 'text/plain; charset=utf-8');
    for (const [name, value] of Object.entries(expected)) {
      assert.equal(message[name as keyof typeof message], value, `received: ${name}`);
    }

    const before = await alice.track(sent.messageId);
    assert.equal(before.status, 'accepted');
    assert.equal(before.localId, 'ours-1');
    assert.equal(before.recipient, 'X26ABC2');
    assert.ok(!Number.isNaN(Date.parse(before.uploadTimestamp ?? '')));

    await bob.acknowledge(sent.messageId);
    assert.deepEqual((await bob.listInbox()).messageIds, []);
    assert.equal((await alice.track(sent.messageId)).status, 'acknowledged');
    assert.equal((await alice.trackByLocalId('ours-1')).messageId, sent.messageId);
  });

  it('acknowledges a message twice without harm', async () => {
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
    await bob.acknowledge(messageId);
    await bob.acknowledge(messageId);
    await failure(GoneError, bob.receive(messageId));
    assert.equal(server.messages()[0]?.status, 'acknowledged');
  });

  it('makes a unique local id if none is set', async () => {
    const one = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
    const other = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x', localId: '' });
    assert.match(one.localId, /^[0-9a-f-]{36}$/);
    assert.notEqual(one.localId, other.localId);
    assert.deepEqual(
      server.messages().map((message) => message.localId),
      [one.localId, other.localId],
    );
  });

  it('lists page after page, and by workflow', async () => {
    for (let n = 0; n < 12; n += 1) {
      await alice.send({ to: 'X26ABC2', workflowId: n < 11 ? 'WF' : 'OTHER_ACK', payload: 'x' });
    }
    const all = server.messages().map((message) => message.messageId);
    const first = await bob.listInbox({ maxResults: 10 });
    assert.deepEqual(first.messageIds, all.slice(0, 10));
    assert.ok(first.continueFrom);
    const second = await bob.listInbox({ maxResults: 10, continueFrom: first.continueFrom });
    assert.deepEqual(second.messageIds, all.slice(10));
    assert.equal(second.continueFrom, undefined);
    assert.deepEqual((await bob.listInbox({ workflowFilter: '*_ACK*' })).messageIds, all.slice(11));
    assert.deepEqual(await allOf(bob.inboxMessageIds({ maxResults: 10 })), all);
  });

  it('looks up mailboxes by organisation and by workflow', async () => {
    assert.deepEqual(await alice.lookup('X27', 'WF'), [{ mailboxId: 'X26ABC2', name: 'Two' }]);
    assert.deepEqual(await alice.lookup('NONE', 'WF'), []);
    assert.deepEqual(await alice.searchWorkflow('WF'), [
      { mailboxId: 'X26ABC1', name: 'One' },
      { mailboxId: 'X26ABC2', name: 'Two' },
    ]);
  });

  it('an unregistered recipient is rejected with code 12 and its advice', async () => {
    const error = await failure(RejectedError, alice.send({ to: 'NOBODY', workflowId: 'WF', payload: 'x' }));
    assert.equal(error.status, 417);
    assert.equal(error.meshCode, '12');
    assert.equal(error.event, 'SEND');
    assert.match(error.advice ?? '', /^Check the mailbox id for typing errors/);
    assert.match(error.message, /not registered \(MESH code 12\)/);
    assert.equal(operations(server).length, 1, 'and is not tried again');
  });

  it('an unknown message is not found, with code 20 and its advice', async () => {
    for (const request of [
      bob.receive('20200101000000000001_AAAAAA'),
      bob.acknowledge('20200101000000000001_AAAAAA'),
    ]) {
      const error = await failure(NotFoundError, request);
      assert.equal(error.status, 404);
      assert.equal(error.meshCode, '20');
      assert.equal(error.messageId, '20200101000000000001_AAAAAA');
      assert.match(error.advice ?? '', /acknowledged, it expired/);
    }
    // The response to a HEAD has no body, so no code.
    const error = await failure(NotFoundError, bob.head('20200101000000000001_AAAAAA'));
    assert.match(error.advice ?? '', /acknowledged, it expired/);
    assert.equal((await failure(NotFoundError, bob.track('20200101000000000001_AAAAAA'))).status, 404);
  });

  it('an acknowledged message is gone', async () => {
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
    await bob.acknowledge(messageId);
    const error = await failure(GoneError, bob.receive(messageId));
    assert.equal(error.status, 410);
    assert.ok(error.advice);
  });

  it('a local id of two messages identifies neither', async () => {
    for (let n = 0; n < 2; n += 1) await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x', localId: 'same' });
    const error = await failure(LocalIdNotUniqueError, alice.trackByLocalId('same'));
    assert.equal(error.status, 300);
    assert.match(error.advice ?? '', /message id/);
  });

  it('another mailbox’s message is refused', async () => {
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x' });
    await failure(AuthenticationError, alice.receive(messageId));
  });

  it('many concurrent calls run one after another, and all succeed', async () => {
    const sent = await Promise.all(
      Array.from({ length: 20 }, (_, n) => alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: `message ${n}` })),
    );
    const received = await Promise.all(sent.map(({ messageId }) => bob.receive(messageId)));
    assert.deepEqual(
      received.map(({ payload }) => payload?.toString()),
      sent.map((_, n) => `message ${n}`),
    );
  });
});

describe('a mailbox', () => {
  it('identifies itself in the handshake', async () => {
    const server = await hostileMesh(() => ({ body: Buffer.from('{}') }));
    await mailboxAt(server, { application: 'my-app/1.2' }).handshake();
    const headers = server.seen[0]?.headers ?? {};
    assert.match(String(headers['mex-clientversion']), /^my-app\/1\.2;node-red-nhs-mesh==/);
    for (const name of ['mex-osname', 'mex-osversion', 'mex-osarchitecture', 'user-agent']) {
      assert.ok(headers[name], name);
    }
    assert.equal(headers['accept'], 'application/vnd.mesh.v2+json');
  });

  it('a handshake whose 200 has an error code has failed', async () => {
    const server = await hostileMesh(() => ({ body: Buffer.from('{"errorCode":"07","errorDescription":"no"}') }));
    const error = await failure(AuthenticationError, mailboxAt(server).handshake());
    assert.equal(error.meshCode, '07');
    assert.ok(error.advice);
    assert.equal(server.seen.length, 1);
  });

  it('keeps the path of its address', async () => {
    const server = await hostileMesh(() => ({ body: Buffer.from('{}') }));
    const mailbox = mailboxAt(server, { environment: `${server.url}/gateway/mesh/` });
    await mailbox.handshake();
    assert.equal(server.seen[0]?.path, '/gateway/mesh/messageexchange/X26ABC1');
    assert.equal(mailbox.url, `${server.url}/gateway/mesh`);
  });
});
