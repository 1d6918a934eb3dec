/** Requests that MESH refuses, and responses that are not MESH's. */
import assert from 'node:assert/strict';
import { AuthenticationError } from '../../lib/index';
import { ProtocolError, RejectedError, UnknownOutcomeError } from '../../lib/index';
import { allOf } from '../harness/all-of';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, operations, sandbox } from '../harness/mailboxes';

const HOUR = 60 * 60 * 1000;

describe('MESH refuses', () => {
  for (const [what, options] of [
    ['a wrong password', { password: 'wrong' }],
    ['a wrong shared key', { sharedKey: 'wrong' }],
    ['an unknown mailbox', { mailboxId: 'X26NONE' }],
  ] as const) {
    it(`${what}: an authentication error at the first attempt`, async () => {
      const server = await sandbox();
      const error = await failure(AuthenticationError, mailboxAt(server, options).handshake());
      assert.equal(error.status, 403);
      assert.equal(error.retry, 'never');
      assert.equal(error.operation, 'handshake');
      assert.match(error.advice ?? '', /^Check the mailbox id, its password and the shared key/);
      assert.equal(operations(server).length, 1);
    });
  }

  it('a disabled mailbox, until it is enabled again', async () => {
    const server = await sandbox();
    const mailbox = mailboxAt(server);
    server.setMailboxActive('X26ABC1', false);
    const error = await failure(AuthenticationError, mailbox.listInbox());
    assert.match(error.advice ?? '', /not disabled/);
    assert.equal(error.mailboxId, 'X26ABC1');
    server.setMailboxActive('X26ABC1', true);
    await mailbox.listInbox();
  });

  for (const [hours, words] of [
    [3, /180 minutes behind MESH’s/],
    [-3, /180 minutes ahead of MESH’s/],
  ] as const) {
    it(`a clock that is ${hours} hours off, and the advice says by how much`, async () => {
      const date = new Date(Date.now() + hours * HOUR).toUTCString();
      const server = await hostileMesh(() => ({ status: 403, headers: { date } }));
      const error = await failure(AuthenticationError, mailboxAt(server).handshake());
      assert.match(error.advice ?? '', words);
    });

    it(`a token that is ${hours} hours off its clock`, async () => {
      const server = await sandbox();
      server.clock.advance(hours * HOUR);
      await failure(AuthenticationError, mailboxAt(server).handshake());
      server.clock.advance(-hours * HOUR);
      await mailboxAt(server).handshake();
    });
  }

  it('a missing client certificate', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const error = await failure(AuthenticationError, mailboxAt(server).handshake());
    assert.match(error.description ?? '', /client certificate is required/);
  });

  it('an expired client certificate', async () => {
    const server = await sandbox({ clientCertificate: 'required' });
    const pair = await server.clientCertificate({ notAfter: new Date(Date.now() - 24 * HOUR) });
    const error = await failure(
      AuthenticationError,
      mailboxAt(server, { tls: { ca: server.ca as string, ...pair } }).handshake(),
    );
    assert.match(error.description ?? '', /CERT_HAS_EXPIRED/);
  });
});

