/**
 * A storage that is not there yet when Node-RED starts: a database that starts later, a store that the process before
 * has not left, a volume that is not mounted. Node-RED says so, and works as soon as it is there, without a deploy.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage } from '../../lib/index';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { mailboxOn, MAJORS, sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import { RealNodeRed, type FlowNode } from '../harness/node-red';
import { startPostgres } from '../harness/postgres-server';

describe('a storage that is not there yet', function () {
  this.timeout(120_000);
  let sandbox: Sandbox;

  before(async () => {
    sandbox = await startSandbox();
  });
  after(() => sandbox.close());

  const flows = async (): Promise<FlowNode[]> => [
    ...sendAndPollFlow('X26ABC1', 'X26ABC1'),
    ...(await mailboxOn(sandbox, 'X26ABC1')),
  ];

  /** Every node waits; then `arrive` makes the storage appear, and a message goes through. */
  async function waitsFor(nodeRed: RealNodeRed, reason: RegExp, arrive: () => Promise<void>): Promise<void> {
    for (const id of ['send', 'poll', 'track']) {
      const { fill } = await nodeRed.status(id, (status) => status.text === 'waiting for storage', 30_000);
      assert.equal(fill, 'yellow');
    }
    assert.match(nodeRed.log(), reason);
    assert.match(nodeRed.log(), /tried again by itself/);
    assert.doesNotMatch(nodeRed.log(), /check settings/);
    await arrive();
    await nodeRed.status('track', ({ fill }) => fill === 'green', 40_000);
    await nodeRed.inject('go', text('at last'));
    assert.ok(await nodeRed.debug('sent', 30_000));
    await nodeRed.inject('look');
    assert.ok(await nodeRed.debug('received', 30_000), 'mesh-poll has joined');
  }

  for (const major of MAJORS) {
    it(`is PostgreSQL, started after Node-RED ${major}`, async () => {
      const postgres = await startPostgres();
      await postgres.end('SIGINT');
      const spoolFolder = await mkdtemp(join(tmpdir(), 'mesh-spool-'));
      const mesh = { storeUrl: postgres.url, storePatienceSeconds: 1, spoolFolder };
      const { nodeRed, done } = await startNodeRed({ major, settings: `mesh: ${JSON.stringify(mesh)},` });
      try {
        await nodeRed.deploy(await flows());
        await waitsFor(nodeRed, /database of the store cannot be reached/, () => postgres.start());
      } finally {
        await done();
        await postgres.remove();
        await rm(spoolFolder, { recursive: true });
      }
    });
  }

  it('is mesh.db, which another process still has open', async () => {
    const userDir = await mkdtemp(join(tmpdir(), 'mesh-journey-'));
    const other = await openStorage({ folder: join(userDir, 'mesh') });
    const { nodeRed, done } = await startNodeRed({ userDir });
    try {
      await nodeRed.deploy(await flows());
      await waitsFor(nodeRed, /Another Node-RED uses the store/, () => other.close());
    } finally {
      await done();
    }
  });

  describe('on a volume that is not mounted', () => {
    let userDir: string;
    let volume: string;

    // A Node-RED that has used its store; then the mount point without its volume.
    beforeEach(async () => {
      userDir = await mkdtemp(join(tmpdir(), 'mesh-journey-'));
      volume = join(userDir, 'mesh');
      const before = await RealNodeRed.start({ flows: [], userDir });
      await before.deploy(await flows());
      await before.status('track', ({ fill }) => fill === 'green', 40_000);
      await before.stop();
      await rename(volume, `${volume}-unmounted`);
      await mkdir(volume);
    });

    it('is waited for: no new store is made in the mount point', async () => {
      const { nodeRed, done } = await startNodeRed({ userDir });
      try {
        await nodeRed.deploy(await flows());
        await waitsFor(nodeRed, /The store that was used before is not there/, async () => {
          assert.match(nodeRed.log(), /mesh-store\.json/);
          assert.deepEqual(await readdir(volume), []);
          await rmdir(volume);
          await rename(`${volume}-unmounted`, volume);
        });
      } finally {
        await done();
      }
    });

    it('is given up, and a new store made, when a person removes mesh-store.json', async () => {
      const { nodeRed, done } = await startNodeRed({ userDir });
      try {
        await nodeRed.deploy(await flows());
        await waitsFor(nodeRed, /The store that was used before is not there/, () =>
          rm(join(userDir, 'mesh-store.json')),
        );
        assert.ok(existsSync(join(volume, 'mesh.db')) && existsSync(join(userDir, 'mesh-store.json')));
      } finally {
        await done();
      }
    });
  });
});
