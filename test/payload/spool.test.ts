import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PayloadError, StorageError } from '../../lib/index';
import { Spool } from '../../lib/payload/spool';
import { fullErrorText, failure } from '../harness/failure';
import { afterThisTest, emptyFolder } from '../harness/cleanup';

const A = `out-${'a'.repeat(32)}`;
const B = `in-${'b'.repeat(32)}-019a0000-0000-7000-9000-00000000000b`;

/** A folder that has the name of a payload. */
const FOLDER = `out-${'f'.repeat(32)}`;

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function spoolIn(): Promise<{ spool: Spool; folder: string }> {
  const folder = join(await emptyFolder(), 'spool');
  return { spool: await Spool.open(folder), folder };
}

describe('the spool', () => {
  it('creates its folder and its files for its owner only', async () => {
    const { spool, folder } = await spoolIn();
    assert.equal(await spool.write('a', pieces('12', '345')), 5);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(spool.path('a'))).mode & 0o777, 0o600);
    assert.equal(await readFile(spool.path('a'), 'utf8'), '12345');
  });

  it('leaves nothing behind when a payload breaks off', async () => {
    const { spool, folder } = await spoolIn();
    const breaking = (async function* () {
      yield Buffer.from('half');
      throw new Error('broken off');
    })();
    await assert.rejects(spool.write('a', breaking), /broken off/);
    assert.deepEqual(await readdir(folder), []);
  });

  it('moves orphans of its own into quarantine, and touches nothing that has another name', async () => {
    const { spool, folder } = await spoolIn();
    const foreign = ['settings.js', `${A}.txt`, `${B}.bak`, A.toUpperCase(), `x${A}`, 'part-1', '.env'];
    for (const name of [A, B, `${A}.1.gz`, `${B}.copying`, ...foreign]) await writeFile(join(folder, name), name);
    await mkdir(join(folder, FOLDER));
    assert.equal(await spool.quarantineOrphans(new Set([A, 'gone'])), 3);
    await spool.remove(['gone', ...foreign, `../${A}`]);
    assert.deepEqual((await readdir(folder)).sort(), [A, ...foreign, FOLDER, 'quarantine'].sort());
    for (const name of foreign) assert.equal(await readFile(join(folder, name), 'utf8'), name);
  });

  it('names the files of a message by a hash that nobody without the store’s key can compute', async () => {
    const folder = await emptyFolder();
    const open = (name: string, key: string) => Spool.open(join(folder, name), { owner: { store: name, key } });
    const [one, two] = [await open('one', 'k1'), await open('two', 'k2')];
    const id = '20261130120000000000_AAAAAA';
    assert.match(one.tag('mailbox', id), /^[0-9a-f]{32}$/);
    assert.equal(one.tag('mailbox', id), one.tag('mailbox', id.toLowerCase()), 'MESH’s ids are told apart by no case');
    const different = [one.tag('another', id), one.tag('mailbox', `${id}B`), two.tag('mailbox', id)];
    assert.equal(new Set([one.tag('mailbox', id), ...different]).size, 4);
  });

  it('finds a payload that was taken for an orphan, and puts it back', async () => {
    const { spool, folder } = await spoolIn();
    await spool.write(A, pieces('payload'));
    await spool.quarantineOrphans(new Set());
    const source = await spool.source(A, 7);
    const read: Buffer[] = [];
    for await (const piece of source.open(0, 7)) read.push(Buffer.from(piece));
    assert.equal(Buffer.concat(read).toString(), 'payload');
    assert.ok((await readdir(folder)).includes(A));
    await failure(PayloadError, spool.source(B, 7));
    await failure(PayloadError, spool.source('../outside', 7));
  });

  it('in a shared folder takes only files that are old by the clock of the file system, not by this machine’s', async () => {
    const { spool, folder } = await spoolIn();
    for (const name of [A, B]) await spool.write(name, pieces('x'));
    const dayAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await utimes(join(folder, A), dayAgo, dayAgo);
    const { now } = Date;
    afterThisTest(() => (Date.now = now));
    Date.now = () => now() + 450 * 24 * 60 * 60 * 1000;
    assert.equal(await spool.quarantineOrphans(new Set(), 24 * 60 * 60 * 1000), 1);
    assert.deepEqual((await readdir(folder)).sort(), [B, 'quarantine']);
  });

  it('a folder that cannot be created is a StorageError without its path', async () => {
    const { spool, folder } = await spoolIn();
    await writeFile(join(folder, 'MARKED'), 'x');
    const error = await failure(StorageError, Spool.open(join(folder, 'MARKED', 'below')));
    assert.doesNotMatch(fullErrorText(error), /MARKED/);
    assert.ok((await spool.freeBytes()) > 0);
  });

  it('never overwrites', async () => {
    const { spool } = await spoolIn();
    await spool.write('a', pieces('first'));
    await failure(StorageError, spool.write('a', pieces('second')));
    assert.equal(await readFile(spool.path('a'), 'utf8').catch(() => 'gone'), 'first');
  });
});
