/**
 * Our client performs every operation on NHS England's own sandbox, over HTTPS with a client certificate and real
 * tokens.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { openMailbox, openStorage, type Delivery, type Mailbox, type MailboxOptions } from '../../lib';
import { officialSandbox, PASSWORD, SHARED_KEY, workFolder, type Server } from './support/servers';

const WORKFLOW = 'TEST_WORKFLOW';

describe('Our client and the official sandbox', function () {
  this.timeout(30_000);
  let server: Server;
  let bob: Mailbox;
  let alice: Mailbox;

  before(async () => {
    server = await officialSandbox();
    bob = server.mailbox('X26ABC1');
    alice = server.mailbox('x26abc2');
  });

  afterEach(() => server.reset());

  const sendText = (text: string, more: Record<string, unknown> = {}): Promise<{ messageId: string }> =>
    bob.send({ to: 'X26ABC2', workflowId: WORKFLOW, payload: text, ...more });

  const report = async (more: Record<string, string>): Promise<string> => {
    const body = JSON.stringify({
      mailbox_id: 'X26ABC1',
      code: '14',
      description: '-',
      workflow_id: WORKFLOW,
      ...more,
    });
    const path = '/messageexchange/admin/report';
    const { json } = await server.raw({ method: 'POST', path, headers: { 'Content-Type': 'application/json' }, body });
    return (json as { message_id: string }).message_id;
  };

  describe('credentials', () => {
    const rejected = async (options: Partial<MailboxOptions>, expected: object): Promise<void> => {
      const mailbox = server.mailbox('X26ABC1', { retry: { attempts: 1 }, ...options });
      await assert.rejects(mailbox.handshake(), expected);
    };

    it('a handshake succeeds, and so does the next, with a new token', async () => {
      await bob.handshake();
      await bob.handshake();
    });

    it('a wrong password gets 403', () =>
      rejected({ password: 'wrong' }, { code: 'MESH_AUTHENTICATION', status: 403, retry: 'never' }));

    it('a wrong shared key gets 403', () =>
      rejected({ sharedKey: 'wrong' }, { code: 'MESH_AUTHENTICATION', status: 403, retry: 'never' }));

    it('a mailbox that does not exist gets 403', () =>
      rejected({ mailboxId: 'X26NOBODY' }, { code: 'MESH_AUTHENTICATION', status: 403, retry: 'never' }));

    it('without a client certificate there is no connection', async () => {
      const mailbox = openMailbox({
        environment: server.url,
        mailboxId: 'X26ABC1',
        password: PASSWORD,
        sharedKey: SHARED_KEY,
        tls: { ca: server.tls.ca },
        retry: { attempts: 1 },
      });
      // Python's server closes the connection without a TLS alert.
      await assert.rejects(mailbox.handshake(), { code: /^MESH_(TLS|CONNECTION)$/ });
      await mailbox.close();
    });

    it('without the CA the server is not trusted, and the error names the missing issuer', async () => {
      const mailbox = openMailbox({
        environment: server.url,
        mailboxId: 'X26ABC1',
        password: PASSWORD,
        sharedKey: SHARED_KEY,
        tls: { cert: server.tls.cert, key: server.tls.key },
        retry: { attempts: 1 },
      });
      await assert.rejects(mailbox.handshake(), { code: 'MESH_TLS', message: /CN=Interoperation CA/ });
      await mailbox.close();
    });
  });

  describe('sending and receiving', () => {
    const text = 'MSH|^~\\&|PAS|';
    const checksum = createHash('md5').update(text).digest('hex');
    for (const compression of ['always', 'never'] as const) {
      it(`every header arrives with the payload (compression: ${compression})`, async () => {
        const sent = await sendText(text, {
          localId: 'local-1',
          subject: 'A subject',
          fileName: 'letter 1.hl7',
          contentType: 'x-application/hl7-v2+er7',
          checksum,
          partnerId: 'sub|tag',
          compressed: true,
          encrypted: true,
          compression,
        });
        const headers = await alice.head(sent.messageId);
        const { message, payload, bytes } = await alice.receive(sent.messageId);
        assert.equal(payload?.toString(), text);
        assert.equal(bytes, 13);
        for (const metadata of [headers, message]) {
          assert.equal(metadata.messageId, sent.messageId);
          assert.equal(metadata.messageType, 'DATA');
          assert.equal(metadata.from, 'X26ABC1');
          assert.equal(metadata.to, 'X26ABC2');
          assert.equal(metadata.workflowId, WORKFLOW);
          assert.equal(metadata.localId, 'local-1');
          assert.equal(metadata.subject, 'A subject');
          assert.equal(metadata.fileName, 'letter 1.hl7');
          assert.equal(metadata.contentType, 'x-application/hl7-v2+er7');
          assert.equal(metadata.checksum, checksum);
          assert.equal(metadata.partnerId, 'sub|tag');
          assert.equal(metadata.compressed, true);
          assert.equal(metadata.encrypted, true);
          assert.equal(metadata.totalChunks, 1);
          assert.equal(metadata.statusCode, '00');
          assert.equal(metadata.statusSuccess, true);
        }
      });
    }

    it('a chunked message keeps its content type and is received as one payload', async () => {
      const payload = Buffer.from('0123456789'.repeat(1000));
      const small = server.mailbox('X26ABC1', { maxRequestBytes: 3000, chunkBytes: 3000, compression: 'never' });
      const progress: number[] = [];
      const sent = await small.send(
        { to: 'X26ABC2', workflowId: WORKFLOW, payload, contentType: 'text/csv' },
        { onProgress: ({ chunk }) => progress.push(chunk) },
      );
      assert.equal(sent.chunks, 4);
      assert.deepEqual(progress, [1, 2, 3, 4]);
      const received = await alice.receive(sent.messageId);
      assert.deepEqual(received.payload, payload);
      assert.equal(received.message.totalChunks, 4);
      assert.equal(received.message.contentType, 'text/csv');
    });

    it('a message acknowledged twice leaves the inbox once', async () => {
      const { messageId } = await sendText('x');
      assert.deepEqual((await alice.listInbox()).messageIds, [messageId]);
      await alice.acknowledge(messageId);
      assert.deepEqual((await alice.listInbox()).messageIds, []);
      await alice.acknowledge(messageId);
    });

    it('an unregistered recipient is refused with code 12 and advice', async () => {
      await assert.rejects(bob.send({ to: 'X26NOBODY', workflowId: WORKFLOW, payload: 'x' }), {
        code: 'MESH_REJECTED',
        status: 417,
        meshCode: '12',
        event: 'SEND',
        retry: 'never',
      });
    });

    it('every operation on an unknown message reports that it does not exist', async () => {
      const unknown = '20200101000000000000_000000';
      const notFound = { code: 'MESH_NOT_FOUND', status: 404 };
      await assert.rejects(alice.head(unknown), notFound);
      await assert.rejects(alice.receive(unknown), notFound);
      await assert.rejects(alice.acknowledge(unknown), notFound);
      await assert.rejects(alice.track(unknown), notFound);
      await assert.rejects(alice.trackByLocalId(unknown), notFound);
    });

    it('a message in another mailbox cannot be received', async () => {
      const { messageId } = await sendText('x');
      const carol = server.mailbox('X26ABC3');
      await assert.rejects(carol.receive(messageId), { code: 'MESH_AUTHENTICATION', status: 403 });
    });
  });

  describe('the inbox', () => {
    it('25 messages are listed in three pages of 10, in order', async () => {
      const sent: string[] = [];
      for (let index = 0; index < 25; index += 1) sent.push((await sendText(`message ${index}`)).messageId);
      const first = await alice.listInbox({ maxResults: 10 });
      assert.deepEqual(first.messageIds, sent.slice(0, 10));
      assert.equal(first.approximateCount, 25);
      const second = await alice.listInbox({ maxResults: 10, continueFrom: first.continueFrom ?? '' });
      assert.deepEqual(second.messageIds, sent.slice(10, 20));
      const third = await alice.listInbox({ maxResults: 10, continueFrom: second.continueFrom ?? '' });
      assert.deepEqual(third.messageIds, sent.slice(20));
      assert.equal(third.continueFrom, undefined);
      const all: string[] = [];
      for await (const id of alice.inboxMessageIds({ maxResults: 10 })) all.push(id);
      assert.deepEqual(all, sent);
    });

    it('600 messages are listed in a page of 500 and a page of 100', async () => {
      const fast = server.mailbox('X26ABC1', { connections: 6 });
      const sent = new Set<string>();
      for (let batch = 0; batch < 100; batch += 1) {
        const results = await Promise.all(
          Array.from({ length: 6 }, () => fast.send({ to: 'X26ABC2', workflowId: WORKFLOW, payload: 'x' })),
        );
        for (const { messageId } of results) sent.add(messageId);
      }
      const first = await alice.listInbox();
      assert.equal(first.messageIds.length, 500);
      const second = await alice.listInbox({ continueFrom: first.continueFrom ?? '' });
      assert.equal(second.messageIds.length, 100);
      assert.equal(second.continueFrom, undefined);
      assert.deepEqual(new Set([...first.messageIds, ...second.messageIds]), sent);
    });

    it('is filtered by workflow: equal, prefix, substring, and their negations', async () => {
      const ids = new Map<string, string>();
      for (const workflowId of ['TEST_WORKFLOW', 'TEST_WORKFLOW_ACK', 'OTHER']) {
        ids.set(workflowId, (await sendText('x', { workflowId })).messageId);
      }
      const listed = async (workflowFilter: string): Promise<string[]> => {
        const { messageIds } = await alice.listInbox({ workflowFilter });
        return [...ids].filter(([, id]) => messageIds.includes(id)).map(([workflowId]) => workflowId);
      };
      assert.deepEqual(await listed('TEST_WORKFLOW'), ['TEST_WORKFLOW']);
      assert.deepEqual(await listed('!TEST_WORKFLOW'), ['TEST_WORKFLOW_ACK', 'OTHER']);
      assert.deepEqual(await listed('TEST*'), ['TEST_WORKFLOW', 'TEST_WORKFLOW_ACK']);
      assert.deepEqual(await listed('!TEST*'), ['OTHER']);
      assert.deepEqual(await listed('*_ACK*'), ['TEST_WORKFLOW_ACK']);
      assert.deepEqual(await listed('!*_ACK*'), ['TEST_WORKFLOW', 'OTHER']);
    });

    it('our poller drains it, distinguishes reports from data, and acknowledges finished messages', async () => {
      const { messageId } = await sendText('a letter');
      await alice.acknowledge(messageId);
      const business = await alice.send({ to: 'X26ABC1', workflowId: 'TEST_WORKFLOW_ACK', payload: 'fine' });
      const data = await alice.send({ to: 'X26ABC1', workflowId: WORKFLOW, payload: 'another letter' });
      const reportId = await report({ linked_message_id: messageId });
      const storage = await openStorage({ folder: join(await workFolder(), 'state') });
      const durable = server.durable('X26ABC1', storage);
      const poller = durable.inbox({ minimumIntervalMs: 0 });
      const deliveries: Delivery[] = [];
      const unreadable: string[] = [];
      await new Promise<void>((resolve, reject) => {
        poller.add({
          workflows: [],
          maxLeases: 10,
          intervalMs: 0,
          acknowledge: 'flow',
          async deliver(delivery) {
            deliveries.push(delivery);
            if (deliveries.length === 3) resolve();
          },
          parked: (_message, error) => reject(error ?? new Error('parked')),
          // An acknowledgement in an unknown form is reported as a failure, and is still delivered.
          failed: (error, about) =>
            /acknowledgement that cannot be read/.test(error.message) ? unreadable.push(about ?? '') : reject(error),
        });
        poller.poll();
      });
      assert.deepEqual(
        deliveries.map(({ kind, received }) => [kind, received.message.messageId]),
        [
          ['business-acknowledgement', business.messageId],
          ['data', data.messageId],
          ['report', reportId],
        ],
      );
      assert.deepEqual(unreadable, [business.messageId]);
      for (const { received } of deliveries) await poller.acknowledge(received.message.messageId);
      assert.deepEqual((await bob.listInbox()).messageIds, []);
      await poller.close();
      await durable.close();
      await storage.close();
    });
  });

  describe('reports', () => {
    it('an undelivered message returns as a REPORT that names it, with advice', async () => {
      const { messageId } = await sendText('x', { localId: 'local-2', subject: 'Letter' });
      const reportId = await report({ linked_message_id: messageId, local_id: 'local-2', subject: 'Letter' });
      assert.deepEqual((await bob.listInbox()).messageIds, [reportId]);
      const { message, payload, bytes } = await bob.receive(reportId);
      assert.equal(message.messageType, 'REPORT');
      assert.equal(message.linkedMessageId, messageId);
      assert.equal(message.statusCode, '14');
      assert.equal(message.statusEvent, 'SEND');
      assert.equal(message.statusDescription, 'Message not collected by recipient after 5 days');
      assert.equal(message.statusSuccess, false);
      assert.equal(message.localId, 'local-2');
      assert.equal(message.subject, 'NDR: Letter');
      assert.match(message.advice ?? '', /\w/);
      assert.equal(payload, undefined);
      assert.equal(bytes, 0);
      assert.equal((await bob.head(reportId)).messageType, 'REPORT');
      await bob.acknowledge(reportId);
      assert.deepEqual((await bob.listInbox()).messageIds, []);
    });

    it('an error report has its code, event and description', async () => {
      const made = { status: 'error', code: 'EPL-151', description: 'No mailbox matched', linked_message_id: 'ABC' };
      const { message } = await bob.receive(await report(made));
      assert.equal(message.statusCode, 'EPL-151');
      assert.equal(message.statusEvent, 'TRANSFER');
      assert.equal(message.statusDescription, 'No mailbox matched');
    });

    it('an undeliverable message is gone for its recipient', async () => {
      const { messageId } = await sendText('x');
      const path = `/messageexchange/admin/message/${messageId}/event`;
      const body = JSON.stringify({ status: 'undeliverable', code: '14', event: 'SEND' });
      await server.raw({ method: 'POST', path, headers: { 'Content-Type': 'application/json' }, body });
      await assert.rejects(alice.receive(messageId), { code: 'MESH_GONE', status: 410 });
      assert.equal((await bob.track(messageId)).status, 'undeliverable');
    });
  });

  describe('tracking', () => {
    it('follows a message by its id from accepted to acknowledged', async () => {
      const { messageId } = await sendText('x', { localId: 'local-3', fileName: 'x.txt' });
      const accepted = await bob.track(messageId);
      assert.equal(accepted.status, 'accepted');
      assert.equal(accepted.messageId, messageId);
      assert.equal(accepted.localId, 'local-3');
      assert.equal(accepted.workflowId, WORKFLOW);
      assert.equal(accepted.fileName, 'x.txt');
      assert.equal(accepted.recipient, 'X26ABC2');
      assert.equal(accepted.recipientName, 'TESTMB2');
      assert.equal(accepted.recipientOdsCode, 'X26');
      assert.equal(accepted.statusSuccess, true);
      assert.ok(Math.abs(Date.parse(accepted.uploadTimestamp ?? '') - Date.now()) < 60_000, accepted.uploadTimestamp);
      await alice.acknowledge(messageId);
      assert.equal((await bob.track(messageId)).status, 'acknowledged');
    });

    it('finds a message by its local id', async () => {
      const odd = await sendText('x', { localId: 'ref 1: ä?&' });
      assert.equal((await bob.trackByLocalId('ref 1: ä?&')).messageId, odd.messageId);
      const plain = await sendText('x', { localId: 'local-4' });
      assert.equal((await bob.trackByLocalId('local-4')).messageId, plain.messageId);
      assert.equal((await bob.trackByLocalId('local-4')).status, 'accepted');
    });

    it('reports that a local id is not unique', async () => {
      await sendText('x', { localId: 'RX1' });
      await sendText('y', { localId: 'RX1' });
      await assert.rejects(bob.trackByLocalId('RX1'), { code: 'MESH_LOCAL_ID_NOT_UNIQUE', status: 300 });
    });

    it('reports that a message is uploading until its last chunk has arrived', async () => {
      const as = { mailboxId: 'X26ABC1', password: PASSWORD, sharedKey: SHARED_KEY };
      const Accept = 'application/vnd.mesh.v2+json';
      const headers = { Accept, 'Mex-To': 'X26ABC2', 'Mex-WorkflowID': WORKFLOW, 'Mex-Chunk-Range': '1:2' };
      const path = '/messageexchange/X26ABC1/outbox';
      const { json } = await server.raw({ method: 'POST', path, headers, body: 'x', as });
      const { message_id: messageId } = json as { message_id: string };
      assert.equal((await bob.track(messageId)).status, 'uploading');
      assert.deepEqual((await alice.listInbox()).messageIds, []);
      const body = { method: 'POST', path: `${path}/${messageId}/2`, headers: { Accept, 'Mex-Chunk-Range': '2:2' } };
      assert.equal((await server.raw({ ...body, body: 'y', as })).status, 202);
      assert.equal((await bob.track(messageId)).status, 'accepted');
      assert.equal((await alice.receive(messageId)).payload?.toString(), 'xy');
    });
  });

  describe('lookup', () => {
    it('finds the mailboxes of an organisation for a workflow', async () => {
      assert.deepEqual(await bob.lookup('X26', WORKFLOW), [{ mailboxId: 'X26ABC2', name: 'TESTMB2' }]);
      assert.deepEqual(
        (await bob.lookup('X26', 'TEST_WORKFLOW2')).map(({ mailboxId }) => mailboxId),
        ['X26ABC1', 'X26ABC2'],
      );
    });

    it('finds nothing for an unknown organisation or workflow', async () => {
      assert.deepEqual(await bob.lookup('X99', WORKFLOW), []);
      assert.deepEqual(await bob.lookup('X26', 'NO_SUCH_WORKFLOW'), []);
    });

    it('finds all mailboxes for a workflow', async () => {
      assert.deepEqual(await bob.searchWorkflow('TEST_WORKFLOW_ACK'), [
        { mailboxId: 'X26ABC1', name: 'TESTMB1' },
        { mailboxId: 'X26ABC3', name: 'TESTMB3' },
      ]);
    });
  });
});
