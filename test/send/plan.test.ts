import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { MeshClient } from '../../lib/client/client';
import { createTransport } from '../../lib/client/transport';
import { readMailboxOptions } from '../../lib/config';
import { NotSentError, TooLargeError } from '../../lib/index';
import { Scratch } from '../../lib/payload/scratch';
import { openPayload, type PayloadSource } from '../../lib/payload/source';
import { Spool } from '../../lib/payload/spool';
import { decidePlan, type SendingRules } from '../../lib/send/plan';
import { transferChunks } from '../../lib/send/transfer';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { hostileMesh } from '../harness/hostile-mesh';
import { mailboxAt } from '../harness/mailboxes';
import { letter, outboxAt, storageIn, tlsSandbox } from '../harness/outboxes';
import { eventually } from '../harness/until';

const ID = '019a0000-0000-7000-9000-00000000000a';
const KIB = 1024;
const RULES: SendingRules = {
  compression: 'auto',
  compressionLevel: 3,
  maxRequestBytes: 100_000,
  chunkBytes: 40_000,
  chunks: 'allowed',
  checksum: 'none',
};
/** Compresses to about half its size, however long it is. */
const hexadecimal = (bytes: number): Buffer => Buffer.from(randomBytes(bytes / 2).toString('hex'));
const accepting = (): { status: number; body: Buffer } => ({ status: 202, body: Buffer.from('{"message_id":"MID"}') });

async function decided(payload: Buffer, rules: Partial<SendingRules> = {}) {
  const folder = await emptyFolder();
  const scratch = new Scratch(await Spool.open(folder), 'mailbox');
  const plan = await decidePlan(await openPayload(payload), { ...RULES, ...rules }, scratch, ID);
  return {
    ...plan,
    files: readdirSync(folder).map((name) => name.replace(/[0-9a-f]{32}/, '#')),
    body: scratch.find(ID, 1),
  };
}

describe('one request or chunks', () => {
  for (const [what, payload, rules, expected] of [
    [
      'a payload that fits uncompressed',
      randomBytes(100_000),
      {},
      { totalChunks: 1, encoding: 'identity', chunkBytes: 100_000 },
    ],
    ['one byte more that does not shrink', randomBytes(100_001), {}, { totalChunks: 3, encoding: 'identity' }],
    [
      'a payload that fits only compressed',
      hexadecimal(150_000),
      {},
      { totalChunks: 1, encoding: 'gzip', chunkBytes: 150_000 },
    ],
    ['a payload that is too large even compressed', hexadecimal(190_000), {}, { totalChunks: 5, encoding: 'gzip' }],
    ['a payload that is far too large', hexadecimal(600_000), {}, { totalChunks: 15, encoding: 'gzip', level: 3 }],
    [
      'a payload that may not be compressed',
      hexadecimal(150_000),
      { compression: 'never' },
      { totalChunks: 4, level: 0 },
    ],
    [
      'a payload that is always compressed',
      randomBytes(9000),
      { compression: 'always' },
      { totalChunks: 1, encoding: 'gzip' },
    ],
    [
      'a payload that fits uncompressed and not with gzip',
      randomBytes(1_000_000),
      { compression: 'always', maxRequestBytes: 1_000_000 },
      { totalChunks: 1, encoding: 'identity' },
    ],
    [
      'chunks of the size of a request, less what gzip may add',
      randomBytes(2_000_000),
      { compression: 'always', maxRequestBytes: 1_000_000, chunkBytes: 1_000_000 },
      { totalChunks: 3, encoding: 'gzip', chunkBytes: 999_400 },
    ],
  ] as ReadonlyArray<[string, Buffer, Partial<SendingRules>, object]>) {
    it(`${what}: ${JSON.stringify(expected)}`, async () => {
      const { body, files, ...plan } = await decided(payload, rules);
      assert.deepEqual({ ...plan, ...expected }, plan);
      const wasCompressed = plan.totalChunks === 1 && plan.encoding === 'gzip' && payload.length > 100_000;
      assert.deepEqual(files, wasCompressed ? ['out-#.1.gz'] : [], 'a payload that did not fit leaves nothing behind');
      assert.equal(body !== undefined, wasCompressed);
    });
  }

  it('a payload that was compressed to find out whether it fits is sent as it is', async () => {
    const server = await hostileMesh(accepting);
    const payload = hexadecimal(150_000);
    const mailbox = mailboxAt(server, { maxRequestBytes: 100_000, chunkBytes: 40_000 });
    const sent = await mailbox.send({ to: 'A', workflowId: 'W', payload });
    assert.equal(sent.chunks, 1);
    assert.equal(server.seen.length, 1);
    assert.equal(server.seen[0]?.headers['content-encoding'], 'gzip');
    assert.equal(server.seen[0].headers['mex-chunk-range'], undefined);
    assert.ok(gunzipSync(server.seen[0].body).equals(payload));
  });

  it('with chunks `never`, a payload that fits compressed is sent; a larger one is refused at once', async () => {
    const server = await hostileMesh(accepting);
    const mailbox = mailboxAt(server, { maxRequestBytes: 100_000, chunks: 'never' });
    await mailbox.send({ to: 'A', workflowId: 'W', payload: hexadecimal(150_000) });
    const error = await failure(
      TooLargeError,
      mailbox.send({ to: 'A', workflowId: 'W', payload: randomBytes(100_001) }),
    );
    assert.match(error.message, /does not fit one request of 100000 bytes, even compressed/);
    assert.match(error.advice ?? '', /in parts/);
    assert.equal(server.seen.length, 1);
    await mailbox.send({ to: 'A', workflowId: 'W', payload: randomBytes(100_001), chunks: 'allowed' });
    assert.equal(server.seen.length, 3, 'the message’s own setting takes precedence');
  });

  it('in the outbox such a message is parked with advice, and the rest goes out', async () => {
    const server = await tlsSandbox();
    const mailbox = outboxAt(server, { storage: await storageIn(), maxRequestBytes: 100_000 });
    const parked = await mailbox.outbox.enqueue(letter(randomBytes(100_001), { chunks: 'never' }));
    const next = await mailbox.outbox.enqueue(letter('next'));
    mailbox.start();
    const error = await failure(NotSentError, mailbox.outbox.accepted(parked.message.id));
    assert.equal(error.code, 'MESH_TOO_LARGE');
    assert.match(error.advice ?? '', /ask the recipient/);
    await mailbox.outbox.accepted(next.message.id);
    assert.equal((await mailbox.outbox.get(parked.message.id))?.state, 'parked');
    assert.equal(server.messages().length, 1);
  });
});

