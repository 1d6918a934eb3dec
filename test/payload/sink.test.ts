import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError, TooLargeError } from '../../lib/index';
import { fileSink } from '../../lib/payload/file-sink';
import { receivedMemory } from '../../lib/payload/piece-memory';
import { bufferSink, type PayloadSink } from '../../lib/payload/sink';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { fullErrorText, failure } from '../harness/failure';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const MARK = 'MARKpatient';

const sinks: Record<string, () => Promise<PayloadSink>> = {
  'in memory': async () => bufferSink(1000),
  'in a file': async () => fileSink(join(await emptyFolder(), 'file'), { replace: false }),
};

for (const [where, make] of Object.entries(sinks)) {
  describe(`a payload ${where}`, () => {
    it('has all bytes that were written, and their hash', async () => {
      const sink = await make();
      sink.beginChunk();
      for (const piece of ['one', '', 'two']) await sink.write(Buffer.from(piece));
      sink.beginChunk();
      await sink.write(Buffer.from('three'));
      const { payload, file, bytes, sha256: hash } = await sink.finish();
      const content = payload ?? (await readFile(file ?? ''));
      assert.equal(content.toString(), 'onetwothree');
      assert.equal(bytes, 11);
      assert.equal(hash, sha256('onetwothree'));
    });

    it('discards a chunk that is restarted, even twice, whether it was longer or shorter', async () => {
      const sink = await make();
      sink.beginChunk();
      await sink.write(Buffer.from('first'));
      sink.beginChunk();
      await sink.write(Buffer.from('a long broken one'));
      await sink.restartChunk();
      await sink.write(Buffer.from('bad'));
      await sink.restartChunk();
      await sink.write(Buffer.from('second'));
      const { payload, file, bytes, sha256: hash } = await sink.finish();
      const content = payload ?? (await readFile(file ?? ''));
      assert.equal(content.toString(), 'firstsecond');
      assert.equal(bytes, 11);
      assert.equal(hash, sha256('firstsecond'));
    });

    it('can be discarded repeatedly', async () => {
      const sink = await make();
      await sink.write(Buffer.from('x'));
      await sink.discard();
      await sink.discard();
    });
  });
}

describe('a payload in memory', () => {
  it('up to the limit is accepted, and one byte more is too large', async () => {
    const sink = bufferSink(10);
    sink.beginChunk();
    await sink.write(Buffer.alloc(10));
    const error = await failure(TooLargeError, sink.write(Buffer.alloc(1)));
    assert.match(error.message, /larger than 10 bytes/);
    assert.match(error.advice ?? '', /folder/);
    assert.equal(error.retry, 'never');
  });
});

