/** Syncing a folder on systems that cannot, with a faked platform. */
import assert from 'node:assert/strict';
import { syncFolder } from '../../lib/payload/sync-folder';
import { emptyFolder } from '../harness/cleanup';

describe('syncing a folder', () => {
  /** Returns what it did when the sync fails with this code. */
  async function tried(platform: NodeJS.Platform, code: string): Promise<{ done: string[]; failed?: string }> {
    const done: string[] = [];
    const parts = {
      platform,
      open: async () => {
        done.push('open');
        return {
          sync: async () => {
            done.push('sync');
            if (code !== '') throw Object.assign(new Error(code), { code });
          },
          close: async () => void done.push('close'),
        };
      },
    };
    return syncFolder('folder', parts).then(
      () => ({ done }),
      (error: unknown) => ({ done, failed: String((error as NodeJS.ErrnoException).code) }),
    );
  }

  it('works here', async () => syncFolder(await emptyFolder()));

  it('is not tried on Windows, which cannot open a folder', async () => {
    assert.deepEqual(await tried('win32', 'EPERM'), { done: [] });
  });

  it('passes over a file system that cannot do it, and not over a disk that fails', async () => {
    for (const code of ['', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'EISDIR']) {
      assert.deepEqual(await tried('linux', code), { done: ['open', 'sync', 'close'] }, code);
    }
    for (const code of ['EIO', 'ENOSPC', 'EPERM']) {
      assert.deepEqual(await tried('linux', code), { done: ['open', 'sync', 'close'], failed: code }, code);
    }
  });
});
