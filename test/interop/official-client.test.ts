/** NHS England's own client performs all its operations on our sandbox. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { Mailbox } from '../../lib';
import type { OfficialClient } from './support/official-client';
import { freshFile, payloadFile } from './support/payloads';
import { ourSandbox, type Server } from './support/servers';

const WORKFLOW = 'TEST_WORKFLOW';

describe('The official client and our sandbox', function () {
  this.timeout(30_000);
  let server: Server;
  let bob: OfficialClient;
  let alice: OfficialClient;
  /** Our client for the same mailboxes. */
  let ourBob: Mailbox;
  let ourAlice: Mailbox;

  before(async () => {
    server = await ourSandbox();
    bob = server.official('X26ABC1');
    alice = server.official('X26ABC2');
    ourBob = server.mailbox('X26ABC1');
    ourAlice = server.mailbox('X26ABC2');
  });

  afterEach(() => server.reset());

  async function sendText(text: string, fields: Record<string, string | boolean> = {}): Promise<string> {
    const file = await freshFile();
    await writeFile(file, text);
    return bob.send({ to: 'X26ABC2', file, fields: { workflow_id: WORKFLOW, ...fields } });
  }

  describe('credentials', () => {
    it('a ping and a handshake succeed, and so does the next handshake', async () => {
      assert.equal((await bob.ping())['status'], 'running');
      await bob.handshake();
      await bob.handshake();
    });

    for (const [title, mailboxId, credentials] of [
      ['a wrong password', 'X26ABC1', { password: 'wrong' }],
      ['a wrong shared key', 'X26ABC1', { sharedKey: 'wrong' }],
      ['a mailbox that does not exist', 'X26NOBODY', {}],
    ] as const) {
      it(`${title} gets 403`, async () => {
        const client = server.officialWith(mailboxId, credentials);
        try {
          await assert.rejects(client.handshake(), { type: 'HTTPError', status: 403 });
          await assert.rejects(client.list(), { type: 'HTTPError', status: 403 });
        } finally {
          await client.close();
        }
      });
    }
  });

  describe('sending and receiving', () => {
    for (const compress of [false, true]) {
      it(`our client receives its headers (compress: ${compress})`, async () => {
        const payload = await payloadFile(4096, 'compressible');
        const messageId = await bob.send({
          to: 'X26ABC2',
          file: payload.path,
          compress,
          fields: {
            workflow_id: WORKFLOW,
            filename: 'letter 1.hl7',
            local_id: 'local-1',
            subject: 'A subject',
            partner_id: 'sub|tag',
            checksum: payload.sha256,
            content_type: 'x-application/hl7-v2+er7',
            encrypted: true,
            compressed: true,
          },
        });
        const { message, sha256 } = await ourAlice.receive(messageId);
        assert.equal(sha256, payload.sha256);
        assert.equal(message.from, 'X26ABC1');
        assert.equal(message.to, 'X26ABC2');
        assert.equal(message.workflowId, WORKFLOW);
        assert.equal(message.fileName, 'letter 1.hl7');
        assert.equal(message.localId, 'local-1');
        assert.equal(message.subject, 'A subject');
        assert.equal(message.partnerId, 'sub|tag');
        assert.equal(message.checksum, payload.sha256);
        assert.equal(message.contentType, 'x-application/hl7-v2+er7');
        assert.equal(message.encrypted, true);
        assert.equal(message.compressed, true);
      });
    }

    it('it receives our headers', async () => {
      const { messageId } = await ourBob.send({
        to: 'X26ABC2',
        workflowId: WORKFLOW,
        payload: 'a letter',
        localId: 'local-2',
        subject: 'A subject',
        fileName: 'letter.txt',
        contentType: 'text/plain',
        partnerId: 'sub|tag',
        checksum: 'abc-123',
        encrypted: true,
        compression: 'never',
      });
      const message = await alice.receive(messageId, await freshFile());
      assert.equal(message.sha256, createHash('sha256').update('a letter').digest('hex'));
      assert.equal(message.sender, 'X26ABC1');
      assert.equal(message.recipient, 'X26ABC2');
      assert.equal(message.message_id, messageId);
      assert.equal(message.message_type, 'DATA');
      assert.equal(message.workflow_id, WORKFLOW);
      assert.equal(message.filename, 'letter.txt');
      assert.equal(message.local_id, 'local-2');
      assert.equal(message.subject, 'A subject');
      assert.equal(message.partner_id, 'sub|tag');
      assert.equal(message.checksum, 'abc-123');
      assert.equal(message.content_type, 'text/plain');
      assert.equal(message.encrypted, true);
    });

    it('our client receives its compressed chunks, and its tracking shows their acknowledgement', async () => {
      const { path: file, sha256 } = await payloadFile(3_000_000, 'random');
      const sending = { file, compress: true, maxChunkBytes: 1_000_000, fields: { workflow_id: WORKFLOW } };
      const messageId = await bob.send({ to: 'X26ABC2', ...sending });
      assert.equal((await bob.track(messageId))['status'], 'accepted');
      const received = await ourAlice.receive(messageId);
      assert.equal(received.sha256, sha256);
      assert.equal(received.message.totalChunks, 3);
      assert.equal(received.message.contentEncoding, 'gzip');
      await ourAlice.acknowledge(messageId);
      assert.equal((await bob.track(messageId))['status'], 'acknowledged');
    });

    it('it receives our compressed chunks, and our tracking shows their acknowledgement', async () => {
      const { path: file, sha256 } = await payloadFile(3_000_000, 'random');
      const inChunks = server.mailbox('X26ABC1', { maxRequestBytes: 1_100_000, chunkBytes: 1_000_000 });
      const message = { to: 'X26ABC2', workflowId: WORKFLOW, payload: { file } };
      const { messageId, chunks } = await inChunks.send({ ...message, compression: 'always' });
      assert.equal(chunks, 3);
      assert.equal((await ourBob.track(messageId)).status, 'accepted');
      const received = await alice.receive(messageId, await freshFile());
      assert.equal(received.sha256, sha256);
      assert.equal(received.headers['total-chunks'], '3');
      assert.equal(received.headers['content-compressed'], 'Y');
      await alice.acknowledge(messageId);
      assert.equal((await ourBob.track(messageId)).status, 'acknowledged');
    });

    it('an unregistered recipient is a MeshError with code 12', async () => {
      const { path: file } = await payloadFile(1, 'random');
      const refused = bob.send({ to: 'X26NOBODY', file, fields: { workflow_id: WORKFLOW } });
      await assert.rejects(refused, (error: { type: string; message: string; response: unknown }) => {
        assert.equal(error.type, 'MeshError');
        assert.equal(error.message, 'Unregistered to address');
        const { detail } = error.response as { detail: unknown };
        assert.deepEqual(detail, [{ event: 'SEND', code: '12', msg: 'Unregistered to address' }]);
        return true;
      });
    });

    it('an empty file is refused', async () => {
      await assert.rejects(sendText(''), { type: 'MeshError', message: 'Data file is missing or inaccessible.' });
    });

    it('every operation on an unknown message gets 404', async () => {
      const notFound = { type: 'HTTPError', status: 404 };
      await assert.rejects(alice.receive('UNKNOWN', await freshFile()), notFound);
      await assert.rejects(alice.acknowledge('UNKNOWN'), notFound);
      await assert.rejects(alice.track('UNKNOWN'), notFound);
    });

    it('a message acknowledged twice leaves the inbox once', async () => {
      const messageId = await sendText('x');
      assert.deepEqual(await alice.list(), [messageId]);
      assert.equal(await alice.count(), 1);
      await alice.acknowledge(messageId);
      await alice.acknowledge(messageId);
      assert.deepEqual(await alice.list(), []);
      assert.equal(await alice.count(), 0);
    });

    it('iterating in a with statement reads and acknowledges every message', async () => {
      const texts = ['one', 'two', 'three'];
      for (const text of texts) await sendText(text);
      assert.deepEqual(
        await alice.acknowledgeInWith(),
        texts.map((text) => createHash('sha256').update(text).digest('hex')),
      );
      assert.deepEqual(await alice.list(), []);
    });
  });

  describe('the inbox', () => {
    it('is iterated in pages of 10, in order', async () => {
      const sent: string[] = [];
      for (let index = 0; index < 25; index += 1) sent.push(await sendText(`message ${index}`));
      assert.deepEqual(await alice.list({ maxResults: 10 }), sent.slice(0, 10));
      assert.deepEqual(await alice.iterate({ maxResults: 10 }), sent);
      assert.deepEqual(await alice.list(), sent);
    });

    it('is filtered by workflow', async () => {
      const plain = await sendText('x');
      const ack = await sendText('x', { workflow_id: 'TEST_WORKFLOW_ACK' });
      assert.deepEqual(await alice.list({ workflowFilter: WORKFLOW }), [plain]);
      assert.deepEqual(await alice.list({ workflowFilter: '*_ACK*' }), [ack]);
      assert.deepEqual(await alice.iterate({ workflowFilter: '!*_ACK*' }), [plain]);
      assert.deepEqual(await alice.iterate({ workflowFilter: 'TEST*', maxResults: 10 }), [plain, ack]);
    });
  });

  describe('reports, tracking and lookup', () => {
    it('a REPORT created by the admin endpoint is read with its reason', async () => {
      const messageId = await sendText('x');
      const body = JSON.stringify({
        mailbox_id: 'X26ABC1',
        code: '14',
        description: '-',
        workflow_id: WORKFLOW,
        linked_message_id: messageId,
      });
      const path = '/messageexchange/admin/report';
      await server.raw({ method: 'POST', path, headers: { 'Content-Type': 'application/json' }, body });
      const [reportId = ''] = await bob.list();
      const report = await bob.receive(reportId, await freshFile());
      assert.equal(report.message_type, 'REPORT');
      assert.equal(report.bytes, 0);
      assert.equal(report.headers['linkedmsgid'], messageId);
      assert.equal(report.headers['statuscode'], '14');
      assert.equal(report.headers['statusevent'], 'SEND');
      assert.equal(report.headers['statussuccess'], 'ERROR');
      await bob.acknowledge(reportId);
    });

    it('a message is tracked from accepted to acknowledged', async () => {
      const messageId = await sendText('x', { local_id: 'local-3', filename: 'x.txt' });
      const tracking = await bob.track(messageId);
      assert.equal(tracking['status'], 'accepted');
      assert.equal(tracking['message_id'], messageId);
      assert.equal(tracking['local_id'], 'local-3');
      assert.equal(tracking['filename'], 'x.txt');
      assert.equal(tracking['recipient'], 'X26ABC2');
      await alice.acknowledge(messageId);
      assert.equal((await bob.track(messageId))['status'], 'acknowledged');
    });

    it('mailboxes are looked up by ODS code and workflow', async () => {
      assert.deepEqual(await bob.lookup('X26', WORKFLOW), {
        results: [{ mailbox_id: 'X26ABC2', mailbox_name: 'TESTMB2' }],
      });
      assert.deepEqual(await bob.lookup('X99', WORKFLOW), { results: [] });
    });
  });
});
