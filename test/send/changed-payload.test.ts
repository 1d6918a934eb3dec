/** Payloads that are changed between the call that enqueues them and the wire. */
import '../../lib/store/sqlite/quiet';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Client } from 'pg';
import { openStorage, PayloadError, type Storage } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { mailboxAt, operations } from '../harness/mailboxes';
import { letter, outboxAt, storageIn, tlsSandbox, type TestOutbox } from '../harness/outboxes';
import { dropSchema, newSchema, postgresUrl } from '../harness/postgres';
import { sentPayload } from '../harness/spool-files';
import { eventually } from '../harness/until';

const MIB = 1024 ** 2;
const UNCOMPRESSED = { compression: 'never' } as const;
const CHUNKS = { ...UNCOMPRESSED, maxRequestBytes: MIB, chunkBytes: MIB } as const;

/** Changes one byte of a file in place. Size and time stay as they were. */
async function changeByte(path: string, at: number): Promise<void> {
  const { atime, mtime } = await stat(path);
  const handle = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  await handle.write(Buffer.from([byte.readUInt8() ^ 0x10]), 0, 1, at);
  await handle.close();
  await utimes(path, atime, mtime);
}

async function isIn(mailbox: TestOutbox, id: string, state: string): Promise<void> {
  await eventually(`the message is ${state}`, async () => (await mailbox.outbox.get(id))?.state === state);
}

/** MESH delivers nothing of what was sent. */
async function assertNothingArrived(server: Sandbox & { ca: string }): Promise<void> {
  const { messageIds } = await mailboxAt(server, { mailboxId: 'X26ABC2' }).listInbox();
  assert.deepEqual(messageIds, []);
}

describe('a payload that was changed on the disk', () => {
  for (const [what, options, at, requests] of [
    ['its first byte, in one request', UNCOMPRESSED, 0, 0],
    ['its last byte, in one request', UNCOMPRESSED, 3 * MIB - 1, 0],
    ['a byte in the middle, compressed', { compression: 'always' }, 1.5 * MIB, 0],
    ['its last byte, in the last of three chunks', CHUNKS, 3 * MIB - 1, 2],
  ] as const) {
    it(`(${what}) is not sent: the message is parked with an error`, async () => {
      const server = await tlsSandbox();
      const storage = await storageIn();
      const mailbox = outboxAt(server, { storage, ...options });
      const payload = Buffer.from(randomBytes(1.5 * MIB).toString('hex'));
      const { message } = await mailbox.outbox.enqueue(letter(payload));
      await changeByte(sentPayload(mailbox, storage, message.id), at);
      mailbox.start();
      await isIn(mailbox, message.id, 'parked');
      const parked = await mailbox.outbox.get(message.id);
      assert.match(parked?.error?.message ?? '', /not as it was stored/);
      assert.equal(parked?.error?.code, 'MESH_PAYLOAD');
      await assertNothingArrived(server);
      assert.equal(server.requests().filter(({ status }) => status === 202).length, requests);
      await failure(PayloadError, mailbox.outbox.resend(message.id));
      // Put back from a backup, it is the message again.
      await changeByte(sentPayload(mailbox, storage, message.id), at);
      const again = await mailbox.outbox.resend(message.id);
      await mailbox.outbox.accepted(again.id);
    });
  }

  it('between two attempts: chunks that went in before are as they were, and nothing of the rest goes', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const first = await openStorage({ folder });
    const one = outboxAt(server, { storage: first, ...CHUNKS });
    server.fault({ operation: 'send_chunk', times: 1, effect: { kind: 'delay', ms: 3000 } });
    const { message } = await one.outbox.enqueue(letter(randomBytes(3 * MIB)));
    one.start();
    await eventually('chunk 1 is saved', async () => (await first.store.getOutgoing(message.id))?.chunksSent === 1);
    await one.close();
    await first.close();
    await changeByte(sentPayload(one, first, message.id), 2 * MIB + 5);
    const two = outboxAt(server, { storage: await storageIn(folder), ...CHUNKS });
    two.start();
    await eventually('it ended', async () =>
      ['parked', 'unknown'].includes((await two.outbox.get(message.id))?.state ?? ''),
    );
    await assertNothingArrived(server);
  });

  it('in the row is not sent either', async () => {
    const server = await tlsSandbox();
    const folder = await emptyFolder();
    const storage = await openStorage({ folder });
    const mailbox = outboxAt(server, { storage });
    const { message } = await mailbox.outbox.enqueue(letter('take 10 mg'));
    await mailbox.close();
    await storage.close();
    const database = new DatabaseSync(join(folder, 'mesh.db'));
    database.prepare('UPDATE outgoing_payload SET bytes = ?').run(Buffer.from('take 90 mg'));
    database.close();
    const again = outboxAt(server, { storage: await storageIn(folder) });
    again.start();
    await isIn(again, message.id, 'parked');
    await assertNothingArrived(server);
  });

  it('in PostgreSQL, small or large, is not sent', async () => {
    const [url, schema] = [await postgresUrl(), newSchema()];
    afterThisTest(() => dropSchema(schema));
    const storage = await openStorage({ folder: await emptyFolder(), url, schema, largePayloads: 'database' });
    afterThisTest(() => storage.close());
    const server = await tlsSandbox();
    const mailbox = outboxAt(server, { storage, ...UNCOMPRESSED });
    const small = await mailbox.outbox.enqueue(letter('take 10 mg'));
    const large = await mailbox.outbox.enqueue(letter(randomBytes(3 * MIB)));
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`UPDATE ${schema}.outgoing_payload SET bytes = $1`, [Buffer.from('take 90 mg')]);
    await client.query(
      `UPDATE ${schema}.payload_slice SET bytes = set_byte(bytes, 7, get_byte(bytes, 7) # 1) WHERE number = 1`,
    );
    await client.end();
    mailbox.start();
    for (const { message } of [small, large]) await isIn(mailbox, message.id, 'parked');
    await assertNothingArrived(server);
  }).timeout(60_000);
});

describe('a file that is sent by its path', () => {
  let server: Sandbox & { ca: string };
  let storage: Storage;
  let mailbox: TestOutbox;
  let file: string;
  beforeEach(async () => {
    server = await tlsSandbox();
    storage = await storageIn();
    mailbox = outboxAt(server, { storage, ...UNCOMPRESSED });
    file = join(await emptyFolder(), 'extract.csv');
    await writeFile(file, randomBytes(MIB));
    // A whole second: setting it back leaves no trace in it.
    await utimes(file, 1_790_000_000, 1_790_000_000);
  });

  it('and changed in place before it goes out, with its time set back, is parked', async () => {
    const { message } = await mailbox.outbox.enqueue({ ...letter(), payload: { file } });
    await changeByte(file, 5);
    mailbox.start();
    await isIn(mailbox, message.id, 'parked');
    await assertNothingArrived(server);
  });

  it('and is a symbolic link is refused: nothing of what it points to is sent', async () => {
    const link = join(await emptyFolder(), 'letter.dat');
    await symlink(file, link);
    const error = await failure(PayloadError, mailbox.outbox.enqueue({ ...letter(), payload: { file: link } }));
    assert.match(error.advice ?? '', /not followed/);
    await failure(PayloadError, mailbox.send({ ...letter(), payload: { file: link } }));
    assert.deepEqual(operations(server), []);
  });

  it('goes out as it is', async () => {
    const { message } = await mailbox.outbox.enqueue({ ...letter(), payload: { file } });
    mailbox.start();
    await mailbox.outbox.accepted(message.id);
    assert.equal(server.messages().length, 1);
    assert.equal((await readFile(file)).length, MIB);
  });
});
