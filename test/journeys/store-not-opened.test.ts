/** A store that cannot be opened: the log, which is all that a person has then, says why and what to do about it. */
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

  /** The log of a Node-RED whose user folder has this in it, when the sending node has told that it cannot send. */
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

  it('because its file is damaged: the log says so, and to restore the backup', async () => {
    const log = await logWith(async (userDir) => {
      await mkdir(join(userDir, 'mesh'));
      await writeFile(join(userDir, 'mesh', 'mesh.db'), 'no database, but long enough to be one. '.repeat(200));
    });
    assert.match(log, /The store is damaged/);
    assert.match(log, /restore the last backup/);
    assert.doesNotMatch(log, /may write into that folder/);
  });

  it('because something else of the folder fails: the log has the system’s name for it', async () => {
    const log = await logWith(async (userDir) => {
      await mkdir(join(userDir, 'mesh'));
      await writeFile(join(userDir, 'mesh', 'spool'), 'a file where a folder should be');
    });
    assert.match(log, /EEXIST|ENOTDIR/);
  });
});