describe('compression "auto"', () => {
  const zeros = (bytes: number): Buffer => Buffer.alloc(bytes);
  for (const [what, payload, encoding] of [
    ['less than 12 KiB', zeros(12 * KIB - 1), 'identity'],
    ['12 KiB that shrink', zeros(12 * KIB), 'gzip'],
    ['12 KiB that do not', randomBytes(12 * KIB), 'identity'],
    ['a head that shrinks, and a long tail that does not', [zeros(64 * KIB), randomBytes(2000 * KIB)], 'identity'],
    ['a head that does not shrink, and a long tail that does', [randomBytes(64 * KIB), zeros(2000 * KIB)], 'gzip'],
    ['halves', [zeros(1000 * KIB), randomBytes(1000 * KIB)], 'gzip'],
  ] as ReadonlyArray<[string, Buffer | Buffer[], string]>) {
    it(`${what}: ${encoding}`, async () => {
      const plan = await decided(Array.isArray(payload) ? Buffer.concat(payload) : payload, {
        maxRequestBytes: 100_000_000,
      });
      assert.equal(plan.encoding, encoding);
    });
  }
});

describe('a checksum', () => {
  const MD5 = 'b10a8db164e0754105b7a99be72e3fe5';
  const SHA256 = 'a591a6d40bf420404a011733cfb7b190d62c65bf0bcda32b57b277d9ad9f146e';

  for (const [what, mailboxes, own, expected] of [
    ['is none by default', undefined, undefined, undefined],
    ['is the MD5 of mesh-api.yaml’s own example', 'md5', undefined, MD5],
    ['is a SHA-256', undefined, 'sha256', SHA256],
    ['of a message takes precedence over the mailbox’s', 'sha256', 'md5', MD5],
    ['may be left out by a message', 'sha256', 'none', undefined],
    ['of the sender’s own is sent as it is', 'md5', 'SHA-1 abc', 'SHA-1 abc'],
  ] as const) {
    it(`${what}, with and without the outbox`, async () => {
      const server = await hostileMesh(accepting);
      const options = mailboxes ? { checksum: mailboxes } : {};
      const message = letter('Hello World', own ? { checksum: own } : {});
      await mailboxAt(server, options).send(message);
      const mailbox = outboxAt(server, { storage: await storageIn(), ...options });
      mailbox.start();
      await mailbox.outbox.accepted((await mailbox.outbox.enqueue(message)).message.id);
      assert.deepEqual(
        server.seen.map(({ headers }) => headers['mex-content-checksum']),
        [expected, expected],
      );
    });
  }

  it('of a chunked message covers all its bytes before compression, and goes with the first chunk', async () => {
    const server = await hostileMesh(accepting);
    const options = { maxRequestBytes: 5, chunkBytes: 5, compression: 'always', checksum: 'md5' } as const;
    await mailboxAt(server, options).send(letter('Hello World'));
    assert.deepEqual(
      server.seen.map(({ headers }) => headers['mex-content-checksum']),
      [MD5, undefined, undefined],
    );
  });
});

