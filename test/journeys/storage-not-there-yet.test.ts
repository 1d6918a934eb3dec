/**
 * A storage that is not there yet when Node-RED starts: a database that starts later, a store that the process before
 * has not left. Node-RED says so, and works as soon as it is there, without a deploy.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage } from '../../lib/index';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { mailboxOn, MAJORS, sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import type { FlowNode, RealNodeRed } from '../harness/node-red';
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
});
