/** The caller's AbortSignal and the mailbox's close end requests in progress. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { AbortedError, MeshError, UnknownOutcomeError, type Mailbox } from '../../lib/index';
import { allOf } from '../harness/all-of';
import { emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, operations, sandbox } from '../harness/mailboxes';
import { until } from '../harness/until';

const MESSAGE = { to: 'X26ABC2', workflowId: 'WF', payload: 'x' };

const CALLS: Record<string, (mailbox: Mailbox, signal: AbortSignal) => Promise<unknown>> = {
  handshake: (mailbox, signal) => mailbox.handshake({ signal }),
  listInbox: (mailbox, signal) => mailbox.listInbox({ signal }),
  inboxMessageIds: (mailbox, signal) => allOf(mailbox.inboxMessageIds({ signal })),
  head: (mailbox, signal) => mailbox.head('M', { signal }),
  receive: (mailbox, signal) => mailbox.receive('M', { signal }),
  acknowledge: (mailbox, signal) => mailbox.acknowledge('M', { signal }),
  'send, chunk by chunk': (mailbox, signal) => mailbox.send({ ...MESSAGE, payload: 'xyz' }, { signal }),
  track: (mailbox, signal) => mailbox.track('M', { signal }),
  trackByLocalId: (mailbox, signal) => mailbox.trackByLocalId('L', { signal }),
  lookup: (mailbox, signal) => mailbox.lookup('X26', 'WF', { signal }),
  searchWorkflow: (mailbox, signal) => mailbox.searchWorkflow('WF', { signal }),
};

describe('an AbortSignal', () => {
  for (const [name, call] of Object.entries(CALLS)) {
    it(`ends ${name} while it waits for MESH, without another attempt`, async () => {
      const server = await hostileMesh(() => 'hang');
      const aborter = new AbortController();
      const failing = failure(
        AbortedError,
        call(mailboxAt(server, { maxRequestBytes: 1, chunkBytes: 1 }), aborter.signal),
      );
      await until('the request to arrive', () => server.seen.length === 1);
      aborter.abort();
      const error = await failing;
      assert.equal(error.code, 'MESH_ABORTED');
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(server.seen.length, 1);
    });

    it(`ends ${name} while it waits for the only connection, without sending a request`, async () => {
      const server = await hostileMesh(() => 'hang');
      const mailbox = mailboxAt(server, { maxRequestBytes: 1, chunkBytes: 1 });
      const [first, second] = [new AbortController(), new AbortController()];
      const busy = failure(AbortedError, mailbox.head('OTHER', { signal: first.signal }));
      await until('the first request to arrive', () => server.seen.length === 1);
      const waiting = failure(AbortedError, call(mailbox, second.signal));
      await new Promise((resolve) => setImmediate(resolve));
      second.abort();
      await waiting;
      first.abort();
      await busy;
      assert.equal(server.seen.length, 1);
    });

    it(`ends ${name} while it waits for its next attempt`, async () => {
      const server = await hostileMesh(() => ({ status: 503, headers: { 'retry-after': 30 } }));
      const aborter = new AbortController();
      const failing = failure(
        AbortedError,
        call(mailboxAt(server, { maxRequestBytes: 1, chunkBytes: 1 }), aborter.signal),
      );
      await until('the request to arrive', () => server.seen.length === 1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      aborter.abort();
      await failing;
      assert.equal(server.seen.length, 1);
    });

    it(`aborted before ${name} lets it send no request`, async () => {
      const server = await hostileMesh(() => ({ body: Buffer.from('{}') }));
      await failure(AbortedError, call(mailboxAt(server, { maxRequestBytes: 1, chunkBytes: 1 }), AbortSignal.abort()));
      assert.equal(server.seen.length, 0);
    });
  }

  it('during the POST of a whole message leaves an unknown outcome', async () => {
    const server = await hostileMesh(() => 'hang');
    const aborter = new AbortController();
    const failing = failure(UnknownOutcomeError, mailboxAt(server).send(MESSAGE, { signal: aborter.signal }));
    await until('the message to arrive', () => server.seen.length === 1);
    aborter.abort();
    assert.equal((await failing).retry, 'unsafe');
  });

  it('during a download leaves no file behind, and the next call works', async () => {
    const server = await hostileMesh((request) =>
      request.path.endsWith('/M')
        ? { headers: { 'content-length': 1000 }, body: Buffer.alloc(10), ending: 'hang' }
        : { body: Buffer.from('{"messages":[]}') },
    );
    const folder = await emptyFolder();
    const mailbox = mailboxAt(server);
    const aborter = new AbortController();
    const failing = failure(AbortedError, mailbox.receive('M', { folder, signal: aborter.signal }));
    await until('the temporary file', async () => (await readdir(folder)).length === 1);
    aborter.abort();
    await failing;
    assert.deepEqual(await readdir(folder), []);
    await mailbox.listInbox();
    assert.equal(server.count('PUT'), 0);
  });

  it('ends one call and leaves the other calls alone', async () => {
    const server = await sandbox();
    server.fault({ operation: 'handshake', effect: { kind: 'delay', ms: 100 } });
    const mailbox = mailboxAt(server);
    const aborter = new AbortController();
    const ended = failure(AbortedError, mailbox.handshake({ signal: aborter.signal }));
    const waiting = mailbox.listInbox();
    setTimeout(() => aborter.abort(), 20);
    await ended;
    assert.deepEqual((await waiting).messageIds, []);
  });
});

describe('closing a mailbox', () => {
  it('ends the request in progress and those that wait behind it', async () => {
    const server = await hostileMesh(() => 'hang');
    const mailbox = mailboxAt(server);
    const calls = [mailbox.listInbox(), mailbox.handshake(), mailbox.track('M')].map((call) =>
      failure(AbortedError, call),
    );
    await until('the first request', () => server.seen.length === 1);
    await mailbox.close();
    await Promise.all(calls);
    assert.equal(server.seen.length, 1);
  });

  it('ends a wait for the next attempt', async () => {
    const server = await sandbox();
    const effect = { kind: 'status', status: 429, headers: { 'Retry-After': '30' } } as const;
    server.fault({ operation: 'list_messages', effect });
    const mailbox = mailboxAt(server);
    const failing = failure(AbortedError, mailbox.listInbox());
    await until('the first attempt', () => operations(server).length === 1);
    await mailbox.close();
    await failing;
  });

  it('may be repeated, and every call after it fails', async () => {
    const server = await sandbox();
    const mailbox = mailboxAt(server);
    await mailbox.handshake();
    await Promise.all([mailbox.close(), mailbox.close()]);
    await mailbox.close();
    for (const call of Object.values(CALLS)) {
      await failure(MeshError, call(mailbox, new AbortController().signal));
    }
    assert.equal(operations(server).length, 1);
  });

  it('leaves no connection open', async () => {
    const server = await hostileMesh(() => ({ body: Buffer.from('{}') }));
    const mailbox = mailboxAt(server);
    await mailbox.handshake();
    assert.equal(server.connections(), 1);
    await mailbox.close();
    await until('the connection to end', () => server.connections() === 0, 1000);
  });
});
