import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rename, symlink, unlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { PayloadError } from '../../lib/index';
import { openRegularFile, isNotAFile, stampOf, isSameState } from '../../lib/payload/regular-file';
import { openPayload, type PayloadSource } from '../../lib/payload/source';
import { afterThisTest, emptyFolder } from '../harness/cleanup';
import { failure, fullErrorText } from '../harness/failure';

const MARK = 'MARK9434765919';

async function read(source: PayloadSource): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of source.open(0, source.size)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString();
}

describe('a path that is not a regular file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await emptyFolder();
    path = join(folder, MARK);
    await writeFile(join(folder, 'private.key'), 'secret');
  });

  const kinds: Record<string, () => unknown> = {
    'a symbolic link to a file': () => symlink(join(folder, 'private.key'), path),
    'a symbolic link to nothing': () => symlink(join(folder, 'gone'), path),
    'a symbolic link to itself': () => symlink(path, path),
    'a folder': () => mkdir(path),
    'a pipe that nobody writes to': () => execFileSync('sh', ['-c', 'mkfifo "$0"', path]),
    'a socket': async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(path, resolve));
      afterThisTest(() => server.close());
    },
    'a link to a device': () => symlink('/dev/zero', path),
  };
  for (const [what, make] of Object.entries(kinds)) {
    it(`is refused: ${what}`, async () => {
      await make();
      for (const attempt of [stampOf(path), openRegularFile(path)]) {
        await assert.rejects(attempt, (error) => isNotAFile(error) && !fullErrorText(error).includes(MARK));
      }
      const error = await failure(PayloadError, openPayload({ file: path }));
      assert.match(error.message, /is not a file/);
      assert.match(error.advice ?? '', /symbolic link is not followed/);
      assert.ok(!fullErrorText(error).includes(MARK));
    });
  }

  it('is refused: a device', async () => {
    await assert.rejects(openRegularFile('/dev/zero'), isNotAFile);
    await failure(PayloadError, openPayload({ file: '/dev/zero' }));
  });

  it('is refused also when it takes the file’s place after the first look', async () => {
    await writeFile(path, 'letter');
    const source = await openPayload({ file: path });
    await unlink(path);
    await symlink(join(folder, 'private.key'), path);
    await failure(PayloadError, read(source));
  });
});

describe('the state of a file', () => {
  it('is another one after a change, also when its time is set back to what it was', async () => {
    const path = join(await emptyFolder(), 'letter');
    await writeFile(path, '10 mg');
    const time = new Date(1_790_000_000_000);
    await utimes(path, time, time);
    const before = await stampOf(path);
    await writeFile(path, '90 mg');
    await utimes(path, time, time);
    const after = await stampOf(path);
    assert.deepEqual([after.size, after.mtimeMs, after.ino], [before.size, before.mtimeMs, before.ino]);
    assert.ok(!isSameState(before, after));
    assert.ok(isSameState(after, await stampOf(path)));
  });

  it('is another one when another file takes its name', async () => {
    const folder = await emptyFolder();
    const [path, other] = [join(folder, 'a'), join(folder, 'b')];
    for (const each of [path, other]) {
      await writeFile(each, 'x');
      await utimes(each, 1, 1);
    }
    const before = await stampOf(path);
    await rename(other, path);
    assert.ok(!isSameState(before, await stampOf(path)));
  });
});