describe('a response that MESH would not send', () => {
  const page = { headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>Login</html>') };

  it('a page instead of the inbox is a protocol error', async () => {
    const server = await hostileMesh(() => page);
    const error = await failure(ProtocolError, mailboxAt(server).listInbox());
    assert.match(error.advice ?? '', /another server, or a proxy with a page of its own/);
    assert.equal(server.seen.length, 1);
  });

  it('a page instead of the acceptance of a message is an unknown outcome', async () => {
    const server = await hostileMesh(() => page);
    await failure(UnknownOutcomeError, mailboxAt(server).send({ to: 'A', workflowId: 'W', payload: 'x' }));
    assert.equal(server.seen.length, 1);
  });

  it('a page instead of the acceptance of a first chunk is a protocol error', async () => {
    const server = await hostileMesh(() => page);
    const mailbox = mailboxAt(server, { maxRequestBytes: 1, chunkBytes: 1 });
    await failure(ProtocolError, mailbox.send({ to: 'A', workflowId: 'W', payload: 'xy' }));
  });

  it('a redirect is not followed, because a token is valid for one address', async () => {
    const server = await hostileMesh(() => ({ status: 307, headers: { location: '/elsewhere' } }));
    const error = await failure(ProtocolError, mailboxAt(server).listInbox());
    assert.equal(error.status, 307);
    assert.deepEqual(
      server.seen.map((one) => one.path),
      ['/messageexchange/X26ABC1/inbox'],
    );
  });

  it('an inbox larger than eight megabytes is a protocol error, and the next call works', async () => {
    const server = await hostileMesh((request, number) =>
      request.method === 'GET' && number === 1
        ? { body: Buffer.alloc(9 * 1024 * 1024, ' ') }
        : { body: Buffer.from('{"messages":[]}') },
    );
    const mailbox = mailboxAt(server);
    await failure(ProtocolError, mailbox.listInbox());
    assert.deepEqual(await mailbox.listInbox(), { messageIds: [] });
  });

  it('a next page that repeats itself ends the list', async () => {
    const server = await hostileMesh(() => ({
      body: Buffer.from('{"messages":["M1"],"links":{"next":"/x?continue_from=same"}}'),
    }));
    assert.deepEqual(await allOf(mailboxAt(server).inboxMessageIds()), ['M1', 'M1']);
    assert.equal(server.seen.length, 2);
  });

  it('a refusal in XML is not MESH’s, and its status is still named', async () => {
    const server = await hostileMesh(() => ({ status: 404, body: Buffer.from('<error/>') }));
    assert.equal((await failure(ProtocolError, mailboxAt(server).track('M'))).status, 404);
  });

  it('a refusal whose body breaks off is a lost response', async () => {
    const server = await hostileMesh(() => ({
      status: 417,
      headers: { 'content-length': 500 },
      body: Buffer.from('{"errorCode":"12"'),
      ending: 'break',
    }));
    const send = mailboxAt(server).send({ to: 'A', workflowId: 'W', payload: 'x' });
    await failure(UnknownOutcomeError, send);
  });

  it('an older server’s version 1 error is read', async () => {
    const server = await hostileMesh(() => ({
      status: 417,
      body: Buffer.from('{"errorEvent":"SEND","errorCode":"17","errorDescription":"no such workflow"}'),
    }));
    const error = await failure(RejectedError, mailboxAt(server).send({ to: 'A', workflowId: 'W', payload: 'x' }));
    assert.equal(error.meshCode, '17');
    assert.match(error.advice ?? '', /spelling of the workflow id/);
  });

  it('an unknown code has the service desk as advice, and MESH’s own words only as its description', async () => {
    const server = await hostileMesh(() => ({
      status: 417,
      body: Buffer.from('{"errorEvent":"SEND","errorCode":"99","errorDescription":"a new thing"}'),
    }));
    const error = await failure(RejectedError, mailboxAt(server).send({ to: 'A', workflowId: 'W', payload: 'x' }));
    assert.match(error.message, /\(MESH code 99\)/);
    assert.doesNotMatch(error.message, /a new thing/);
    assert.equal(error.description, 'a new thing');
    assert.match(error.advice ?? '', /99 is not in this package’s table/);
  });

  it('a success other than 200 and 202 leaves the outcome of a whole message unknown', async () => {
    for (const status of [201, 204]) {
      const server = await hostileMesh(() => ({ status }));
      await failure(UnknownOutcomeError, mailboxAt(server).send({ to: 'A', workflowId: 'W', payload: 'x' }));
    }
  });

  it('another message than the requested one is refused', async () => {
    const server = await hostileMesh(() => ({
      status: 200,
      headers: { 'mex-messageid': 'M2' },
      body: Buffer.from('x'),
    }));
    const error = await failure(ProtocolError, mailboxAt(server).receive('M1'));
    assert.match(error.message, /Message M1: It was neither downloaded nor acknowledged/);
  });
});
