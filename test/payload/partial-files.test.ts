import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as promises from 'node:fs/promises';
import { join } from 'node:path';
import { setFiles } from '../../lib/files';
import { PartialFiles } from '../../lib/payload/partial-files';
import { afterThisTest, emptyFolder } from '../harness/cleanup';

describe('the notes of partial downloads', () => {
  it('that cannot be read once are read again: a disk that fails once ends no later download', async () => {
    const folder = await emptyFolder();
    const place = {
      tag: () => '0'.repeat(32),
      path: (name: string) => join(folder, name),
      sync: async () => undefined,
      remove: async () => undefined,
      inUse: new Set<string>(),
      isShared: false,
    };
    const partials = new PartialFiles(place, 'mailbox');
    const error = Object.assign(new Error('EIO'), { code: 'EIO' });
    setFiles({ ...fs, ...promises, readdir: (): Promise<never> => Promise.reject(error) });
    afterThisTest(() => setFiles());
    await assert.rejects(partials.find('M1'), /EIO/);
    setFiles();
    assert.equal(await partials.find('M1'), undefined);
  });
});