describe('a payload in a file', () => {
  it('has the bytes that were written, although their memory is used again as soon as the file releases it', async () => {
    const file = join(await emptyFolder(), 'file');
    const sink = await fileSink(file, { replace: false });
    const written = createHash('sha256');
    const memory = new Set<ArrayBufferLike>();
    for (let n = 0; n < 128; n += 1) {
      const piece = receivedMemory.take().fill(n);
      memory.add(piece.buffer);
      written.update(piece);
      await sink.write(piece);
    }
    const { sha256: hash } = await sink.finish();
    assert.equal(hash, written.digest('hex'));
    assert.equal(
      createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
      hash,
    );
    assert.ok(memory.size < 64, `${memory.size} pieces of memory`);
  });

  it('is hidden until it is complete', async () => {
    const folder = await emptyFolder();
    const sink = await fileSink(join(folder, 'file'), { replace: false });
    await sink.write(Buffer.from('x'));
    const [temporary, ...more] = await readdir(folder);
    assert.match(temporary ?? '', /^\.file\.[0-9a-f]{12}\.part$/);
    assert.deepEqual(more, []);
    await sink.finish();
    await sink.discard();
    assert.deepEqual(await readdir(folder), ['file']);
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'x');
  });

  it('is for its owner only', async () => {
    const file = join(await emptyFolder(), 'file');
    const before = process.umask(0o000);
    try {
      const sink = await fileSink(file, { replace: false });
      await sink.finish();
    } finally {
      process.umask(before);
    }
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  it('that is discarded leaves nothing behind', async () => {
    const folder = await emptyFolder();
    const sink = await fileSink(join(folder, 'file'), { replace: false });
    await sink.write(Buffer.from('x'));
    await sink.discard();
    assert.deepEqual(await readdir(folder), []);
  });

  it('creates its folder', async () => {
    const file = join(await emptyFolder(), 'a', 'b', 'file');
    await (await fileSink(file, { replace: false })).finish();
    assert.equal((await stat(file)).size, 0);
  });

  it('refuses to replace an existing file, which stays as it is', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file'), 'old');
    const error = await failure(StorageError, fileSink(join(folder, 'file'), { replace: false }));
    assert.match(error.message, /EEXIST/);
    assert.match(error.advice ?? '', /exists already/);
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'old');
    assert.deepEqual(await readdir(folder), ['file']);
  });

  it('refuses to replace a file that appeared while it was written', async () => {
    const folder = await emptyFolder();
    const sink = await fileSink(join(folder, 'file'), { replace: false });
    await sink.write(Buffer.from('new'));
    await writeFile(join(folder, 'file'), 'old');
    await failure(StorageError, sink.finish());
    await sink.discard();
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'old');
    assert.deepEqual(await readdir(folder), ['file']);
  });

  it('replaces a file with `replace`', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'file'), 'old and longer');
    const sink = await fileSink(join(folder, 'file'), { replace: true });
    await sink.write(Buffer.from('new'));
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'old and longer');
    await sink.finish();
    assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'new');
  });

  it('whose name a folder has is an error, and nothing is left', async () => {
    const folder = await emptyFolder();
    await mkdir(join(folder, 'file'));
    const sink = await fileSink(join(folder, 'file'), { replace: true });
    await failure(StorageError, sink.finish());
    await sink.discard();
    assert.deepEqual(await readdir(folder), ['file']);
  });

  it('below a file is an error with advice, without the path', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, MARK), '');
    const error = await failure(StorageError, fileSink(join(folder, MARK, 'file'), { replace: false }));
    assert.match(error.message, /ENOTDIR|EEXIST/);
    assert.ok(error.advice);
    assert.ok(!fullErrorText(error).includes(MARK), 'the path is repeated');
  });

  it('whose name is too long is an error, without the name', async () => {
    const file = join(await emptyFolder(), MARK.repeat(60));
    const opening = fileSink(file, { replace: false }).then((sink) => sink.finish());
    const error = await failure(StorageError, opening);
    assert.match(error.message, /ENAMETOOLONG/);
    assert.ok(!fullErrorText(error).includes(MARK), 'the name is repeated');
  });

  it('with the longest name that a file system allows is written', async () => {
    for (const name of ['x'.repeat(255), 'é'.repeat(127), '漢'.repeat(85), '😀'.repeat(63)]) {
      const file = join(await emptyFolder(), name);
      await (await fileSink(file, { replace: false })).finish();
      assert.equal((await stat(file)).size, 0);
    }
  });

  it('in a folder that is read-only is an error with advice', async function () {
    const folder = await emptyFolder();
    // Root may write everywhere except to a read-only file system.
    if (process.getuid?.() !== 0) await chmod(folder, 0o500);
    else if (!mounted(folder, 'ro')) this.skip();
    const error = await failure(StorageError, fileSink(join(folder, 'file'), { replace: false }));
    assert.match(error.message, /EACCES|EROFS/);
    assert.ok(error.advice);
  });

  it('on a disk that is full is an error with advice, and nothing is left', async function () {
    const folder = await emptyFolder();
    // Only root may mount a small file system.
    if (process.getuid?.() !== 0 || !mounted(folder, 'size=64k')) this.skip();
    const sink = await fileSink(join(folder, 'file'), { replace: false });
    const writing = sink.write(Buffer.alloc(1_000_000)).then(() => sink.finish());
    const error = await failure(StorageError, writing);
    assert.match(error.message, /ENOSPC/);
    assert.match(error.advice ?? '', /free some space/);
    await sink.discard();
    assert.deepEqual(await readdir(folder), []);
  });
});

/** Mounts a tmpfs on the folder. Returns false if that is not allowed, as in many containers. */
function mounted(folder: string, options: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return false;
  }
  afterThisTest(() => execFileSync('umount', [folder], { stdio: 'ignore' }));
  return true;
}
