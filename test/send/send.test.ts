import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { InvalidMessageError, PayloadError, type OutgoingMessage, type Progress } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt, operations, sandbox } from '../harness/mailboxes';

const accepting = (): { status: number; body: Buffer } => ({ status: 202, body: Buffer.from('{"message_id":"MID"}') });

describe('sending', () => {
  it('a payload that fits goes in one request without a chunk range, compressed', async () => {
    const server = await hostileMesh(accepting);
    const payload = 'compress me '.repeat(2000);
    const sent = await mailboxAt(server).send({ to: 'A', workflowId: 'W', payload, localId: 'L' });
    assert.equal(sent.messageId, 'MID');
    const [request, ...more] = server.seen;
    assert.deepEqual(more, []);
    assert.equal(request?.method, 'POST');
    assert.equal(request.path, '/messageexchange/X26ABC1/outbox');
    assert.equal(request.headers['mex-chunk-range'], undefined);
    assert.equal(request.headers['content-encoding'], 'gzip');
    assert.equal(request.headers['content-length'], String(request.body.length));
    assert.equal(request.headers['transfer-encoding'], undefined);
    assert.equal(request.headers['mex-from'], 'X26ABC1');
    assert.equal(gunzipSync(request.body).toString(), payload);
  });

  it('without compression the bytes are sent as they are', async () => {
    const server = await hostileMesh(accepting);
    const mailbox = mailboxAt(server, { compression: 'never' });
    await mailbox.send({ to: 'A', workflowId: 'W', payload: 'plain' });
    await mailbox.send({ to: 'A', workflowId: 'W', payload: 'gzip', compression: 'always' });
    assert.equal(server.seen[0]?.body.toString(), 'plain');
    assert.equal(server.seen[0]?.headers['content-encoding'], undefined);
    assert.equal(server.seen[1]?.headers['content-encoding'], 'gzip', 'the message’s own setting takes precedence');
  });

  for (const compression of ['always', 'never'] as const) {
    it(`a larger payload goes in chunks, each encoded by itself (compression "${compression}")`, async () => {
      const server = await hostileMesh(accepting);
      const payload = randomBytes(25);
      const progress: Progress[] = [];
      const sent = await mailboxAt(server, { maxRequestBytes: 10, chunkBytes: 10, compression }).send(
        { to: 'A', workflowId: 'W', payload, subject: 'S' },
        { onProgress: (each) => progress.push(each) },
      );
      assert.equal(sent.chunks, 3);
      assert.equal(sent.bytes, 25);
      assert.deepEqual(
        server.seen.map((request) => request.path.replace('/messageexchange/X26ABC1/', '')),
        ['outbox', 'outbox/MID/2', 'outbox/MID/3'],
      );
      assert.deepEqual(
        server.seen.map((request) => request.headers['mex-chunk-range']),
        ['1:3', '2:3', '3:3'],
      );
      const encoding = compression === 'always' ? 'gzip' : undefined;
      assert.ok(server.seen.every((request) => request.headers['content-encoding'] === encoding));
      const parts = server.seen.map(({ body }) => (compression === 'always' ? gunzipSync(body) : body));
      assert.deepEqual(
        parts.map((part) => part.length),
        [10, 10, 5],
      );
      assert.ok(Buffer.concat(parts).equals(payload));
      assert.deepEqual(progress, [
        { chunk: 1, totalChunks: 3, bytes: 10, totalBytes: 25 },
        { chunk: 2, totalChunks: 3, bytes: 20, totalBytes: 25 },
        { chunk: 3, totalChunks: 3, bytes: 25, totalBytes: 25 },
      ]);
    });
  }

  it('the file name is the file’s own, unless another is set', async () => {
    const server = await hostileMesh(accepting);
    const file = join(await emptyFolder(), 'letter.pdf');
    await writeFile(file, 'x');
    const mailbox = mailboxAt(server);
    await mailbox.send({ to: 'A', workflowId: 'W', payload: { file } });
    await mailbox.send({ to: 'A', workflowId: 'W', payload: { file }, fileName: 'other.pdf' });
    assert.deepEqual(
      server.seen.map((request) => request.headers['mex-filename']),
      ['letter.pdf', 'other.pdf'],
    );
  });

  it('the content type follows the kind of payload, unless another is set', async () => {
    const server = await hostileMesh(accepting);
    const mailbox = mailboxAt(server);
    await mailbox.send({ to: 'A', workflowId: 'W', payload: { json: {} } });
    await mailbox.send({ to: 'A', workflowId: 'W', payload: '<x/>', contentType: 'application/fhir+xml' });
    assert.deepEqual(
      server.seen.map((request) => [request.headers['content-type'], request.headers['mex-content-type']]),
      [
        ['application/json', 'application/json'],
        ['application/fhir+xml', 'application/fhir+xml'],
      ],
    );
  });

  const bad: Record<string, Partial<OutgoingMessage>> = {
    'no recipient': { to: '' },
    'no workflow': { workflowId: '' },
    'an empty payload': { payload: '' },
    'a subject with a line break': { subject: 'a\nb' },
  };
  for (const [what, wrong] of Object.entries(bad)) {
    it(`${what} is an error before anything is sent`, async () => {
      const server = await sandbox();
      const message = { to: 'X26ABC2', workflowId: 'W', payload: 'x', ...wrong };
      await failure(InvalidMessageError, mailboxAt(server).send(message));
      assert.equal(operations(server).length, 0);
    });
  }

  it('a file that is missing is an error before anything is sent', async () => {
    const server = await sandbox();
    const payload = { file: join(await emptyFolder(), 'gone') };
    await failure(PayloadError, mailboxAt(server).send({ to: 'X26ABC2', workflowId: 'W', payload }));
    assert.equal(operations(server).length, 0);
  });

  for (const compression of ['always', 'never'] as const) {
    it(`a file that changes between two chunks never arrives (compression "${compression}")`, async () => {
      const server = await sandbox();
      const file = join(await emptyFolder(), 'growing');
      // Two chunks are read ahead: the change has to come before the fourth.
      await writeFile(file, 'x'.repeat(60));
      const mailbox = mailboxAt(server, { maxRequestBytes: 10, chunkBytes: 10, compression });
      const sending = mailbox.send(
        { to: 'X26ABC2', workflowId: 'W', payload: { file } },
        { onProgress: ({ chunk }) => (chunk === 1 ? appendFileSync(file, 'more') : undefined) },
      );
      const error = await failure(PayloadError, sending);
      assert.match(error.message, /was changed/);
      assert.ok(server.messages().every((message) => message.status === 'uploading'));
      assert.deepEqual((await mailboxAt(server, { mailboxId: 'X26ABC2' }).listInbox()).messageIds, []);
      await mailbox.handshake();
    });
  }
});
