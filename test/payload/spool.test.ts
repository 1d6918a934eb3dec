import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../../lib/index';
import { Spool } from '../../lib/payload/spool';
import { fullErrorText, failure } from '../harness/failure';
import { emptyFolder } from '../harness/cleanup';

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

  it('deletes orphans and nothing else; a name that does not exist is ignored', async () => {
    const { spool, folder } = await spoolIn();
    for (const name of ['known', 'orphan']) await writeFile(join(folder, name), 'x');
    assert.equal(await spool.removeOrphans(new Set(['known', 'gone'])), 1);
    await spool.remove(['gone']);
    assert.deepEqual(await readdir(folder), ['known']);
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
