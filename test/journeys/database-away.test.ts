/**
 * The store's PostgreSQL is down for ten minutes, on a clock that runs sixty times as fast. Messages are refused with
 * an explanation, or wait as long as storePatienceSeconds says. Node-RED keeps running, loses nothing and recovers by
 * itself.
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
import { until } from '../harness/until';
import { mailboxOn, sendAndPollFlow, startNodeRed, text, type Caught } from '../harness/flows';

const SPEED = 60;
const TEN_MINUTES = 600_000 / SPEED;

describe('the store’s database down for ten minutes, under a real Node-RED 5', function () {
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

  /** Starts Node-RED with the place of the store in settings.js. */
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
    const isCollected = (): boolean => {
      const messages = sandbox.messages();
      return messages.length >= count && messages.every(({ status }) => status === 'acknowledged');
    };
    await until(`${count} collected messages`, isCollected, 60_000);
    assert.equal(sandbox.messages().length, count);
  };

  it('refuses a message with an explanation, keeps confirmed ones, and recovers with the database', async () => {
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

  it('waits where the patience is longer, also with a payload stored in the database in slices', async () => {
    await start(60, { largePayloads: 'database', largePayloadLimitMiB: 8 });
    await nodeRed.inject('go', text('before'));
    await nodeRed.debug('sent');
    await postgres.end('SIGINT');
    await nodeRed.inject('go', text('waits '.repeat(200_000)));
    await sleep(TEN_MINUTES);
    await assert.rejects(nodeRed.debug('sent', 100), 'the message is not confirmed before it is stored');
    await postgres.start();
    await nodeRed.debug('sent');
    await allCollected(2);
  });
});
