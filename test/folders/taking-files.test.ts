/** Files that go into the MESH Client’s folders from elsewhere. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StorageError } from '../../lib/index';
import { setFiles } from '../../lib/files';
import { InFolder } from '../../lib/folders/in-folder';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure } from '../harness/failure';
import { LETTER, RECEIVED } from './letters';

/** Records, by the file's name, what is synced and what is renamed, in order. */
function recordSyncs(): string[] {
  const done: string[] = [];
  setFiles({
    ...fs,
    ...promises,
    open: async (path, ...more) => {
      const handle = await promises.open(path, ...more);
      handle.sync = async () => {
        await handle.datasync();
        done.push(`sync ${basename(String(path))}`);
      };
      return handle;
    },
    rename: async (from, to) => {
      await promises.rename(from, to);
      done.push(`rename ${basename(String(to))}`);
    },
  });
  afterThisTest(() => setFiles());
  return done;
}

describe('a received file', () => {
  let root: string;
  let file: string;
  const id = RECEIVED.messageId;
  const write = (): Promise<unknown> => new InFolder(root).write({ message: RECEIVED, payload: { file } });
  beforeEach(async () => {
    root = await emptyFolder();
    file = join(await emptyFolder(), 'received.dat');
    await writeFile(file, LETTER);
  });

  it('is on the disk, with its name, before its .ctl is there', async () => {
    const done = recordSyncs();
    await write();
    const [bytes, name, control] = [
      done.indexOf('sync received.dat'),
      done.indexOf(`rename ${id}.dat`),
      done.indexOf(`rename ${id}.ctl`),
    ];
    assert.ok(bytes >= 0 && bytes < name && name < control, done.join(', '));
    assert.equal(done[name + 1], 'sync in');
  });

  it('from another file system is copied, synced and then named', async function () {
    // The tests' own folders may be on either of them.
    const { dev } = await lstat(root);
    const devs = await Promise.all(['/dev/shm', '/var/tmp'].map((place) => lstat(place).catch(() => undefined)));
    const place = ['/dev/shm', '/var/tmp'].find((_, index) => devs[index] !== undefined && devs[index].dev !== dev);
    if (place === undefined) this.skip();
    const other = await mkdtemp(join(place, 'mesh-test-'));
    afterThisTest(() => rm(other, { recursive: true, force: true }));
    file = join(other, 'received.dat');
    await writeFile(file, LETTER);
    const done = recordSyncs();
    await write();
    const [bytes, name, control] = [
      done.indexOf(`sync ${id}.dat.part`),
      done.indexOf(`rename ${id}.dat`),
      done.indexOf(`rename ${id}.ctl`),
    ];
    assert.ok(bytes >= 0 && bytes < name && name < control, done.join(', '));
    assert.equal(await readFile(join(root, 'in', `${id}.dat`), 'utf8'), LETTER);
  });

  it('that is a symbolic link is refused: what it points to stays where it is', async () => {
    const secret = join(await emptyFolder(), 'private.key');
    await writeFile(secret, 'secret');
    await rm(file);
    await symlink(secret, file);
    const error = await failure(StorageError, write());
    assert.match(error.advice ?? '', /symbolic link/);
    assert.deepEqual(await readdir(join(root, 'in')), []);
    assert.equal(await readFile(secret, 'utf8'), 'secret');
  });

  it('is never written through a symbolic link that somebody has put into temp', async () => {
    const other = join(await emptyFolder(), 'settings.js');
    await writeFile(other, 'settings');
    await mkdir(join(root, 'temp'), { recursive: true });
    await symlink(other, join(root, 'temp', `${id}.dat.part.part`));
    const writing = new InFolder(root).write({ message: RECEIVED, payload: Buffer.from(LETTER) });
    await writing.catch(() => undefined);
    assert.equal(await readFile(other, 'utf8'), 'settings');
  });
});
