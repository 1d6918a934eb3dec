/**
 * Backup and restore as in docs/operating.md: a Node-RED starts with a copy of the folder `mesh` of a stopped Node-RED.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSandbox, type Sandbox } from '../../lib/sandbox';
import type { RealNodeRed } from '../harness/node-red';
import { mailboxOn, sendAndPollFlow, startNodeRed, text } from '../harness/flows';
import { until } from '../harness/until';

/** Over 64 KiB, so that the payload is a file in the spool. */
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

  /** Starts a Node-RED with the same flows in the user folder `name`. */
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
  const makeMeshUnavailable = (): void =>
    sandbox.fault({ operation: '*', times: Infinity, effect: { kind: 'status', status: 503 } });

  async function send(payload: string): Promise<string> {
    await nodeRed.inject('go', text(payload));
    return ((await nodeRed.debug('sent')) as { id: string }).id;
  }

  /** Returns the ids of the messages that wait to be sent, including the one being sent. */
  async function waiting(): Promise<string[]> {
    await nodeRed.inject('track-now', [{ p: 'meshTrack', v: '{"list":"waiting"}', vt: 'json' }]);
    return ((await nodeRed.debug('tracked')) as Array<{ id: string }>).map(({ id }) => id).toSorted();
  }

  /** Drops a message. A message that is being sent cannot be dropped, so it tries again, as the document says. */
  async function drop(id: string): Promise<void> {
    for (const end = Date.now() + 60_000; (await waiting()).includes(id); await sleep(200)) {
      if (Date.now() > end) throw new Error(`${id} was not dropped`);
      await nodeRed.inject('go', [{ p: 'meshSend', v: JSON.stringify({ drop: id }), vt: 'json' }]);
    }
  }

  /** Waits until MESH has `count` messages. */
  const arrived = (count: number): Promise<unknown> =>
    until(`${count} messages at MESH`, () => sandbox.messages().length >= count, 90_000);

  it('loses no queued and no received message, and sends none twice', async () => {
    await start('first');
    await nodeRed.inject('close-gate');
    await send('sent and received');
    await send(LARGE);
    await arrived(2);
    await nodeRed.inject('look');
    const received = [await nodeRed.debug('received'), await nodeRed.debug('received')] as Received[];
    makeMeshUnavailable();
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
    const redelivered = now.filter(({ deliveryCount }) => deliveryCount === 2);
    assert.deepEqual(redelivered.map(idAndHash).toSorted(), received.map(idAndHash).toSorted());
    for (let left = 4; left > 0; left -= 1) await nodeRed.debug('acked');
    assert.deepEqual(await waiting(), []);
    const messages = sandbox.messages();
    assert.equal(messages.length, 4);
    assert.ok(messages.every(({ status }) => status === 'acknowledged'));
  });

  it('a message sent after the backup is queued again, can be dropped, and is never sent twice', async () => {
    await start('first');
    makeMeshUnavailable();
    const id = await send('sent after the backup');
    await nodeRed.stop();
    await copy('first', 'backup');
    sandbox.clearFaults();
    await start('first');
    await arrived(1);
    await nodeRed.stop();

    makeMeshUnavailable();
    await start('backup');
    assert.deepEqual(await waiting(), [id]);
    await drop(id);
    sandbox.clearFaults();
    // Queued messages are sent in order: the dropped message would have been sent before this one.
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
