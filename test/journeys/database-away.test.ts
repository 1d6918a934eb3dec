/**
 * The PostgreSQL of the store is away for ten minutes, by a clock that runs sixty times as fast. Flows are refused in words, or
 * wait where storePatienceSeconds says so; Node-RED lives, loses nothing and goes on by itself.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import { fastClock } from '../harness/clocks';
import type { RealNodeRed } from '../harness/node-red';
import { startPostgres, type TestPostgres } from '../harness/postgres-server';
import { mailboxOn, sendAndPollFlow, startNodeRed, text, type Caught } from '../harness/flows';

const SPEED = 60;
const TEN_MINUTES = 600_000 / SPEED;

describe('a database of the store that is away for ten minutes, under a real Node-RED 5', function () {
  this.timeout(180_000);
  let sandbox: Sandbox;
  let postgres: TestPostgres;
  let spoolFolder: string;
  let nodeRed: RealNodeRed;
  let done = async (): Promise<void> => undefined;

  beforeEach(async () => {
    sandbox = await startSandbox({ clientCertificate: 'required' });
    postgres = await startPostgres();
    spoolFolder = await mkdtemp(join(tmpdir(), 'mesh-spool-'));
  });

  afterEach(async () => {
    await done();
    await postgres.remove();
    await sandbox.close();
    await rm(spoolFolder, { recursive: true });
  });

  /** The place of the store is in settings.js. */
  async function start(storePatienceSeconds: number, largePayloads: object = { spoolFolder }): Promise<void> {
    const mesh = { storeUrl: postgres.url, storePatienceSeconds, ...largePayloads };
    ({ nodeRed, done } = await startNodeRed({
      major: '5',
      settings: `mesh: ${JSON.stringify(mesh)},`,
      clock: fastClock(SPEED),
    }));
    await nodeRed.deploy([
      ...(await mailboxOn(sandbox, 'X26ABC1')),
      ...(await mailboxOn(sandbox, 'X26ABC2')),
      ...sendAndPollFlow('X26ABC1', 'X26ABC2', { send: { confirm: 'queued' }, poll: { interval: 0.1 } }),
    ]);
  }

  const allCollected = async (count: number): Promise<void> => {
    for (const end = Date.now() + 60_000; ; await sleep(50)) {
      const messages = sandbox.messages();
      if (messages.length >= count && messages.every(({ status }) => status === 'acknowledged')) break;
      if (Date.now() > end) throw new Error(`in vain waited for ${count} messages: ${JSON.stringify(messages)}`);
    }
    assert.equal(sandbox.messages().length, count);
  };

  it('refuses a message in words, keeps what was confirmed, and sends and receives again when it is back', async () => {
    await start(1);
    await nodeRed.inject('go', text('before'));
    await nodeRed.debug('sent');
    await allCollected(1);
    sandbox.fault({ operation: 'send_message', times: Infinity, effect: { kind: 'status', status: 503 } });
    await nodeRed.inject('go', text('confirmed before'));
    await nodeRed.debug('sent');

    await postgres.end('SIGKILL');
    sandbox.clearFaults();
    await nodeRed.inject('go', text('refused'));
    const isRefusal = (value: unknown): boolean => (value as Caught).source.id === 'send';
    const refused = (await nodeRed.debug('error', 30_000, isRefusal)) as Caught;
    assert.equal(refused.code, 'MESH_STORAGE');
    assert.match(refused.message, /database of the store cannot be reached/);
    assert.doesNotMatch(JSON.stringify(refused), /postgres:\/\//);
    await sleep(TEN_MINUTES);
    await postgres.start();

    await allCollected(2);
    await nodeRed.inject('go', text('after'));
    await nodeRed.debug('sent');
    await allCollected(3);
  });

  it('lets a flow wait that may wait for longer, with a payload that goes into the database in slices', async () => {
    await start(60, { largePayloads: 'database', largePayloadLimitMiB: 8 });
    await nodeRed.inject('go', text('before'));
    await nodeRed.debug('sent');
    await postgres.end('SIGINT');
    await nodeRed.inject('go', text('waits '.repeat(200_000)));
    await sleep(TEN_MINUTES);
    await assert.rejects(nodeRed.debug('sent', 100), 'it is not confirmed before it is safe');
    await postgres.start();
    await nodeRed.debug('sent');
    await allCollected(2);
  });
});
