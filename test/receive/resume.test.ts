/** Interrupted downloads resume at the first missing chunk: at the next poll, after a restart, and after a kill. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mailbox } from '../../lib/index';
import type { Sandbox } from '../../lib/sandbox/index';
import { eraseMessage } from '../../lib/store/tools/erase';
import { sqliteSide } from '../../lib/store/tools/side';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { consumer, pollAndWait } from '../harness/consumer';
import { mailboxAt, sandbox } from '../harness/mailboxes';
import { until } from '../harness/until';
import { LOAD_TYPESCRIPT } from '../harness/typescript';
import type { ChildOptions } from './durable-child';
import { inboxOf, noise, rowsOf, sha256, spoolFiles, storageIn, type StorageFolder } from './durable-support';

const CHUNK = 100_000;

/** Returns the files in and below a folder that have these bytes. */
async function filesWith(bytes: Buffer, folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  return paths.filter((_path, index) => contents[index]?.includes(bytes));
}

describe('a download interrupted in chunk 4', () => {
  let server: Sandbox;
  let alice: Mailbox;
  let storage: StorageFolder;
  let payload: Buffer;
  let messageId: string;
  beforeEach(async () => {
    server = await sandbox({ protocol: 'https' });
    alice = mailboxAt(server, { maxRequestBytes: CHUNK, chunkBytes: CHUNK, compression: 'never' });
    storage = await storageIn(await emptyFolder());
    payload = noise(5 * CHUNK + 1);
    ({ messageId } = await alice.send({ to: 'X26ABC2', workflowId: 'WF', payload }));
    // Chunks 2 and 3 arrive.
    server.fault({
      operation: 'retrieve_chunk',
      after: 2,
      times: Infinity,
      effect: { kind: 'truncate', bytes: 50_000 },
    });
  });

  /** The chunks requested since the last call, in order. */
  let seen = 0;
  beforeEach(() => (seen = 0));
  const requested = (): number[] => {
    const paths = server
      .requests()
      .filter(({ operation }) => operation.startsWith('retrieve_'))
      .map(({ path }) => Number(path.split('/inbox/')[1]?.split('/')[1] ?? 1));
    return paths.slice(seen, (seen = paths.length));
  };
  const collect = async (): Promise<void> => {
    const one = consumer();
    const inbox = inboxOf(server, storage);
    inbox.add(one);
    await pollAndWait(inbox, one);
    await inbox.close();
  };
  const isWhole = async (): Promise<void> => {
    const [row] = await rowsOf(server, storage);
    assert.equal(row?.sha256, sha256(payload));
    const [name, ...more] = await spoolFiles(storage);
    assert.match(name ?? '', /^in-/);
    assert.deepEqual(more, [], 'nothing of the partial download is left');
    assert.equal(sha256(await readFile(join(storage.folder, 'spool', name ?? ''))), sha256(payload));
    assert.equal(server.messages()[0]?.status, 'acknowledged');
  };
  const spooled = async (ending: RegExp): Promise<string> =>
    join(storage.folder, 'spool', (await spoolFiles(storage)).find((name) => ending.test(name)) ?? '');
  const DATA = /^part-[0-9a-f]{32}-[0-9a-f-]{36}$/;
  const NOTE = /\.json$/;

  it('resumes with chunk 4 at the next poll', async () => {
    await collect();
    assert.deepEqual(requested(), [1, 2, 3, 4]);
    assert.deepEqual(await rowsOf(server, storage), []);
    server.clearFaults();
    await collect();
    assert.deepEqual(requested(), [4, 5, 6]);
    await isWhole();
  });

  it('resumes with chunk 4 after a restart, and again after another interruption', async () => {
    await collect();
    await storage.reopen();
    await collect();
    assert.deepEqual(requested(), [1, 2, 3, 4, 4]);
    await storage.reopen();
    server.clearFaults();
    await collect();
    assert.deepEqual(requested(), [4, 5, 6]);
    await isWhole();
  });

  it('restarts if a byte on the disk has changed or is missing', async () => {
    await collect();
    const file = await spooled(DATA);
    const bytes = await readFile(file);
    bytes[CHUNK] = (bytes[CHUNK] ?? 0) ^ 1;
    await writeFile(file, bytes);
    await collect();
    assert.deepEqual(requested().slice(4, 5), [1], 'changed');
    server.clearFaults();
    server.fault({ operation: 'retrieve_chunk', after: 2, effect: { kind: 'drop', when: 'before' } });
    await collect();
    requested();
    await writeFile(await spooled(DATA), bytes.subarray(0, CHUNK));
    await collect();
    assert.equal(requested()[0], 1, 'missing');
    await isWhole();
  });

  it('restarts if the message has changed', async () => {
    await collect();
    const note = await spooled(NOTE);
    const noted = JSON.parse(await readFile(note, 'utf8')) as { message: { totalChunks: number } };
    noted.message.totalChunks = 7;
    await writeFile(note, JSON.stringify(noted));
    await storage.reopen();
    requested();
    server.clearFaults();
    await collect();
    assert.deepEqual(requested(), [4, 1, 2, 3, 4, 5, 6]);
    await isWhole();
  });

  it('leaves no byte behind when its message is erased, although nothing but its name says whose it was', async () => {
    await collect();
    // Without its note it is an orphan, and goes into quarantine; then the message arrives as a whole.
    await rm(await spooled(NOTE));
    await storage.reopen();
    server.clearFaults();
    await collect();
    await isWhole();
    await storage.store.close();
    const start = payload.subarray(0, 1000);
    assert.equal((await filesWith(start, storage.folder)).length, 2);
    const side = await sqliteSide(storage.folder);
    const spool = join(storage.folder, 'spool');
    await eraseMessage(side, { reference: messageId, by: 'IG-2026-17', force: true, now: Date.now(), spool });
    await side.close();
    assert.deepEqual(await filesWith(start, storage.folder), []);
  });

  it('leaves nothing behind when the message has left the inbox', async () => {
    await collect();
    assert.equal((await spoolFiles(storage)).length, 2);
    await mailboxAt(server, { mailboxId: 'X26ABC2' }).acknowledge(messageId);
    await storage.reopen();
    await collect();
    assert.deepEqual(await spoolFiles(storage), []);
  });

  it('leaves nothing behind after five days, when MESH no longer has the message', async () => {
    await collect();
    const old = Date.now() / 1000 - 5 * 24 * 3600 - 60;
    await utimes(await spooled(NOTE), old, old);
    await storage.reopen();
    assert.deepEqual(await spoolFiles(storage), []);
  });

  it('resumes with chunk 4 after its process was killed', async function () {
    this.timeout(60_000);
    server.clearFaults();
    server.fault({ operation: 'retrieve_chunk', after: 2, times: 1, effect: { kind: 'delay', ms: 600_000 } });
    await storage.store.close();
    const caFile = join(await emptyFolder(), 'ca.pem');
    await writeFile(caFile, server.ca ?? '');
    const options: ChildOptions = {
      url: server.url,
      caFile,
      folder: storage.folder,
      meshAcknowledge: 'when-spooled',
    };
    const receiver = (): ReturnType<typeof spawn> => {
      const child = spawn(
        process.execPath,
        [...LOAD_TYPESCRIPT, join(__dirname, 'durable-child.ts'), JSON.stringify(options)],
        { stdio: ['ignore', 'ignore', 'inherit'] },
      );
      afterThisTest(() => child.kill('SIGKILL'));
      return child;
    };
    const first = receiver();
    let chunks = 0;
    while (chunks < 3) {
      const text = await spooled(NOTE).then((path) => readFile(path, 'utf8').catch(() => '{}'));
      chunks = (JSON.parse(text) as { chunks?: number }).chunks ?? 0;
    }
    first.kill('SIGKILL');
    await once(first, 'close');
    requested();
    const second = receiver();
    await until('the acknowledgement', () => server.messages()[0]?.status === 'acknowledged', 30_000);
    second.kill('SIGKILL');
    await once(second, 'close');
    assert.deepEqual(
      requested().filter((chunk) => chunk < 4),
      [],
    );
    await storage.reopen();
    await isWhole();
  });
});
