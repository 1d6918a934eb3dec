/** Messages from one mailbox to another through the sandbox. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DownloadError, StorageError, TooLargeError, type Progress } from '../../lib/index';
import { emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { operations, sandbox, twoMailboxesAt } from '../harness/mailboxes';

const CHUNK = 100_000;
const DAY = 24 * 60 * 60 * 1000;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

describe('receiving what was sent', () => {
  for (const compression of ['always', 'never'] as const) {
    for (const [size, chunks] of [
      [1, 1],
      [CHUNK - 1, 1],
      [CHUNK, 1],
      // Compressed, it fits into one request.
      [CHUNK + 1, compression === 'always' ? 1 : 2],
      [3 * CHUNK, 3],
      [3 * CHUNK + 1, 4],
    ] as const) {
      it(`${size} bytes in ${chunks}, ${compression} compressed, arrive unchanged in memory and a file`, async () => {
        const server = await sandbox();
        const { alice, bob } = twoMailboxesAt(server, { maxRequestBytes: CHUNK, chunkBytes: CHUNK, compression });
        // Half of it can be compressed.
        const payload = Buffer.alloc(size, randomBytes(50_000).toString('hex'));
        const sent = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload });
        assert.equal(sent.chunks, chunks);

        const progress: Progress[] = [];
        const received = await bob.receive(sent.messageId, { onProgress: (each) => progress.push(each) });
        assert.ok(received.payload?.equals(payload));
        assert.equal(received.bytes, size);
        assert.equal(received.sha256, sha256(payload));
        assert.equal(received.message.totalChunks, chunks);
        assert.deepEqual(
          progress,
          Array.from({ length: chunks }, (_, index) => ({
            chunk: index + 1,
            totalChunks: chunks,
            bytes: index + 1 === chunks ? size : CHUNK * (index + 1),
          })),
        );

        const folder = await emptyFolder();
        const saved = await bob.receive(sent.messageId, { folder });
        assert.equal(saved.payload, undefined);
        assert.equal(saved.sha256, sha256(payload));
        assert.ok((await readFile(saved.file ?? '')).equals(payload));
        assert.deepEqual((await readdir(folder)).length, 1);
      });
    }
  }

  it('ten megabytes in chunks arrive unchanged', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server, {
      maxRequestBytes: 3_000_000,
      chunkBytes: 3_000_000,
      compression: 'never',
    });
    const payload = randomBytes(10_000_000);
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload });
    assert.equal((await bob.receive(messageId)).sha256, sha256(payload));
  });

  it('a message above the memory limit fails at the first attempt, and fits into a folder', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server, {
      maxBufferBytes: 1000,
      maxRequestBytes: 600,
      chunkBytes: 600,
      compression: 'never',
    });
    const fits = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload: Buffer.alloc(1000) });
    const large = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload: Buffer.alloc(1001) });
    assert.equal((await bob.receive(fits.messageId)).bytes, 1000);
    const before = operations(server).length;
    const error = await failure(TooLargeError, bob.receive(large.messageId));
    assert.match(error.advice ?? '', /folder/);
    assert.equal(operations(server).length, before + 2, 'two chunks, none of them twice');
    assert.equal((await bob.receive(large.messageId, { folder: await emptyFolder() })).bytes, 1001);
  });

  it('a small gzip that expands to a lot is stopped at the limit', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server, { maxBufferBytes: 1_000_000 });
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload: Buffer.alloc(50_000_000) });
    await failure(TooLargeError, bob.receive(messageId));
    await bob.listInbox();
  });

  it('the file’s name is the message’s id and the sender’s name made safe', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server);
    const fileName = '../../../tmp/evil.sh';
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload: 'x', fileName });
    const folder = await emptyFolder();
    const { file, message } = await bob.receive(messageId, { folder });
    assert.equal(file, join(folder, `${messageId}_evil.sh`));
    assert.equal(message.fileName, fileName);
    // Receiving the message again replaces its file.
    await bob.receive(messageId, { folder });
    assert.deepEqual(await readdir(folder), [`${messageId}_evil.sh`]);
  });

  it('an existing file is not overwritten, and MESH is asked only once', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server);
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload: 'new' });
    const file = join(await emptyFolder(), 'mine');
    await writeFile(file, 'old');
    const error = await failure(StorageError, bob.receive(messageId, { file }));
    assert.match(error.message, /EEXIST.*still in the MESH inbox/);
    assert.equal(await readFile(file, 'utf8'), 'old');
    assert.equal(operations(server, 'retrieve_message').length, 1);
    assert.equal((await bob.receive(messageId, { file: `${file}2` })).file, `${file}2`);
  });

  it('an impossible folder is an error, and the next call works', async () => {
    const server = await sandbox();
    const { alice, bob } = twoMailboxesAt(server, {
      maxRequestBytes: 1_000_000,
      chunkBytes: 1_000_000,
      compression: 'never',
    });
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload: randomBytes(5_000_000) });
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file'), '');
    await failure(StorageError, bob.receive(messageId, { folder: join(folder, 'file', 'below') }));
    await mkdir(join(folder, 'good'));
    assert.equal((await bob.receive(messageId, { folder: join(folder, 'good') })).bytes, 5_000_000);
  });

  it('a message not collected for five days comes back as a REPORT without a payload', async () => {
    const server = await sandbox();
    const { alice } = twoMailboxesAt(server);
    const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload: 'x', localId: 'ours' });
    assert.deepEqual((await alice.listInbox()).messageIds, []);
    server.clock.advance(5 * DAY + 1000);
    // Tokens carry our time: the sandbox accepts them again once its own clock is back.
    server.clock.advance(-5 * DAY - 1000);
    const { messageIds } = await alice.listInbox();
    assert.equal(messageIds.length, 1);
    const reported = await alice.receive(messageIds[0] ?? '', { folder: await emptyFolder() });
    assert.equal(reported.payload, undefined);
    assert.equal(reported.file, undefined);
    assert.equal(reported.bytes, 0);
    assert.equal(reported.sha256, sha256(Buffer.alloc(0)));
    const { message } = reported;
    assert.equal(message.messageType, 'REPORT');
    assert.equal(message.linkedMessageId, messageId);
    assert.equal(message.workflowId, 'WF');
    assert.equal(message.localId, 'ours');
    assert.equal(message.statusCode, '14');
    assert.equal(message.statusSuccess, false);
    assert.match(message.advice ?? '', /^Ring the recipient/);
    await alice.acknowledge(message.messageId);
    assert.deepEqual((await alice.listInbox()).messageIds, []);
  });
});

describe('a download that breaks', () => {
  for (const effect of [
    { kind: 'truncate', bytes: 50 },
    { kind: 'corrupt' },
    { kind: 'drop', when: 'after' },
  ] as const) {
    for (const where of ['memory', 'a file'] as const) {
      it(`(${effect.kind}) once in chunk 2 resumes from that chunk, into ${where}`, async () => {
        const server = await sandbox();
        const { alice, bob } = twoMailboxesAt(server, {
          maxRequestBytes: 1000,
          chunkBytes: 1000,
          compression: 'never',
        });
        const payload = randomBytes(2500);
        const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload });
        server.fault({ operation: 'retrieve_chunk', effect });
        const received = await bob.receive(messageId, where === 'memory' ? {} : { folder: await emptyFolder() });
        assert.equal(received.sha256, sha256(payload));
        assert.equal(operations(server, 'retrieve_message').length, 1);
        // Chunk 3 may have been requested before the end of chunk 2 was expanded.
        assert.ok([3, 4].includes(operations(server, 'retrieve_chunk').length));
      });
    }

    it(`(${effect.kind}) every time is an error: nothing is written or acknowledged, and a retry works`, async () => {
      const server = await sandbox();
      const { alice, bob } = twoMailboxesAt(server, { maxRequestBytes: 1000, chunkBytes: 1000, compression: 'never' });
      const payload = randomBytes(2500);
      const { messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'W', payload });
      server.fault({ operation: 'retrieve_chunk', times: Infinity, effect });
      const folder = await emptyFolder();
      const error = await failure(Error, bob.receive(messageId, { folder }));
      if (effect.kind !== 'drop') assert.ok(error instanceof DownloadError, error.name);
      assert.deepEqual(await readdir(folder), []);
      assert.equal(server.messages()[0]?.status, 'accepted');
      server.clearFaults();
      assert.equal((await bob.receive(messageId, { folder })).sha256, sha256(payload));
    });
  }
});
