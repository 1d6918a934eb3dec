import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { BodyStore } from '../../lib/sandbox/bodies';
import { acknowledge, call, download, inbox, postChunk, sandboxFor, send } from './support';

const LARGE = Buffer.alloc(64 * 1024 + 1, 'x');

async function bytes(source: Readable): Promise<Buffer> {
  return Buffer.concat((await source.toArray()) as Buffer[]);
}

describe('sandbox: stored bodies', () => {
  let spoolDir: string;
  beforeEach(async () => {
    spoolDir = await mkdtemp(join(tmpdir(), 'mesh-sandbox-test-'));
  });
  afterEach(() => rm(spoolDir, { recursive: true, force: true }));

  /** Returns the files in the spool's folders. */
  async function files(): Promise<string[]> {
    const entries = await readdir(spoolDir, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  it('keeps up to 64 KiB in memory and more in a file that only its owner can read', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    await send(sandbox, { body: LARGE.subarray(1) });
    assert.deepEqual(await readdir(spoolDir), []);
    const id = await send(sandbox, { body: LARGE });
    const [file = ''] = await files();
    const { mode, size } = await stat(file);
    assert.deepEqual([mode & 0o777, size], [0o600, LARGE.length]);
    assert.ok(!file.includes(id), 'the file is not named after the message');
    assert.ok((await download(sandbox, id, { version: 1 })).body.equals(LARGE));
  });

  it('deletes the bytes of an acknowledged message at once', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    const id = await send(sandbox, { body: LARGE, headers: { 'Mex-Chunk-Range': '1:2' } });
    await postChunk(sandbox, id, 2, 2, { body: LARGE });
    assert.equal((await files()).length, 2);
    await acknowledge(sandbox, id);
    await until(async () => (await files()).length === 0);
    assert.equal(sandbox.messages()[0]?.bytes, 2 * LARGE.length);
  });

  it('deletes a chunk that was replaced', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    const id = await send(sandbox, { body: LARGE, headers: { 'Mex-Chunk-Range': '1:2' } });
    await postChunk(sandbox, id, 1, 2, { body: LARGE });
    assert.equal((await files()).length, 1);
  });

  it('removes its folder on reset and on close', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    await send(sandbox, { body: LARGE });
    await sandbox.reset();
    assert.deepEqual(await readdir(spoolDir), []);
    await send(sandbox, { body: LARGE });
    assert.equal((await readdir(spoolDir)).length, 1);
    await sandbox.close();
    assert.deepEqual(await readdir(spoolDir), []);
  });

  it('continues a download whose message is acknowledged meanwhile', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    const body = Buffer.alloc(8_000_000, 'abc');
    const id = await send(sandbox, { body });
    const downloading = download(sandbox, id, { version: 1 });
    await until(async () => sandbox.requests().length >= 1);
    const [response] = await Promise.all([downloading, acknowledge(sandbox, id)]);
    assert.ok([200, 410].includes(response.status));
    if (response.status === 200) assert.ok(response.body.equals(body));
  });

  it('keeps nothing of a body that breaks off', async () => {
    const store = new BodyStore(spoolDir);
    const broken = Readable.from(
      (function* slices(): Generator<Buffer> {
        yield LARGE;
        throw new Error('broken off');
      })(),
    );
    await assert.rejects(store.write(broken, 1e9), /broken off/);
    assert.deepEqual(await files(), []);
    await store.close();
  });

  it('keeps small bodies in files once memory holds 64 MiB of them', async () => {
    const store = new BodyStore(spoolDir);
    const small = Buffer.alloc(64 * 1024);
    const bodies = [];
    for (let index = 0; index < 1025; index += 1) bodies.push(await store.write(Readable.from([small]), 1e9));
    assert.equal((await files()).length, 1);
    await bodies[0]?.delete();
    await bodies[0]?.delete();
    await store.write(Readable.from([small]), 1e9);
    assert.equal((await files()).length, 1, 'what was deleted makes room, once');
    await store.close();
  });

  it('opens a body any number of times, until it is deleted', async () => {
    const store = new BodyStore(spoolDir);
    for (const content of [LARGE, Buffer.from('small')]) {
      const body = await store.write(Readable.from([content]), 1e9);
      for (let time = 0; time < 2; time += 1) assert.ok((await bytes(await body.open())).equals(content));
      await body.delete();
      await assert.rejects(body.open());
    }
    await store.close();
  });

  it('reads no faster than it writes, so that a large body is never in memory', async () => {
    const slice = Buffer.alloc(1024 * 1024, 'x');
    let read = 0;
    let ahead = 0;
    const source = new Readable({
      read() {
        const [folder] = readdirSync(spoolDir);
        const [file] = folder === undefined ? [] : readdirSync(join(spoolDir, folder));
        const written = folder && file ? statSync(join(spoolDir, folder, file)).size : 0;
        ahead = Math.max(ahead, read * slice.length - written);
        this.push(read++ < 50 ? slice : null);
      },
    });
    const store = new BodyStore(spoolDir);
    assert.equal((await store.write(source, 1e9)).size, 50 * slice.length);
    assert.ok(ahead <= 4 * slice.length, `${ahead} bytes`);
    await store.close();
  });

  it('leaves the event loop free while a large message is uploaded and downloaded', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    const body = Buffer.alloc(20_000_000, 'some text ');
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const id = await send(sandbox, { body });
    assert.equal((await download(sandbox, id, { headers: { 'Accept-Encoding': 'gzip' } })).status, 200);
    clearInterval(timer);
    assert.ok(longest < 200, `${longest} ms`);
  });

  it('drops an upload that is in progress during a reset', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    const sending = Promise.all(Array.from({ length: 5 }, () => send(sandbox, { body: Buffer.alloc(2_000_000) })));
    await sandbox.reset();
    const ids = await sending;
    for (const id of await inbox(sandbox)) {
      assert.ok(ids.includes(id));
      assert.equal((await download(sandbox, id, { version: 1 })).body.length, 2_000_000);
    }
  });

  it('does not start if the spool folder is not a folder', async () => {
    await assert.rejects(sandboxFor({ spoolDir: join(spoolDir, 'none') }), { code: 'MESH_CONFIGURATION' });
  });

  it('returns 500 and keeps running if it cannot write a body', async () => {
    const sandbox = await sandboxFor({ spoolDir });
    await rm(spoolDir, { recursive: true });
    await assert.rejects(send(sandbox, { body: LARGE }), /500 .*ENOENT/);
    await mkdir(spoolDir);
    await send(sandbox, { body: LARGE });
  });

  it('writes no file for a request that it refuses', async () => {
    const sandbox = await sandboxFor({ spoolDir, maxRequestBytes: 600_000 });
    const headers = { 'Mex-To': 'NOBODY', 'Mex-WorkflowID': 'W' };
    const options = { method: 'POST', as: 'X26ABC1', body: Buffer.alloc(500_000), headers };
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/outbox', options)).status, 417);
    assert.equal((await call(sandbox, '/messageexchange/X26ABC1/outbox', { ...options, as: 'X26ABC2' })).status, 403);
    await assert.rejects(send(sandbox, { body: Buffer.alloc(600_001) }), /413/);
    assert.deepEqual(await readdir(spoolDir), []);
  });
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let time = 0; time < 200; time += 1) {
    if (await isSo()) return;
    await once(AbortSignal.timeout(5), 'abort');
  }
  throw new Error('It did not become so within a second.');
}
