/** docs/operating.md, Backup and Restore, done: the folder `mesh` of a stopped Node-RED, and a Node-RED that starts with its copy. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import type { RealNodeRed } from '../harness/node-red';
import { mailboxOn, sendAndPollFlow, startNodeRed, text } from './support';

/** Over 64 KiB: a file of the spool. */
const LARGE = 'large '.repeat(20_000);

interface Received {
  messageId: string;
  sha256: string;
  deliveryCount: number;
}

const idAndHash = ({ messageId, sha256 }: Received): string => `${messageId} ${sha256}`;

describe('a backup of the folder mesh, restored in another user folder', function () {
  this.timeout(180_000);
  let folder: string;
  let sandbox: Sandbox;
  let nodeRed: RealNodeRed;
  let running: Array<() => Promise<void>>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mesh-restore-'));
    sandbox = await startSandbox({ clientCertificate: 'required' });
    running = [];
  });

  afterEach(async () => {
    for (const done of running) await done();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Another Node-RED, with the same flows, in a user folder of this name. */
  async function start(name: string): Promise<void> {
    let done: () => Promise<void>;
    ({ nodeRed, done } = await startNodeRed({ major: '5', userDir: join(folder, name) }));
    running.push(done);
    await nodeRed.deploy([
      ...(await mailboxOn(sandbox, 'X26ABC1')),
      ...(await mailboxOn(sandbox, 'X26ABC2')),
      ...sendAndPollFlow('X26ABC1', 'X26ABC2', { send: { confirm: 'queued' } }),
    ]);
  }

  const copy = (from: string, to: string): Promise<void> =>
    cp(join(folder, from, 'mesh'), join(folder, to, 'mesh'), { recursive: true });
  const closeTheWay = (): void =>
    sandbox.fault({ operation: '*', times: Infinity, effect: { kind: 'status', status: 503 } });

  async function send(payload: string): Promise<string> {
    await nodeRed.inject('go', text(payload));
    return ((await nodeRed.debug('sent')) as { id: string }).id;
  }

  /** What waits for MESH, the one that is just tried included. */
  async function waiting(): Promise<string[]> {
    await nodeRed.inject('ask', [{ p: 'meshTrack', v: '{"list":"waiting"}', vt: 'json' }]);
    return ((await nodeRed.debug('answer')) as Array<{ id: string }>).map(({ id }) => id).toSorted();
  }

  /** Again, if it was just being tried, as the document says. */
  async function drop(id: string): Promise<void> {
    for (const end = Date.now() + 60_000; (await waiting()).includes(id); await sleep(200)) {
      if (Date.now() > end) throw new Error(`${id} is not dropped`);
      await nodeRed.inject('go', [{ p: 'meshSend', v: JSON.stringify({ drop: id }), vt: 'json' }]);
    }
  }

  /** Waits until MESH has so many messages. */
  async function arrived(count: number): Promise<void> {
    for (const end = Date.now() + 90_000; sandbox.messages().length < count; await sleep(50)) {
      if (Date.now() > end)
        throw new Error(`in vain waited for ${count} messages: ${JSON.stringify(sandbox.messages())}`);
    }
  }

  it('loses nothing of what was queued and what was received, and sends nothing twice', async () => {
    await start('first');
    await nodeRed.inject('close-gate');
    await send('sent and received');
    await send(LARGE);
    await arrived(2);
    await nodeRed.inject('look');
    const received = [await nodeRed.debug('received'), await nodeRed.debug('received')] as Received[];
    closeTheWay();
    const queued = [await send('queued'), await send(`${LARGE}queued`)];
    assert.deepEqual(await waiting(), queued.toSorted());

    await nodeRed.stop();
    await copy('first', 'second');
    sandbox.clearFaults();
    await start('second');

    await arrived(4);
    await nodeRed.inject('look');
    const now: Received[] = [];
    while (now.length < 4) now.push((await nodeRed.debug('received')) as Received);
    const again = now.filter(({ deliveryCount }) => deliveryCount === 2);
    assert.deepEqual(again.map(idAndHash).toSorted(), received.map(idAndHash).toSorted());
    for (let left = 4; left > 0; left -= 1) await nodeRed.debug('acked');
    assert.deepEqual(await waiting(), []);
    const messages = sandbox.messages();
    assert.equal(messages.length, 4);
    assert.ok(messages.every(({ status }) => status === 'acknowledged'));
  });

  it('from before a message was sent: it is queued in it, is dropped while the way to MESH is closed, and never goes twice', async () => {
    await start('first');
    closeTheWay();
    const id = await send('sent after the backup');
    await nodeRed.stop();
    await copy('first', 'backup');
    sandbox.clearFaults();
    await start('first');
    await arrived(1);
    await nodeRed.stop();

    closeTheWay();
    await start('backup');
    assert.deepEqual(await waiting(), [id]);
    await drop(id);
    sandbox.clearFaults();
    // What was queued is sent in order: had it still been there, it would have gone before this.
    await nodeRed.inject('go', text('the next one'));
    await arrived(2);
    await nodeRed.inject('look');
    for (let left = 2; left > 0; left -= 1) await nodeRed.debug('acked');
    assert.deepEqual(
      sandbox.messages().map(({ localId }) => localId === id),
      [true, false],
    );
  });
});
