/** The log of a Node-RED whose store cannot be opened says why, and what to do. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { mailboxOn, MAJORS, sendAndPollFlow, startNodeRed } from '../harness/flows';

describe('a store that cannot be opened', function () {
  this.timeout(60_000);
  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox();
  });
  after(() => sandbox.close());

  /** Returns the log of a Node-RED with a prepared user folder, once its sending node shows an error. */
  async function logWith(prepare: (userDir: string) => Promise<void>): Promise<string> {
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-journey-'));
    await prepare(userDir);
    const [major] = MAJORS;
    const { nodeRed, done } = await startNodeRed({ userDir, ...(major && { major }) });
    try {
      await nodeRed.deploy([...sendAndPollFlow('X26ABC1', 'X26ABC1'), ...(await mailboxOn(sandbox, 'X26ABC1'))]);
      await nodeRed.status('send', ({ fill }) => fill === 'red', 30_000);
      return nodeRed.log();
    } finally {
      await done();
    }
  }

  it('because its file is damaged: the log says so and advises to restore the backup', async () => {
    const log = await logWith(async (userDir) => {
      await mkdir(join(userDir, 'mesh'));
      await writeFile(join(userDir, 'mesh', 'mesh.db'), 'no database, but long enough to be one. '.repeat(200));
    });
    assert.match(log, /The store is damaged/);
    assert.match(log, /restore the last backup/);
    assert.doesNotMatch(log, /may write into that folder/);
  });

  it('for another reason: the log has the system’s error code', async () => {
    const log = await logWith(async (userDir) => {
      await mkdir(join(userDir, 'mesh'));
      await writeFile(join(userDir, 'mesh', 'spool'), 'a file where a folder should be');
    });
    assert.match(log, /EEXIST|ENOTDIR/);
  });
});
