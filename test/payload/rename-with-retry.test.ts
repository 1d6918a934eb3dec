import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeWithRetry, renameWithRetry } from '../../lib/payload/rename-with-retry';
import { emptyFolder } from '../harness/cleanup';

describe('a rename', () => {
  /** Fails with each of the codes, then renames. Returns what happened. */
  async function tried(platform: NodeJS.Platform, codes: string[]) {
    const folder = await emptyFolder();
    const [from, to] = [join(folder, 'a.part'), join(folder, 'a')];
    await writeFile(from, 'new');
    await writeFile(to, 'old');
    const left = [...codes];
    let waited = 0;
    const failed = await renameWithRetry(from, to, {
      platform,
      async rename(one, other) {
        const code = left.shift();
        if (code) throw Object.assign(new Error(code), { code });
        await rename(one, other);
      },
      async wait(ms) {
        waited += ms;
      },
    }).then(
      () => undefined,
      (error: unknown) => (error as NodeJS.ErrnoException).code,
    );
    return { failed, waited, tries: codes.length - left.length, content: await readFile(to, 'utf8') };
  }

  for (const code of ['EPERM', 'EACCES', 'EBUSY']) {
    it(`that Windows refuses for a moment with ${code} is retried, and replaces the file`, async () => {
      const { failed, tries, content } = await tried('win32', [code, code, 'EBUSY']);
      assert.deepEqual([failed, tries, content], [undefined, 3, 'new']);
    });

    it(`that Linux refuses with ${code} fails at once`, async () => {
      assert.deepEqual(await tried('linux', [code, code]), { failed: code, waited: 0, tries: 1, content: 'old' });
    });
  }

  it('that Windows keeps refusing fails with its error after 2.5 seconds, and leaves the other file', async () => {
    const codes = Array.from({ length: 20 }, () => 'EPERM');
    assert.deepEqual(await tried('win32', codes), { failed: 'EPERM', waited: 2500, tries: 9, content: 'old' });
  });

  it('that fails for another reason is not retried on Windows either', async () => {
    assert.deepEqual((await tried('win32', ['ENOSPC', 'ENOSPC'])).tries, 1);
  });
});

describe('a delete', () => {
  /** Fails with each of the codes, then deletes. Returns how often it was tried, and with which code it failed. */
  async function tried(platform: NodeJS.Platform, codes: string[]) {
    const left = [...codes];
    let tries = 0;
    const failed = await removeWithRetry('a', {
      platform,
      async remove() {
        tries += 1;
        const code = left.shift();
        if (code) throw Object.assign(new Error(code), { code });
      },
      wait: async () => undefined,
    }).then(
      () => undefined,
      (error: unknown) => (error as NodeJS.ErrnoException).code,
    );
    return { failed, tries };
  }

  for (const code of ['EPERM', 'EACCES', 'EBUSY']) {
    it(`that Windows refuses for a moment with ${code} is retried`, async () => {
      assert.deepEqual(await tried('win32', [code, 'EBUSY']), { failed: undefined, tries: 3 });
      assert.deepEqual(await tried('linux', [code]), { failed: code, tries: 1 });
    });
  }

  it('that Windows goes on refusing fails after nine attempts, and another error at once', async () => {
    assert.deepEqual(
      await tried(
        'win32',
        Array.from({ length: 20 }, () => 'EBUSY'),
      ),
      { failed: 'EBUSY', tries: 9 },
    );
    assert.deepEqual(await tried('win32', ['EIO']), { failed: 'EIO', tries: 1 });
  });
});