describe('a frozen plan', () => {
  it('survives a restart with every setting changed: the same cuts, encoding, level and checksum', async () => {
    const payload = hexadecimal(100_000);
    const cut = { maxRequestBytes: 20_000, chunkBytes: 20_000, checksum: 'md5' } as const;
    const whole = await hostileMesh(accepting);
    await mailboxAt(whole, { ...cut, compression: 'always', compressionLevel: 9 }).send(letter(payload));

    const server = await tlsSandbox();
    const folder = await emptyFolder();
    server.fault({ operation: 'send_chunk', after: 1, times: 1, effect: { kind: 'status', status: 503 } });
    const storage = await storageIn(folder);
    const before = outboxAt(server, { storage, ...cut, compression: 'always', compressionLevel: 9 });
    const { message } = await before.outbox.enqueue(letter(payload));
    before.start();
    await eventually('a failure', () => before.eventsOf(message.id).includes('retry'));
    const plan = { encoding: 'gzip', level: 9, chunkBytes: 20_000, totalChunks: 5 };
    const row = await storage.store.getOutgoing(message.id);
    assert.deepEqual({ ...row?.plan, ...plan }, row?.plan);
    assert.equal(row?.chunksSent, 2);
    await before.close();
    await storage.close();

    const after = outboxAt(server, {
      storage: await storageIn(folder),
      compression: 'never',
      compressionLevel: 1,
      maxRequestBytes: 70_000,
      chunkBytes: 1000,
      checksum: 'none',
    });
    after.start();
    assert.equal((await after.outbox.accepted(message.id)).totalChunks, 5);
    const bob = mailboxAt(server, { mailboxId: 'X26ABC2' });
    const [messageId = ''] = (await bob.listInbox()).messageIds;
    const received = await bob.receive(messageId);
    assert.ok(received.payload?.equals(payload));
    assert.equal(received.message.checksum, whole.seen[0]?.headers['mex-content-checksum']);
    assert.equal(whole.seen.length, 5);
  });
});

describe('chunks prepared ahead', () => {
  for (const [chunkBytes, ahead] of [
    [20_000_000, 2],
    [32_000_000, 1],
    [40_000_000, 0],
  ] as const) {
    it(`of ${chunkBytes / 1e6} MB: while one is on the wire, at most ${ahead} are compressed`, async () => {
      const begun: number[] = [];
      const aheadAtRequest: number[] = [];
      let sent = 0;
      const server = await hostileMesh(() => {
        sent += 1;
        aheadAtRequest.push(begun.length - sent);
        return accepting();
      });
      const size = chunkBytes * 5;
      // Zeros, created as they are read: the test is about when each chunk is opened.
      const source: PayloadSource = {
        size,
        contentType: 'text/plain',
        async *open(start, end) {
          begun.push(start);
          const piece = Buffer.alloc(1_000_000);
          for (let at = start; at < end; at += piece.length) yield piece;
        },
      };
      const config = readMailboxOptions({
        environment: server.url,
        mailboxId: 'X26ABC1',
        password: 'p',
        sharedKey: 'k',
        tls: server.ca === undefined ? {} : { ca: server.ca },
      });
      const transport = createTransport(config);
      afterThisTest(() => transport.close());
      const client = new MeshClient(config, transport);
      const plan = { encoding: 'gzip', level: 1, chunkBytes, totalChunks: 5 } as const;
      const scratch = new Scratch(await Spool.open(await emptyFolder()), 'mailbox');
      await transferChunks(client, { source, headers: {}, plan, scratch, id: ID }, undefined, () => undefined);
      assert.equal(sent, 5);
      assert.equal(begun.length, 5);
      assert.ok(
        aheadAtRequest.every((count) => count <= ahead),
        `ahead: ${aheadAtRequest.join()}`,
      );
    });
  }
});
